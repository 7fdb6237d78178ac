#include "passes/pack.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ir/blocking.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/contraction.h"
#include "ir/control.h"
#include "ir/order.h"
#include "passes/bodies.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

// Fewer iterations do not pay for the copy.
constexpr int64_t kMinLength = 4;
// Rows of the matrix that lie further apart than this share few sets of the L1 cache (ir/blocking.cc).
constexpr int64_t kFarApart = 1024;
constexpr int64_t kMinTerms = 32;

// A product by a captured matrix, and how that is cut.
struct Packing {
  size_t side = 0;          // which operand the matrix is
  bool transposed = false;  // it lies as [n, k]
  int64_t k = 0, panels = 0, columns = 0;
  char free = 0;
};

absl::optional<Packing> PackingOf(const Statement& dot, size_t side, const ir::Target& target) {
  const Value* matrix = dot.operands[side];
  const ir::Type& result = dot.result()->type;
  if (matrix->type.rank() != 2 || !ir::IsFloat(result.element) || result.rank() == 0) return absl::nullopt;
  if (dot.operands[0] == dot.operands[1] || ir::OrderOfContraction(dot).lanes) return absl::nullopt;
  if (!dot.Text("band").empty()) return absl::nullopt;  // one of its axes would be two in the panels
  const ir::Contraction contraction = ir::AxesOf(dot);
  const ir::ContractionAxis* free = nullptr;
  for (const ir::ContractionAxis& axis : contraction.axes) {
    if (axis.kind == ir::AxisKind::kBatch) return absl::nullopt;
    if (axis.kind == (side == 0 ? ir::AxisKind::kFreeA : ir::AxisKind::kFreeB)) free = &axis;
  }
  if (free == nullptr || free->in_result != static_cast<int>(result.rank()) - 1) return absl::nullopt;
  const int column_axis = side == 0 ? free->in_a : free->in_b;
  Packing packing;
  packing.side = side;
  packing.transposed = column_axis == 0;
  packing.free = free->letter;
  packing.k = matrix->type.shape[1 - column_axis];
  const int64_t n = matrix->type.shape[column_axis];
  packing.columns = ir::PackedPanelColumns(result.element, n, target);
  if (n % packing.columns != 0 || packing.k < kMinTerms) return absl::nullopt;
  packing.panels = n / packing.columns;
  const bool far_apart = n * ir::ByteWidth(result.element) >= kFarApart && packing.panels > 1;
  if (!packing.transposed && !far_apart) return absl::nullopt;
  return packing;
}

class Packer {
 public:
  // `outside` builds in front of the scan.
  Packer(Statement& scan, ir::Builder& outside, const ir::Target& target)
      : scan_(scan), outside_(outside), target_(target) {}

  bool Run() {
    std::vector<Statement*> dots;
    for (const auto& s : scan_.region->statements) {
      if (s->op == Op::kDot) dots.push_back(s.get());
    }
    bool changed = false;
    for (Statement* dot : dots) {
      for (const size_t side : {size_t{1}, size_t{0}}) {
        const size_t capture = CaptureOf(dot->operands[side]);
        if (capture == 0) continue;
        const auto packing = PackingOf(*dot, side, target_);
        if (!packing.has_value()) continue;
        Pack(*dot, *packing, scan_.operands[capture]);
        changed = true;
        break;
      }
    }
    return changed;
  }

 private:
  // The operand of the scan that stands behind a value of the body, 0 where it is no capture.
  size_t CaptureOf(const Value* value) const {
    const size_t first = ir::RegionOperandsOf(scan_).first_capture;
    for (size_t i = std::max<size_t>(first, 1); i < scan_.operands.size(); ++i) {
      if (ir::ParameterOf(scan_, i) == value) return i;
    }
    return 0;
  }

  Value* PanelsOf(Value* matrix, const Packing& p) {
    Value*& packed = packed_[{matrix, p.transposed}];
    if (packed != nullptr) return packed;
    outside_.SetNote(scan_.note);
    outside_.SetSection(scan_.section);
    Value* cut = p.transposed ? outside_.Emit(Op::kReshape, {matrix}, {ir::Ints{p.panels, p.columns, p.k}})
                              : outside_.Emit(Op::kReshape, {matrix}, {ir::Ints{p.k, p.panels, p.columns}});
    Value* panels = outside_.Emit(Op::kTranspose, {cut}, {p.transposed ? ir::Ints{0, 2, 1} : ir::Ints{1, 0, 2}});
    scan_.operands.push_back(panels);
    auto parameter = std::make_unique<Value>();
    parameter->index = static_cast<int>(scan_.region->parameters.size());
    parameter->type = panels->type;
    scan_.region->parameters.push_back(std::move(parameter));
    return packed = scan_.region->parameters.back().get();
  }

