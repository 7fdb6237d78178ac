#include "tests/frontend/tree.h"

#include "absl/strings/str_cat.h"

namespace gradus::frontend {
namespace {

// Writes `(kind part part …)`, one overload a type.
class Writer {
 public:
  std::string text;

  template <typename... Parts>
  void Node(absl::string_view kind, const Parts&... parts) {
    absl::StrAppend(&text, "(", kind);
    (Part(parts), ...);
    text += ")";
  }
  void Write(const ast::Definition& d) {
    std::visit([this](const auto& n) { (*this)(n); }, d.node);
    text += "\n";
  }

  void Part(const std::string& s) { absl::StrAppend(&text, " '", s, "'"); }
  void Part(bool b) { absl::StrAppend(&text, b ? " true" : " false"); }
  void Part(int n) { absl::StrAppend(&text, " ", n); }
  void Part(const ast::Identifier& i) { Part(i.text); }
  void Part(const ast::Pattern& p) { Part(p.text); }
  void Part(const ast::ExpressionPtr& e) {
    text += " ";
    if (e) {
      std::visit([this](const auto& n) { (*this)(n); }, e->node);
    } else {
      text += "-";
    }
  }
  template <typename T>
  void Part(const std::vector<T>& list) {
    text += " [";
    for (const T& item : list) Part(item);
    text += "]";
  }
  template <typename T>
  void Part(const std::optional<T>& maybe) {
    if (maybe) {
      Part(*maybe);
    } else {
      text += " -";
    }
  }
  void Part(const ast::Note::Place& p) {
    absl::StrAppend(&text, " ", p.offset, "+", p.bytes, p.stacked ? "*" : "", "/", p.turn);
  }
  void Part(const ast::Argument& a) { Node("argument", a.name, a.value); }
  void Part(const ast::Parameter& p) { Node("parameter", p.name, p.default_value); }
  void Part(const ast::Carry& c) { Node("carry", c.name, c.initial); }
  void Part(const ast::IndexItem& i) { Node(i.is_slice ? "slice" : "at", i.value, i.lower, i.upper, i.step); }
  void Part(const ast::TypeExpression& t) { Node("type", t.element, t.like, t.dims); }
  void Part(const ast::Target& t) { Node("target", t.name, t.type); }
  void Part(const ast::Note& n) { Node("note", n.of, n.file, n.line, n.column, n.aliases, n.arena); }
  void Part(const ast::Expectation& e) { Node("expect", e.value, e.expected, e.tolerance); }
  void Part(const ast::Function& f) { (*this)(f); }
  void Part(const ast::Statement& s) {
    text += "\n ";
    std::visit([this](const auto& n) { (*this)(n); }, s.node);
    Part(s.note);
  }
  void Part(const ast::TrainItem& i) {
    text += "\n ";
    std::visit([this](const auto& n) { (*this)(n); }, i.node);
  }

  void operator()(const ast::Number& n) { Node("number", n.text, n.is_integer); }
  void operator()(const ast::String& n) { Node("string", n.value); }
  void operator()(const ast::Bool& n) { Node("bool", n.value); }
  void operator()(const ast::None&) { Node("none"); }
  void operator()(const ast::Ellipsis&) { Node("..."); }
  void operator()(const ast::Name& n) { Node("name", n.text); }
  void operator()(const ast::Unary& n) { Node("unary", static_cast<int>(n.op), n.operand); }
  void operator()(const ast::Binary& n) { Node("binary", static_cast<int>(n.op), n.left, n.right); }
  void operator()(const ast::Call& n) { Node("call", n.callee, n.arguments); }
  void operator()(const ast::Index& n) { Node("index", n.object, n.items); }
  void operator()(const ast::Member& n) { Node("member", n.object, n.member); }
  void operator()(const ast::List& n) { Node("list", n.items); }
  void operator()(const ast::Tuple& n) { Node("tuple", n.items); }
  void operator()(const ast::Comprehension& n) { Node("comprehension", n.value, n.variable, n.list); }
  void operator()(const ast::Repeat& n) { Node("repeat", n.count, n.item); }
  void operator()(const ast::Region& n) { Node("region", n.kind, n.arguments, n.body, n.vjp_parameters, n.vjp); }
  void operator()(const ast::Scan& n) {
    Node("scan", n.variables, n.lists, n.length, n.axis, n.reverse, n.carries, n.checkpoint_every, n.captures,
         n.recompute, n.body);
  }
  void operator()(const ast::Cond& n) { Node("cond", n.predicate, n.then_block, n.else_block); }
  void operator()(const ast::While& n) { Node("while", n.carries, n.until, n.captures, n.body); }

  void operator()(const ast::Dim& n) { Node("dim", n.name, n.value); }
  void operator()(const ast::Declaration& n) {
    Node("declaration", static_cast<int>(n.kind), n.name, n.type, n.initial);
  }
  void operator()(const ast::Assignment& n) { Node("=", n.targets, n.value); }
  void operator()(const ast::Next& n) { Node("next", n.name, n.value); }
  void operator()(const ast::Output& n) { Node("output", n.names, n.values); }
  void operator()(const ast::Yield& n) { Node("yield", n.values); }
  void operator()(const ast::Return& n) { Node("return", n.values); }
  void operator()(const ast::For& n) { Node("for", n.variables, n.list, n.body); }
  void operator()(const ast::If& n) { Node("if", n.condition, n.then_block, n.else_block); }
  void operator()(const ast::Section& n) { Node("section", n.name); }
  void operator()(const ast::Barrier&) { Node("barrier"); }

  void operator()(const ast::Minimize& n) { Node("minimize", n.value, n.wrt, n.every); }
  void operator()(const ast::Optimizer& n) { Node("optimizer", n.value, n.parameters, n.every); }
  void operator()(const ast::Metric& n) { Node("metric", n.name, n.value); }
  void operator()(const ast::Data& n) { Node("data", n.validate, n.input, n.source); }
  void operator()(const ast::Setting& n) { Node("setting", static_cast<int>(n.kind), n.value); }

  void operator()(const ast::Import& n) { Node("import", n.path); }
  void operator()(const ast::Function& n) { Node("fn", n.name, n.parameters, n.body, n.vjp_parameters, n.vjp); }
  void operator()(const ast::Layer& n) { Node("layer", n.name, n.parameters, n.members, n.apply); }
  void operator()(const ast::Model& n) { Node("model", n.name, n.body); }
  void operator()(const ast::Train& n) { Node("train", n.model, n.dims, n.name, n.items); }
  void operator()(const ast::Check& n) { Node("check", n.model, n.arguments, n.expectations); }
  void operator()(const ast::Graph& n) { Node("graph", n.name, n.header, n.body); }
};

}  // namespace

std::string TreeOf(const ast::File& file) {
  Writer writer;
  for (const ast::Definition& definition : file.definitions) writer.Write(definition);
  return writer.text;
}

}  // namespace gradus::frontend
