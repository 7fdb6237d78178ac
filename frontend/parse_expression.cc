// Expressions, by precedence climbing with Python's precedences.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "frontend/parser_state.h"

namespace gradus::frontend {
namespace {

using ast::BinaryOperator;

struct OperatorRow {
  absl::string_view text;
  BinaryOperator op;
  int precedence;
};
constexpr int kNotPrecedence = 3;
constexpr int kComparison = 4;
constexpr int kPowerPrecedence = 8;
constexpr OperatorRow kOperators[] = {
    {"or", BinaryOperator::kOr, 1},
    {"and", BinaryOperator::kAnd, 2},
    {"==", BinaryOperator::kEqual, kComparison},
    {"!=", BinaryOperator::kNotEqual, kComparison},
    {"<", BinaryOperator::kLess, kComparison},
    {"<=", BinaryOperator::kLessEqual, kComparison},
    {">", BinaryOperator::kGreater, kComparison},
    {">=", BinaryOperator::kGreaterEqual, kComparison},
    {"+", BinaryOperator::kAdd, 5},
    {"-", BinaryOperator::kSubtract, 5},
    {"*", BinaryOperator::kMultiply, 6},
    {"/", BinaryOperator::kDivide, 6},
    {"//", BinaryOperator::kFloorDivide, 6},
    {"%", BinaryOperator::kModulo, 6},
    {"@", BinaryOperator::kMatrixMultiply, 6},
    {"**", BinaryOperator::kPower, kPowerPrecedence},
};

const OperatorRow* FindOperator(const Token& token) {
  if (token.kind != TokenKind::kPunctuation && token.kind != TokenKind::kName) return nullptr;
  const auto* row = std::find_if(std::begin(kOperators), std::end(kOperators),
                                 [&](const OperatorRow& r) { return r.text == token.text; });
  return row == std::end(kOperators) ? nullptr : row;
}

}  // namespace

ast::ExpressionPtr Parser::Make(SourceRange range, ast::Expression::Node node) {
  const int depth = DepthOf(node);
  if (depth > ast::kMaxNesting) {
    Error(ErrorKind::kNestingLimit, range,
          absl::StrCat("this is nested more deeply than the nesting limit of ", ast::kMaxNesting))
        .Help("give a part of it a name of its own");
    return nullptr;
  }
  auto made = std::make_unique<ast::Expression>();
  made->range = range;
  made->node = std::move(node);
  made->depth = depth;
  return made;
}

ast::ExpressionPtr Parser::ParseBinary(int minimum_precedence) {
  const SourceRange first = Peek().range;
  ExpressionPtr left;
  if (At("not") && minimum_precedence <= kNotPrecedence) {
    const Nesting nesting(*this);
    if (!nesting.ok()) return nullptr;
    const SourceRange op = Take().range;
    ExpressionPtr operand = ParseBinary(kNotPrecedence);
    if (!operand) return nullptr;
    left = Make(Since(first), ast::Unary{ast::UnaryOperator::kNot, op, std::move(operand)});
  } else {
    left = ParseUnary();
  }
  bool compared = false;
  while (left) {
    const OperatorRow* row = FindOperator(Peek());
    if (!row || row->precedence < std::max(minimum_precedence, 1) || row->precedence == kPowerPrecedence) break;
    const SourceRange op = Peek().range;
    if (row->precedence == kComparison) {
      if (compared) {
        Error(ErrorKind::kChainedComparison, op, "comparisons do not chain")
            .Help("write each comparison, joined by `and`: a < b and b < c");
        return nullptr;
      }
      compared = true;
    }
    Take();
    Continue();
    if (At("=") && (row->text == "+" || row->text == "-" || row->text == "*" || row->text == "/")) {
      Error(ErrorKind::kCompoundAssignment, op, absl::StrCat("there is no operator `", row->text, "=`"))
          .Help(absl::StrCat("bind the name again: x = x ", row->text, " …"));
      return nullptr;
    }
    const Nesting nesting(*this);
    if (!nesting.ok()) return nullptr;
    ExpressionPtr right = ParseBinary(row->precedence + 1);
    if (!right) return nullptr;
    left = Make(Since(first), ast::Binary{row->op, op, std::move(left), std::move(right)});
  }
  return left;
}

// -x, and x ** y, which binds tighter than the minus on its left and looser than the one on its right.
ast::ExpressionPtr Parser::ParseUnary() {
  const Nesting nesting(*this);
  if (!nesting.ok()) return nullptr;
  const SourceRange first = Peek().range;
  if (At("-")) {
    const SourceRange op = Take().range;
    ExpressionPtr operand = ParseUnary();
    if (!operand) return nullptr;
    return Make(Since(first), ast::Unary{ast::UnaryOperator::kNegate, op, std::move(operand)});
  }
  ExpressionPtr base = ParsePostfix();
  if (!base || !At("**")) return base;
  const SourceRange op = Take().range;
  Continue();
  ExpressionPtr exponent = ParseUnary();
  if (!exponent) return nullptr;
  return Make(Since(first), ast::Binary{BinaryOperator::kPower, op, std::move(base), std::move(exponent)});
}

ast::ExpressionPtr Parser::ParsePostfix() {
  const SourceRange first = Peek().range;
  ExpressionPtr e = ParsePrimary();
  while (e) {
    if (At("(")) {
      auto arguments = ParseArguments();
      if (!arguments) return nullptr;
      ast::Call call{std::move(e), *std::move(arguments)};
      const bool region = in_graph_ && !before_block_ && (At("{") || (At("vjp") && PeekAfter(1).text == "("));
      if (region && call.callee->As<ast::Name>()) return ParseRegion(std::move(call), first);
      e = Make(Since(first), std::move(call));
    } else if (At("[")) {
      e = ParseIndex(std::move(e));
    } else if (At(".")) {
      Take();
      // A name behind a point may have taken further points with it: `f(x).shape`, `a[0].b.T`.
      if (Peek().kind != TokenKind::kName) {
        Expected(ErrorKind::kExpectedName, "a name after `.`");
        return nullptr;
      }
      const Token name = Take();
      size_t begin = 0;
      while (e && begin <= name.text.size()) {
        const size_t end = std::min(name.text.find('.', begin), name.text.size());
        SourceRange part{name.range.file, name.range.begin + static_cast<int32_t>(begin),
                         name.range.begin + static_cast<int32_t>(end)};
        e = Make(first.To(part), ast::Member{std::move(e), {std::string(name.text.substr(begin, end - begin)), part}});
        begin = end + 1;
      }
    } else {
      break;
    }
  }
  return e;
}

ast::ExpressionPtr Parser::ParsePrimary() {
  const Token& next = Peek();
  const SourceRange range = next.range;
  switch (next.kind) {
    case TokenKind::kInteger:
    case TokenKind::kFloat: {
      const Token number = Take();
      return Make(range, ast::Number{std::string(number.text), number.kind == TokenKind::kInteger});
    }
    case TokenKind::kString:
      return Make(range, ast::String{Take().value});
    case TokenKind::kName:
      return ParseName();
    case TokenKind::kPunctuation:
      if (next.text == "(") return ParseParenthesized();
      if (next.text == "[") return ParseBracketed();
      break;
    case TokenKind::kNote:
      if (Diagnostic* error = Expected(ErrorKind::kExpectedExpression, "an expression")) {
        error->Help("`|` starts the note of a printed statement; the logical or is written `or`");
      }
      return nullptr;
    default:
      break;
  }
  const Token& found = Peek();
  if (found.starts_line && at_ > 0 && open_brackets_ == 0 && found.kind != TokenKind::kError) {
    // The line before goes on after its last token, but this one does not.
    Error(ErrorKind::kExpectedExpression, last_,
          absl::StrCat("expected an expression after `", last_.text(), "`, found ", Describe(found),
                       " on the next line"));
    return nullptr;
  }
  Expected(ErrorKind::kExpectedExpression, "an expression");
  return nullptr;
}

// A name, with the `.T` and `.shape` at its end taken off it; or a word that begins an expression.
ast::ExpressionPtr Parser::ParseName() {
  const absl::string_view word = Peek().text;
  const SourceRange range = Peek().range;
  if (IsReserved(word)) {
    if (word == "repeat") return ParseRepeat();
    if (word == "scan") return ParseScan();
    if (word == "cond") return ParseCond();
    if (word == "while") return ParseWhile();
    if (word == "true" || word == "false") {
      Take();
      return Make(range, ast::Bool{word == "true"});
    }
    if (word == "none") {
      Take();
      return Make(range, ast::None{});
    }
    Expected(ErrorKind::kExpectedExpression, "an expression");
    return nullptr;
  }
  Take();
  size_t end = word.size();
  while (absl::EndsWith(word.substr(0, end), ".T") || absl::EndsWith(word.substr(0, end), ".shape"))
    end = word.rfind('.', end - 1);
  ExpressionPtr e = Make({range.file, range.begin, range.begin + static_cast<int32_t>(end)},
                         ast::Name{std::string(word.substr(0, end))});
  while (e && end < word.size()) {
    const size_t next = std::min(word.find('.', end + 1), word.size());
    const SourceRange part{range.file, range.begin + static_cast<int32_t>(end + 1),
                           range.begin + static_cast<int32_t>(next)};
    e = Make(range.To(part), ast::Member{std::move(e), {std::string(word.substr(end + 1, next - end - 1)), part}});
    end = next;
  }
  return e;
}

ast::ExpressionPtr Parser::ParseParenthesized() {
  const SourceRange first = Take().range;
  const bool before_block = std::exchange(before_block_, false);
  std::vector<ExpressionPtr> items;
  bool tuple = false;
  do {
    if (!items.empty() && At(")")) break;
    ExpressionPtr item = ParseExpression();
    if (!item) return nullptr;
    items.push_back(std::move(item));
    if (At(",")) tuple = true;
  } while (Accept(","));
  if (!At(")")) {
    if (Diagnostic* error = Expected(ErrorKind::kUnclosedBracket, "`)` or `,`"))
      error->Note("the `(` was opened", first);
    return nullptr;
  }
  Take();
  before_block_ = before_block;
  if (tuple) return Make(Since(first), ast::Tuple{std::move(items)});
  // Parentheses leave no node; the range of what they hold stays its own.
  return std::move(items.front());
}

ast::ExpressionPtr Parser::ParseBracketed() {
  const SourceRange first = Take().range;
  const bool before_block = std::exchange(before_block_, false);
  std::vector<ExpressionPtr> items;
  while (!At("]")) {
    ExpressionPtr item = ParseExpression();
    if (!item) return nullptr;
    if (items.empty() && At("for")) {
      Take();
      std::optional<ast::Identifier> variable = DefinedName("a name for the items of the list");
      if (!variable || !Expect("in", "and the list")) return nullptr;
      ExpressionPtr list = ParseExpression();
      if (!list || !Expect("]", "")) return nullptr;
      before_block_ = before_block;
      return Make(Since(first), ast::Comprehension{std::move(item), *std::move(variable), std::move(list)});
    }
    items.push_back(std::move(item));
    if (!Accept(",") && !At("]")) {
      if (Diagnostic* error = Expected(ErrorKind::kUnclosedBracket, "`]` or `,`"))
        error->Note("the `[` was opened", first);
      return nullptr;
    }
  }
  Take();
  before_block_ = before_block;
  return Make(Since(first), ast::List{std::move(items)});
}

std::optional<std::vector<ast::Argument>> Parser::ParseArguments() {
  const SourceRange first = Take().range;
  const bool before_block = std::exchange(before_block_, false);
  std::vector<ast::Argument> arguments;
  while (!At(")")) {
    ast::Argument argument;
    const bool named =
        Peek().kind == TokenKind::kName && PeekAfter(1).kind == TokenKind::kPunctuation && PeekAfter(1).text == "=";
    if (named) {
      std::optional<ast::Identifier> name = MentionedName("the name of an argument");
      if (!name) return std::nullopt;
      argument.name = *std::move(name);
      Take();
    } else if (!arguments.empty() && !arguments.back().name.text.empty()) {
      Error(ErrorKind::kPositionalAfterNamed, Peek().range, "an argument without a name cannot follow one with a name");
      return std::nullopt;
    }
    argument.value = ParseExpression();
    if (!argument.value) return std::nullopt;
    if (named) {
      for (const ast::Argument& other : arguments) {
        if (other.name.text != argument.name.text) continue;
        Error(ErrorKind::kArgumentTwice, argument.name.range,
              absl::StrCat("the argument `", argument.name.text, "` is given twice"));
        return std::nullopt;
      }
    }
    arguments.push_back(std::move(argument));
    if (!Accept(",") && !At(")")) {
      if (Diagnostic* error = Expected(ErrorKind::kUnclosedBracket, "`)` or `,`"))
        error->Note("the `(` was opened", first);
      return std::nullopt;
    }
  }
  Take();
  before_block_ = before_block;
  return arguments;
}

std::optional<std::vector<ast::Parameter>> Parser::ParseParameters() {
  if (!Expect("(", "and parameters")) return std::nullopt;
  const SourceRange first = last_;
  std::vector<ast::Parameter> parameters;
  while (!At(")")) {
    ast::Parameter parameter;
    std::optional<ast::Identifier> name = DefinedName("the name of a parameter");
    if (!name) return std::nullopt;
    for (const ast::Parameter& other : parameters) {
      if (other.name.text != name->text) continue;
      Error(ErrorKind::kParameterTwice, name->range, absl::StrCat("two parameters are called `", name->text, "`"));
      return std::nullopt;
    }
    parameter.name = *std::move(name);
    if (Accept("=")) {
      parameter.default_value = ParseExpression();
      if (!parameter.default_value) return std::nullopt;
    } else if (!parameters.empty() && parameters.back().default_value) {
      Error(ErrorKind::kDefaultMissing, parameter.name.range,
            absl::StrCat("`", parameter.name.text, "` needs a default value, because `", parameters.back().name.text,
                         "` has one"));
      return std::nullopt;
    }
    parameters.push_back(std::move(parameter));
    if (!Accept(",") && !At(")")) {
      if (Diagnostic* error = Expected(ErrorKind::kUnclosedBracket, "`)` or `,`"))
        error->Note("the `(` was opened", first);
      return std::nullopt;
    }
  }
  Take();
  return parameters;
}

ast::ExpressionPtr Parser::ParseIndex(ExpressionPtr object) {
  const SourceRange first = object->range;
  const SourceRange open = Take().range;
  const bool before_block = std::exchange(before_block_, false);
  std::vector<ast::IndexItem> items;
  do {
    if (!items.empty() && At("]")) break;
    std::optional<ast::IndexItem> item = ParseIndexItem();
    if (!item) return nullptr;
    items.push_back(*std::move(item));
  } while (Accept(","));
  if (!At("]")) {
    if (Diagnostic* error = Expected(ErrorKind::kUnclosedBracket, "`]`, `,` or `:`"))
      error->Note("the `[` was opened", open);
    return nullptr;
  }
  Take();
  before_block_ = before_block;
  return Make(Since(first), ast::Index{std::move(object), std::move(items)});
}

std::optional<ast::IndexItem> Parser::ParseIndexItem() {
  ast::IndexItem item;
  const SourceRange first = Peek().range;
  if (At("...")) {
    Take();
    item.value = Make(first, ast::Ellipsis{});
    item.range = first;
    return item;
  }
  ExpressionPtr lower;
  if (!At(":")) {
    lower = ParseExpression();
    if (!lower) return std::nullopt;
  }
  if (!Accept(":")) {
    item.value = std::move(lower);
    item.range = Since(first);
    return item;
  }
  item.is_slice = true;
  item.lower = std::move(lower);
  auto at_end = [&] { return At(":") || At(",") || At("]"); };
  if (!at_end() && !(item.upper = ParseExpression())) return std::nullopt;
  if (Accept(":") && !at_end() && !(item.step = ParseExpression())) return std::nullopt;
  item.range = Since(first);
  return item;
}

ast::ExpressionPtr Parser::ParseRepeat() {
  const SourceRange first = Take().range;
  if (!Expect("(", "and a count")) return nullptr;
  ExpressionPtr count = ParseExpression();
  if (!count || !Expect(")", "after the count")) return nullptr;
  const Nesting nesting(*this);
  if (!nesting.ok()) return nullptr;
  ExpressionPtr item = ParsePostfix();
  if (!item) return nullptr;
  return Make(Since(first), ast::Repeat{std::move(count), std::move(item)});
}

ast::ExpressionPtr Parser::ParseRegion(ast::Call call, SourceRange first) {
  ast::Region region;
  region.kind = {call.callee->As<ast::Name>()->text, call.callee->range};
  region.arguments = std::move(call.arguments);
  if (At("{") && !(region.body = ParseBlock("a region"))) return nullptr;
  if (At("vjp") && !ParseVjp(region.vjp_parameters, region.vjp)) return nullptr;
  return Make(Since(first), std::move(region));
}

ast::ExpressionPtr Parser::ParseHeadExpression() {
  const bool before_block = std::exchange(before_block_, true);
  ExpressionPtr e = ParseExpression();
  before_block_ = before_block;
  return e;
}

std::optional<std::vector<ast::ExpressionPtr>> Parser::ParseExpressions() {
  std::vector<ExpressionPtr> list;
  do {
    ExpressionPtr e = ParseExpression();
    if (!e) return std::nullopt;
    list.push_back(std::move(e));
  } while (Accept(","));
  return list;
}

}  // namespace gradus::frontend
