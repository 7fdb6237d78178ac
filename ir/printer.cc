#include "ir/printer.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "ir/contraction.h"
#include "ir/control.h"

namespace gradus::ir {
namespace {

// Python's precedences, loosest first. A child prints in parentheses where it binds looser than its place asks.
enum Precedence { kOr = 1, kAnd, kNot, kComparison, kSum, kProduct, kSign, kPower, kPostfix };

Precedence InfixPrecedence(Op op) {
  switch (op) {
    case Op::kOr:
      return kOr;
    case Op::kAnd:
      return kAnd;
    case Op::kAdd:
    case Op::kSub:
      return kSum;
    case Op::kMul:
    case Op::kDiv:
    case Op::kFloorDiv:
    case Op::kMod:
      return kProduct;
    case Op::kPow:
      return kPower;
    default:
      return kComparison;
  }
}

struct Text {
  std::string text;
  Precedence precedence = kPostfix;
};

std::string InParentheses(Text t, Precedence needed) {
  return t.precedence >= needed ? std::move(t.text) : absl::StrCat("(", t.text, ")");
}

bool IsBareLiteral(const Value& value) {
  return value.definition != nullptr && value.definition->op == Op::kConstant && value.name.empty() &&
         value.type.rank() == 0;
}

std::string PrintAttribute(const AttributeValue& value, bool bracket) {
  struct Printer {
    bool bracket;
    std::string operator()(int64_t v) const { return absl::StrCat(v); }
    std::string operator()(const Ints& v) const {
      if (v.size() == 1 && !bracket) return absl::StrCat(v[0]);
      return absl::StrCat("[", absl::StrJoin(v, ", "), "]");
    }
    std::string operator()(const std::string& v) const { return absl::StrCat("\"", v, "\""); }
    std::string operator()(DType v) const { return std::string(Name(v)); }
    std::string operator()(uint64_t v) const { return absl::StrCat("0x", absl::Hex(v, absl::kZeroPad16)); }
  };
  return std::visit(Printer{bracket}, value);
}

Text PrintValue(const Value& value);
Text PrintExpression(const Statement& s);
Text PrintCall(const Statement& s);

// A literal takes the type of the operand that it is tied to; without one it carries its own.
Text PrintOperand(const Statement& user, size_t index) {
  const Value& operand = *user.operands[index];
  if (!IsBareLiteral(operand)) return PrintValue(operand);
  const std::string literal = PrintLiteral(*operand.definition->literal);
  if (operand.type.element == DType::kBool || LiteralHasContext(user, index)) {
    return {literal, literal[0] == '-' ? kSign : kPostfix};
  }
  return {absl::StrCat(Name(operand.type.element), "(", literal, ")")};
}

std::string OperandText(const Statement& user, size_t index, Precedence needed) {
  return InParentheses(PrintOperand(user, index), needed);
}

Text PrintInfix(const Statement& s) {
  const Precedence own = InfixPrecedence(s.op);
  // `**` groups to the right and its left operand is a primary; comparisons do not chain; the others group to the left.
  const bool comparison = own == kComparison;
  const Precedence left = s.op == Op::kPow ? kPostfix : comparison ? kSum : own;
  const Precedence right = s.op == Op::kPow ? kSign : static_cast<Precedence>(own + 1);
  return {absl::StrCat(OperandText(s, 0, left), " ", Info(s.op).infix, " ", OperandText(s, 1, right)), own};
}

absl::optional<Text> PrintMatmul(const Statement& s) {
  if (!s.Text("order").empty() || !s.Text("band").empty()) return absl::nullopt;
  const int64_t rank_a = s.operands[0]->type.rank(), rank_b = s.operands[1]->type.rank();
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      if (MatmulSpec(rank_a, rank_b, transpose_a, transpose_b) != s.Text("spec")) continue;
      // A `.T` under `@` is the contraction's own, so a transposition that stands there by itself is written as a call.
      const auto operand = [&](size_t i, bool transpose, Precedence needed) {
        const Value& value = *s.operands[i];
        if (value.name.empty() && value.definition != nullptr && value.definition->op == Op::kTranspose) {
          return PrintCall(*value.definition).text + (transpose ? ".T" : "");
        }
        return transpose ? OperandText(s, i, kPostfix) + ".T" : OperandText(s, i, needed);
      };
      return Text{absl::StrCat(operand(0, transpose_a, kProduct), " @ ", operand(1, transpose_b, kSign)), kProduct};
    }
  }
  return absl::nullopt;
}

