// `scan`, `cond` and `while`: expressions with blocks of their own. The depth of every node is counted here, too.
#include <algorithm>

#include "frontend/parser_state.h"

namespace gradus::frontend {

std::optional<std::vector<ast::Carry>> Parser::ParseCarries() {
  std::vector<ast::Carry> carries;
  if (!Accept("carry")) return carries;
  do {
    std::optional<ast::Identifier> name = DefinedName("the name of a carried value");
    if (!name || !Expect("=", "and its first value")) return std::nullopt;
    ExpressionPtr initial = ParseHeadExpression();
    if (!initial) return std::nullopt;
    carries.push_back({*std::move(name), std::move(initial)});
  } while (Accept(","));
  return carries;
}

// [capture w, u], of printed graphs
bool Parser::ParseCaptures(std::vector<ast::Identifier>& captures) {
  if (!in_graph_ || !Accept("capture")) return true;
  do {
    std::optional<ast::Identifier> name = MentionedName("the name of a captured value");
    if (!name) return false;
    captures.push_back(*std::move(name));
  } while (Accept(","));
  return true;
}

// a, m in xs, mask [axis=1]
bool Parser::ParseLists(ast::Scan& scan) {
  do {
    std::optional<ast::Identifier> variable = DefinedName("a name for the items of the list");
    if (!variable) return false;
    scan.variables.push_back(*std::move(variable));
  } while (Accept(","));
  if (!Expect("in", "and what is scanned")) return false;
  do {
    ExpressionPtr list = ParseHeadExpression();
    if (!list) return false;
    scan.lists.push_back(std::move(list));
  } while (Accept(","));
  if (!Accept("axis")) return true;
  return Expect("=", "and the axis") && (scan.axis = ParseHeadExpression()) != nullptr;
}

// [checkpoint every k] stands before the block: scan a, m in xs, mask axis=1 reverse carry h = h0 checkpoint every 8 {
// … }
ast::ExpressionPtr Parser::ParseScan() {
  const SourceRange first = Take().range;
  ast::Scan scan;
  const bool lists = !At("length") || PeekAfter(1).text == "in" || PeekAfter(1).text == ",";
  if (!lists) {
    Take();
    if (!(scan.length = ParseHeadExpression())) return nullptr;
  } else if (!ParseLists(scan)) {
    return nullptr;
  }
  scan.reverse = Accept("reverse");
  std::optional<std::vector<ast::Carry>> carries = ParseCarries();
  if (!carries) return nullptr;
  scan.carries = *std::move(carries);
  if (Accept("checkpoint")) {
    if (!Expect("every", "and a number of steps") || !(scan.checkpoint_every = ParseHeadExpression())) return nullptr;
  }
  if (!ParseCaptures(scan.captures)) return nullptr;
  scan.recompute = in_graph_ && Accept("recompute");
  std::optional<ast::Block> body = ParseBlock("the scan");
  if (!body) return nullptr;
  scan.body = *std::move(body);
  return Make(Since(first), std::move(scan));
}

ast::ExpressionPtr Parser::ParseCond() {
  const SourceRange first = Take().range;
  if (!Expect("(", "and a condition")) return nullptr;
  ExpressionPtr predicate = ParseExpression();
  if (!predicate || !Expect(")", "after the condition")) return nullptr;
  std::optional<ast::Block> then_block = ParseBlock("the branch");
  if (!then_block || !Expect("else", "and the other branch")) return nullptr;
  std::optional<ast::Block> else_block = ParseBlock("the branch");
  if (!else_block) return nullptr;
  return Make(Since(first), ast::Cond{std::move(predicate), *std::move(then_block), *std::move(else_block)});
}

ast::ExpressionPtr Parser::ParseWhile() {
  const SourceRange first = Take().range;
  std::optional<std::vector<ast::Carry>> carries = ParseCarries();
  if (!carries || !Expect("until", "and when to stop")) return nullptr;
  ExpressionPtr until = ParseHeadExpression();
  if (!until) return nullptr;
  std::vector<ast::Identifier> captures;
  if (!ParseCaptures(captures)) return nullptr;
  std::optional<ast::Block> body = ParseBlock("the loop");
  if (!body) return nullptr;
  return Make(Since(first), ast::While{*std::move(carries), std::move(until), std::move(captures), *std::move(body)});
}

namespace {

// Collects the greatest depth among the parts of a node.
struct Deepest {
  int deepest = 0;