  static std::string SpecWithPanels(const Statement& dot, const Packing& p) {
    const std::string spec = dot.Text("spec");
    char panel = 'a';
    while (spec.find(panel) != std::string::npos) ++panel;
    const std::vector<std::string> sides = absl::StrSplit(spec, "->");
    std::vector<std::string> operands = absl::StrSplit(sides[0], ',');
    const char contracted = operands[p.side][p.transposed ? 1 : 0];
    operands[p.side] = {panel, contracted, p.free};
    std::string result = sides[1];
    result.insert(result.size() - 1, 1, panel);
    return ir::CanonicalSpec(absl::StrCat(operands[0], ",", operands[1], "->", result));
  }

  static ir::Shape WithPanels(ir::Shape shape, const Packing& p) {
    shape.back() = p.panels;
    shape.push_back(p.columns);
    return shape;
  }

  void Pack(Statement& dot, const Packing& p, Value* matrix) {
    Value* panels = PanelsOf(matrix, p);
    const ir::ContractionOrder order = ir::OrderOfContraction(dot);
    const ir::Type type = dot.result()->type;
    dot.Set("spec", SpecWithPanels(dot, p));
    dot.operands[p.side] = panels;
    dot.result()->type.shape = WithPanels(type.shape, p);
    CHECK(ir::OrderOfContraction(dot) == order) << "a product in panels has another order";
    Value* last = Widen(dot.result(), type, p);
    // Whoever reads the value reads it in its own shape.
    auto view = std::make_unique<Statement>();
    view->op = Op::kReshape;
    view->attributes = {type.shape};
    view->note = last->definition->note;
    view->note.aliases.clear();
    view->results.push_back(std::make_unique<Value>(Value{.definition = view.get(), .type = type}));
    std::swap(view->result()->name, last->name);
    std::swap(view->note.aliases, last->definition->note.aliases);
    ir::ReplaceUses(*scan_.region, last, view->result());
    view->operands = {last};
    InsertBehind(*last->definition, std::move(view));
  }

  // Takes along what follows elementwise on the same shape, as long as there is one reader; the last value of those.
  Value* Widen(Value* value, const ir::Type& type, const Packing& p) {
    while (true) {
      const ir::Uses uses(*scan_.region);
      const auto readers = uses.of(value);
      if (readers.size() != 1 || readers[0].user == nullptr) return value;
      Statement& reader = *readers[0].user;
      if (!ir::IsElementwise(reader.op) || reader.result()->type.shape != type.shape) return value;
      std::vector<ir::Shape> shapes;
      for (const Value* operand : reader.operands) {
        const ir::Shape& shape = operand->type.shape;
        const bool row = shape.size() == 1 && shape[0] == type.shape.back();
        if (operand != value && !shape.empty() && shape != type.shape && !row) return value;
        shapes.push_back(operand == value || shape.empty() ? shape : WithPanels(shape, p));
      }
      for (size_t i = 0; i < shapes.size(); ++i) {
        Value*& operand = reader.operands[i];
        if (operand->type.shape == shapes[i]) continue;
        auto view = std::make_unique<Statement>();
        view->op = Op::kReshape;
        view->attributes = {shapes[i]};
        view->note = reader.note;
        view->note.aliases.clear();
        view->operands = {operand};
        view->results.push_back(
            std::make_unique<Value>(Value{.definition = view.get(), .type = {operand->type.element, shapes[i]}}));
        operand = view->result();
        InsertBefore(reader, std::move(view));
      }
      reader.result()->type.shape = WithPanels(type.shape, p);
      value = reader.result();
    }
  }

  size_t PositionOf(const Statement& s) const {
    const auto& all = scan_.region->statements;
    return static_cast<size_t>(
        std::find_if(all.begin(), all.end(), [&](const auto& other) { return other.get() == &s; }) - all.begin());
  }
  void InsertBefore(const Statement& s, std::unique_ptr<Statement> added) {
    auto& all = scan_.region->statements;
    all.insert(all.begin() + static_cast<int64_t>(PositionOf(s)), std::move(added));
  }
  void InsertBehind(const Statement& s, std::unique_ptr<Statement> added) {
    auto& all = scan_.region->statements;
    all.insert(all.begin() + static_cast<int64_t>(PositionOf(s)) + 1, std::move(added));
  }

  Statement& scan_;
  ir::Builder& outside_;
  const ir::Target& target_;
  absl::flat_hash_map<std::pair<const Value*, bool>, Value*> packed_;  // by operand and whether transposed
};

}  // namespace

absl::StatusOr<bool> PackCaptures(ir::Graph& graph, const Options& options) {
  ASSIGN_OR_RETURN(bool changed,
                   InBodies(graph, [&](ir::Graph& body, Statement&) { return PackCaptures(body, options); }));
  std::vector<Statement*> scans;
  for (const auto& s : graph.body.statements) {
    if (s->op == Op::kScan && s->Int("length") >= kMinLength) scans.push_back(s.get());
  }
  ir::Builder outside(graph);
  for (Statement* scan : scans) {
    outside.InsertBefore(scan);
    changed |= Packer(*scan, outside, options.target).Run();
  }
  return changed;
}

}  // namespace gradus::passes