absl::optional<Text> PrintTransposed(const Statement& s) {
  const Ints& axes = s.IntList("axes");
  if (axes.size() < 2) return absl::nullopt;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t swapped = i == axes.size() - 1 ? i - 1 : i == axes.size() - 2 ? i + 1 : i;
    if (axes[i] != static_cast<int64_t>(swapped)) return absl::nullopt;
  }
  return Text{OperandText(s, 0, kPostfix) + ".T"};
}

// x[:, none]: a reshape that only adds axes of extent 1.
absl::optional<Text> PrintNewAxes(const Statement& s) {
  const Shape &from = s.operands[0]->type.shape, &to = s.result()->type.shape;
  if (to.size() <= from.size()) return absl::nullopt;
  std::vector<absl::string_view> items;
  size_t axis = 0;
  for (int64_t extent : to) {
    if (axis < from.size() && from[axis] == extent) {
      items.push_back(":");
      ++axis;
    } else if (extent == 1) {
      items.push_back("none");
    } else {
      return absl::nullopt;
    }
  }
  if (axis != from.size()) return absl::nullopt;
  return Text{absl::StrCat(OperandText(s, 0, kPostfix), "[", absl::StrJoin(items, ", "), "]")};
}

Text PrintSlice(const Statement& s) {
  const Shape& shape = s.operands[0]->type.shape;
  std::vector<std::string> items;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const int64_t start = s.IntList("start")[axis], limit = s.IntList("limit")[axis],
                  stride = s.IntList("stride")[axis];
    std::string item = ":";
    if (start != 0 || limit != shape[axis]) item = absl::StrCat(start, ":", limit);
    if (stride != 1) absl::StrAppend(&item, ":", stride);
    items.push_back(std::move(item));
  }
  return {absl::StrCat(OperandText(s, 0, kPostfix), "[", absl::StrJoin(items, ", "), "]")};
}

std::string PrintRegion(const Statement& s);

Text PrintCall(const Statement& s) {
  const OpInfo& info = Info(s.op);
  std::vector<std::string> items;
  const auto add_attributes = [&](bool text_first) {
    for (size_t i = 0; i < info.attributes.size(); ++i) {
      const AttributeSchema& schema = info.attributes[i];
      const bool leading = schema.form == AttributeForm::kPositional && schema.kind == AttributeKind::kText;
      if (leading != text_first) continue;
      const AttributeValue& value = s.attributes[i];
      if (IsDefault(schema, value)) continue;
      const bool positional = schema.form == AttributeForm::kPositional;
      items.push_back(
          absl::StrCat(positional ? "" : absl::StrCat(schema.name, "="), PrintAttribute(value, positional)));
    }
  };
  add_attributes(true);
  std::vector<std::string> operands;
  for (size_t i = 0; i < s.operands.size(); ++i) operands.push_back(OperandText(s, i, kOr));
  if (s.op == Op::kConcat) {
    items.push_back(absl::StrCat("[", absl::StrJoin(operands, ", "), "]"));
  } else if (s.op == Op::kGrad) {
    items.push_back(operands[0]);
    items.push_back(absl::StrCat("[", absl::StrJoin(operands.begin() + 1, operands.end(), ", "), "]"));
  } else {
    items.insert(items.end(), operands.begin(), operands.end());
  }
  add_attributes(false);
  std::string text = absl::StrCat(info.mnemonic, "(", absl::StrJoin(items, ", "), ")");
  if (s.op == Op::kCustomVjp) absl::StrAppend(&text, " vjp(", s.region->parameters[0]->name, ")");
  if (s.region != nullptr) absl::StrAppend(&text, " ", PrintRegion(s));
  return {text};
}

// `h = h0, c = c0`: parameters from `first` on, and what they begin with.
std::string PrintCarries(const Statement& s, size_t first, size_t count) {
  std::vector<std::string> carries;
  for (size_t i = first; i < first + count; ++i) {
    carries.push_back(absl::StrCat(s.region->parameters[i]->name, " = ", OperandText(s, i, kOr)));
  }
  return absl::StrJoin(carries, ", ");
}

std::string PrintYield(const Value& value) {
  const std::string text = PrintValue(value).text;
  return IsBareLiteral(value) ? absl::StrCat(Name(value.type.element), "(", text, ")") : text;
}