  void Add(const ast::ExpressionPtr& e) {
    if (e) deepest = std::max(deepest, e->depth);
  }
  void Add(const std::vector<ast::ExpressionPtr>& list) {
    for (const ast::ExpressionPtr& e : list) Add(e);
  }
  void Add(const ast::Block& block) {
    for (const ast::Statement& s : block) deepest = std::max(deepest, s.depth);
  }
  void Add(const std::optional<ast::TypeExpression>& type) {
    if (!type) return;
    Add(type->like);
    Add(type->dims);
  }
  void Add(const std::vector<ast::Argument>& list) {
    for (const ast::Argument& a : list) Add(a.value);
  }
  void Add(const std::vector<ast::Carry>& list) {
    for (const ast::Carry& c : list) Add(c.initial);
  }

  template <typename Leaf>
  void operator()(const Leaf&) {}
  void operator()(const ast::Unary& n) { Add(n.operand); }
  void operator()(const ast::Binary& n) { Add(n.left), Add(n.right); }
  void operator()(const ast::Call& n) { Add(n.callee), Add(n.arguments); }
  void operator()(const ast::Index& n) {
    Add(n.object);
    for (const ast::IndexItem& item : n.items) Add(item.value), Add(item.lower), Add(item.upper), Add(item.step);
  }
  void operator()(const ast::Member& n) { Add(n.object); }
  void operator()(const ast::List& n) { Add(n.items); }
  void operator()(const ast::Tuple& n) { Add(n.items); }
  void operator()(const ast::Comprehension& n) { Add(n.value), Add(n.list); }
  void operator()(const ast::Repeat& n) { Add(n.count), Add(n.item); }
  void operator()(const ast::Region& n) {
    Add(n.arguments);
    if (n.body) Add(*n.body);
    if (n.vjp) Add(*n.vjp);
    for (const ast::Parameter& p : n.vjp_parameters) Add(p.default_value);
  }
  void operator()(const ast::Scan& n) {
    Add(n.lists), Add(n.length), Add(n.axis), Add(n.carries), Add(n.checkpoint_every), Add(n.body);
  }
  void operator()(const ast::Cond& n) { Add(n.predicate), Add(n.then_block), Add(n.else_block); }
  void operator()(const ast::While& n) { Add(n.carries), Add(n.until), Add(n.body); }

  void operator()(const ast::Dim& n) { Add(n.value); }
  void operator()(const ast::Declaration& n) { Add(n.type.dims), Add(n.type.like), Add(n.initial); }
  void operator()(const ast::Assignment& n) {
    for (const ast::Target& t : n.targets) Add(t.type);
    Add(n.value);
  }
  void operator()(const ast::Next& n) { Add(n.value); }
  void operator()(const ast::Output& n) { Add(n.values); }
  void operator()(const ast::Yield& n) { Add(n.values); }
  void operator()(const ast::Return& n) { Add(n.values); }
  void operator()(const ast::For& n) { Add(n.list), Add(n.body); }
  void operator()(const ast::If& n) { Add(n.condition), Add(n.then_block), Add(n.else_block); }
};

}  // namespace

int DepthOf(const ast::Expression::Node& node) {
  Deepest visitor;
  std::visit(visitor, node);
  return visitor.deepest + 1;
}

int DepthOf(const ast::Statement::Node& node) {
  Deepest visitor;
  std::visit(visitor, node);
  return visitor.deepest + 1;
}

}  // namespace gradus::frontend