// scan a, m in xs, mask reverse carry h = h0 capture w recompute { … } and while carry h = h0 until p capture w { … }
Text PrintLoop(const Statement& s) {
  std::vector<std::string> words = {std::string(Info(s.op).mnemonic)};
  const size_t sequences = s.op == Op::kScan ? static_cast<size_t>(s.Int("sequences")) : 0;
  const size_t first_capture = RegionOperandsOf(s).first_capture;
  std::vector<std::string> variables, lists, captures;
  for (size_t i = 0; i < sequences; ++i) {
    variables.push_back(s.region->parameters[i]->name);
    lists.push_back(OperandText(s, i, kOr));
  }
  for (size_t i = first_capture; i < s.operands.size(); ++i) captures.push_back(s.operands[i]->name);
  const auto add = [&](absl::string_view word, const std::string& text) {
    if (!text.empty()) words.push_back(absl::StrCat(word, text));
  };
  add("", absl::StrJoin(variables, ", "));
  add("in ", absl::StrJoin(lists, ", "));
  if (s.op == Op::kScan && sequences == 0) words.push_back(absl::StrCat("length ", s.Int("length")));
  if (s.op == Op::kScan && s.Int("reverse") != 0) words.push_back("reverse");
  add("carry ", PrintCarries(s, sequences, first_capture - sequences));
  if (s.op == Op::kWhile) add("until ", PrintYield(*s.region->yields[0]));
  add("capture ", absl::StrJoin(captures, ", "));
  if (s.op == Op::kScan && s.Int("recompute") != 0) words.push_back("recompute");
  words.push_back(PrintRegion(s));
  return {absl::StrJoin(words, " ")};
}

Text PrintExpression(const Statement& s) {
  const OpInfo& info = Info(s.op);
  if (s.op == Op::kScan || s.op == Op::kWhile) return PrintLoop(s);
  if (s.op == Op::kConstant) return {PrintLiteral(*s.literal)};
  if (s.op == Op::kNeg) return {"-" + OperandText(s, 0, IsBareLiteral(*s.operands[0]) ? kPostfix : kSign), kSign};
  if (s.op == Op::kNot) return {"not " + OperandText(s, 0, kNot), kNot};
  if (s.op == Op::kConvert) return {absl::StrCat(Name(s.TypeAttribute("type")), "(", OperandText(s, 0, kOr), ")")};
  if (!info.infix.empty()) return PrintInfix(s);
  absl::optional<Text> sugar;
  if (s.op == Op::kDot) sugar = PrintMatmul(s);
  if (s.op == Op::kTranspose) sugar = PrintTransposed(s);
  if (s.op == Op::kReshape) sugar = PrintNewAxes(s);
  if (s.op == Op::kSlice) sugar = PrintSlice(s);
  return sugar.has_value() ? *std::move(sugar) : PrintCall(s);
}

Text PrintValue(const Value& value) {
  if (!value.name.empty()) return {value.name};
  return PrintExpression(*value.definition);
}

// A path that the reader of a note could take for something else stands in quotes.
std::string PrintPath(const std::string& path) {
  const bool plain = !absl::StrContains(path, " #") && !absl::StrContains(path, "  ") &&
                     path.find_first_of("\"\t") == std::string::npos && !absl::StartsWith(path, " ") &&
                     !absl::EndsWith(path, " ") && !absl::StrContains(path, ": ") && !absl::StartsWith(path, "of ");
  if (plain || path.find('\n') != std::string::npos) return path;
  return absl::StrCat("\"", absl::StrReplaceAll(path, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

std::string PrintNote(const Statement& s) {
  std::string note;
  if (!s.note.of.empty()) absl::StrAppend(&note, " of ", s.note.of);
  if (s.note.line != 0) {
    absl::StrAppend(&note, " ", PrintPath(s.note.file), s.note.file.empty() ? "" : ":", s.note.line, ":",
                    s.note.column);
  }
  if (!s.note.aliases.empty()) absl::StrAppend(&note, " alias ", absl::StrJoin(s.note.aliases, " "));
  const bool placed =
      std::any_of(s.results.begin(), s.results.end(), [](const auto& r) { return r->arena.has_value(); });
  if (placed) {
    absl::StrAppend(&note, " arena");
    for (const auto& result : s.results) {
      if (result->arena.has_value()) {
        const ArenaRange& range = *result->arena;
        absl::StrAppend(&note, " ", range.offset, "+", range.bytes, range.stacked ? "*" : "");
        if (range.turn >= 0) absl::StrAppend(&note, "/", range.turn);
      } else {
        absl::StrAppend(&note, " none");
      }
    }
  }
  return note.empty() ? note : absl::StrCat("|", note);
}

bool IsNested(const Statement& s) { return s.results.size() == 1 && s.result()->name.empty() && !IsDeclaration(s.op); }

// What a named statement computes. `y = x` is a copy: a broadcast of a named value to its own shape.
std::string PrintComputed(const Statement& s) {
  const bool copies =
      s.op == Op::kBroadcast && !s.operands[0]->name.empty() && s.operands[0]->type.shape == s.result()->type.shape;
  return copies ? s.operands[0]->name : PrintExpression(s).text;
}

// `name = expression` inside a region, where types follow from the operands; only a literal carries its own.
std::string PrintInner(const Statement& s) {
  if (s.op == Op::kBarrier) return "barrier";
  std::vector<std::string> names;
  for (const auto& result : s.results) {
    names.push_back(s.op == Op::kConstant ? absl::StrCat(result->name, " : ", ToString(result->type)) : result->name);
  }
  return absl::StrCat(absl::StrJoin(names, ", "), " = ", PrintComputed(s));
}

constexpr size_t kLineWidth = 110;

// `next h = h1` for each carried value, then `yield y` of what is left.
std::vector<std::string> PrintYields(const Statement& s) {
  const Region& region = *s.region;
  size_t first = 0, stacked = region.yields.size(), parameter = 0;
  if (s.op == Op::kScan) {
    const ScanView scan(s);
    stacked = scan.stacked;
    parameter = scan.sequences;
  } else if (s.op == Op::kWhile) {
    first = stacked = 1;  // the predicate is printed in the head
  }
  std::vector<std::string> lines, yields;
  for (size_t i = stacked; i < region.yields.size(); ++i) {
    const Value& carry = *region.parameters[parameter + i - stacked];
    lines.push_back(absl::StrCat("next ", carry.name, " = ", PrintYield(*region.yields[i])));
  }
  for (size_t i = first; i < stacked; ++i) yields.push_back(PrintYield(*region.yields[i]));
  if (!yields.empty()) lines.push_back(absl::StrCat("yield ", absl::StrJoin(yields, ", ")));
  return lines;
}

std::string PrintRegion(const Statement& s) {
  bool one_line = true;
  std::vector<std::string> lines, notes;
  for (const auto& statement : s.region->statements) {
    if (IsNested(*statement)) continue;
    // A region within this one stands two columns further in.
    lines.push_back(absl::StrReplaceAll(PrintInner(*statement), {{"\n", "\n  "}}));
    notes.push_back(PrintNote(*statement));
    const bool placed = std::any_of(statement->results.begin(), statement->results.end(),
                                    [](const auto& result) { return result->arena.has_value(); });
    one_line &= statement->note.SamePosition(s.note) && statement->note.aliases.empty() && !placed &&
                lines.back().size() < kLineWidth && lines.back().find('\n') == std::string::npos;
  }
  for (std::string& line : PrintYields(s)) {
    lines.push_back(std::move(line));
    notes.push_back("");
  }
  if (one_line) {
    std::string text = absl::StrCat("{ ", absl::StrJoin(lines, "; "), " }");
    if (text.size() < kLineWidth) return text;
  }
  const auto last_line = [](const std::string& line) { return line.size() - (line.rfind('\n') + 1); };
  size_t width = 0;
  for (const std::string& line : lines) width = std::max(width, last_line(line) < 72 ? last_line(line) : 0);
  std::string text = "{\n";
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::StrAppend(&text, "    ", lines[i]);
    if (!notes[i].empty()) {
      const size_t size = last_line(lines[i]);
      absl::StrAppend(&text, std::string(width > size ? width - size : 0, ' '), "  ", notes[i]);
    }
    absl::StrAppend(&text, "\n");
  }
  return text + "  }";
}

std::string PrintStatement(const Statement& s, size_t name_width) {
  const auto padded = [&](const std::string& name) {
    return name + std::string(name.size() < name_width ? name_width - name.size() : 0, ' ');
  };
  if (s.op == Op::kBarrier) return "barrier";
  if (s.op == Op::kNext) {
    return absl::StrCat("next ", s.operands[0]->name, " = ", OperandText(s, 1, kOr));
  }
  if (IsDeclaration(s.op)) {
    return absl::StrCat(Info(s.op).mnemonic, " ", padded(s.result()->name), " : ", ToString(s.result()->type),
                        s.initializer.empty() ? "" : " = ", s.initializer);
  }
  std::vector<std::string> names;
  for (const auto& result : s.results) {
    names.push_back(
        absl::StrCat(s.results.size() == 1 ? padded(result->name) : result->name, " : ", ToString(result->type)));
  }
  return absl::StrCat(absl::StrJoin(names, ", "), " = ", PrintComputed(s));
}

std::string PrintHeader(const Graph& g) {
  std::string text = absl::StrCat("graph ", g.name, " numerics ", g.numerics);
  if (g.frozen) absl::StrAppend(&text, " frozen");
  if (g.target.has_value()) {
    absl::StrAppend(&text, " target ", Name(g.target->isa), " l1 ", g.target->l1_bytes, " l2 ", g.target->l2_bytes);
  }
  if (g.threads > 0) absl::StrAppend(&text, " threads ", g.threads);
  if (g.arena_bytes >= 0) absl::StrAppend(&text, " arena ", g.arena_bytes);
  if (g.scratch_bytes >= 0) absl::StrAppend(&text, " scratch ", g.scratch_bytes);
  return text + " {\n";
}

// Statements of one section, names and notes in columns.
void PrintSection(absl::Span<const Statement* const> statements, std::string* out) {
  constexpr size_t kNameColumn = 20, kNoteColumn = 84;
  size_t name_width = 0;
  for (const Statement* s : statements) {
    if (s->results.size() == 1 && s->result()->name.size() <= kNameColumn) {
      name_width = std::max(name_width, s->result()->name.size());
    }
  }
  std::vector<std::string> lines;
  size_t note_column = 0;
  for (const Statement* s : statements) {
    lines.push_back(PrintStatement(*s, name_width));
    const size_t last_line = lines.back().size() - (lines.back().rfind('\n') + 1);
    if (!PrintNote(*s).empty() && last_line <= kNoteColumn) note_column = std::max(note_column, last_line);
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string note = PrintNote(*statements[i]);
    absl::StrAppend(out, "  ", lines[i]);
    if (!note.empty()) {
      const size_t last_line = lines[i].size() - (lines[i].rfind('\n') + 1);
      absl::StrAppend(out, std::string(note_column > last_line ? note_column - last_line : 0, ' '), "  ", note);
    }
    absl::StrAppend(out, "\n");
  }
}

}  // namespace

bool LiteralHasContext(const Statement& user, size_t index) {
  const OpInfo& info = Info(user.op);
  size_t first = 0, count = user.operands.size();
  switch (info.family) {
    case OpFamily::kBinary:
    case OpFamily::kTernary:
    case OpFamily::kCompare:
      break;
    case OpFamily::kSelect:
      first = 1;
      break;
    default:
      if (user.op != Op::kPad) return false;
  }
  if (index < first) return false;
  for (size_t i = first; i < count; ++i) {
    if (i != index && !IsBareLiteral(*user.operands[i])) return true;
  }
  return false;
}

std::string Print(const Statement& statement) { return PrintStatement(statement, 0); }

std::string Print(const Graph& graph) {
  std::string out = PrintHeader(graph);
  if (!graph.dims.empty()) {
    absl::StrAppend(
        &out, "  dim ",
        absl::StrJoin(graph.dims, ", ",
                      [](std::string* s, const NamedSize& d) { absl::StrAppend(s, d.name, " = ", d.value); }),
        "\n");
  }
  std::vector<const Statement*> statements;
  for (const auto& s : graph.body.statements) {
    if (!IsNested(*s)) statements.push_back(s.get());
  }
  std::string section;
  for (size_t i = 0; i < statements.size();) {
    size_t end = i;
    const bool declarations = IsDeclaration(statements[i]->op);
    while (end < statements.size() && statements[end]->section == statements[i]->section &&
           IsDeclaration(statements[end]->op) == declarations) {
      ++end;
    }
    if (statements[i]->section != section) {
      section = statements[i]->section;
      absl::StrAppend(&out, "section ", section.empty() ? "none" : section, "\n");
    }
    PrintSection(absl::MakeConstSpan(statements).subspan(i, end - i), &out);
    i = end;
  }
  if (!graph.outputs.empty()) {
    absl::StrAppend(&out, "  output ",
                    absl::StrJoin(graph.outputs, ", ",
                                  [](std::string* s, const Output& o) {
                                    absl::StrAppend(s, o.name);
                                    if (o.value->name != o.name) absl::StrAppend(s, " = ", o.value->name);
                                  }),
                    "\n");
  }
  return out + "}\n";
}

}  // namespace gradus::ir
