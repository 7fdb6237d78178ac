#include "passes/fuse.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/cost.h"
#include "ir/error.h"
#include "passes/bodies.h"
#include "passes/fuse_build.h"
#include "passes/fuse_groups.h"
#include "passes/fuse_order.h"
#include "passes/simplify_rules.h"

namespace gradus::passes {
namespace {

using ir::Op;
using ir::RegionForm;
using ir::RegionKind;
using ir::RegionView;
using ir::Statement;
using ir::Value;

// Beyond these a kernel spills, and takes long to compile.
constexpr size_t kMaxStatements = 64;
constexpr size_t kMaxParameters = 24;
// An update that reads more arrays as large as the gradient than this is limited by memory and slower in the epilogue
// of a contraction: Adam, with w, m and v, loses 3 to 9 % (codegen.md §3 of the design). Small ones do not care.
constexpr int kMaxUpdateStreams = 2;
constexpr int64_t kSmallUpdate = 4096;
// Fewer rows than this of more elements than that leave threads without work that a loop would give them.
constexpr int64_t kMinRows = 16;
constexpr int64_t kManyElements = 32768;
// Work for one thread: horizontal joins save a kernel, and no thread waits for the other half.
constexpr int64_t kSmallKernel = 8192;
// As many of the latest kernels over the same space are tried as partners.
constexpr ptrdiff_t kMaxNeighbours = 32;
// As many values around a product are looked at for the states that its update reads.
constexpr size_t kMaxUpdateValues = 1024;

struct Decision {
  bool allowed = true;
  std::string reason;
};
Decision Allow() { return {}; }
template <typename... Parts>
Decision Forbid(const Parts&... parts) {
  return {false, absl::StrCat(parts...)};
}

class Fuser {
 public:
  Fuser(ir::Graph& graph, const Options& options)
      : graph_(graph), options_(options), groups_(graph), order_(groups_, options.decisions != nullptr), uses_(graph) {}

  struct Refusal {
    int from_version = -1, into_version = -1;
    Decision decision;
  };
  struct Told {
    int node, input;  // of the reader, and of what it reads
    FusionDecision decision;
  };

  bool Run() {
    // A join can make another one possible: a value with two readers is inlined when both have joined.
    while (Sweep()) {
    }
    while (MoveToReader()) {
    }
    while (JoinSmallNeighbours()) {
    }
    Report();
    return BuildRegions(graph_, groups_);
  }

 private:
  void Join(int a, int b) {
    order_.Join(a, b);
    groups_.Join(a, b);
  }

  bool Sweep() {
    bool joined = false;
    refusals_.clear();
    for (int node = 0; node < groups_.size(); ++node) {
      if (!groups_.may_fuse(node)) continue;
      const std::vector<int>& inputs = groups_.inputs(node);
      for (auto input = inputs.rbegin(); input != inputs.rend(); ++input) {
        const int from = groups_.group(*input), into = groups_.group(node);
        if (!groups_.may_fuse(*input) || from == into) continue;
        // Neither has changed since it was refused.
        Refusal& refused = refused_[{from, into}];
        const bool known =
            refused.from_version == groups_.version(from) && refused.into_version == groups_.version(into);
        Decision decision = known ? refused.decision : CanJoin(from, into);
        std::string reader = groups_.DisplayName(*groups_.statement(node).result());
        std::string read = groups_.DisplayName(*groups_.statement(*input).result());
        if (decision.allowed) {
          Join(from, into);
          joined = true;
          if (reader != read) joins_.push_back({node, *input, {true, reader, read, ""}});
          continue;
        }
        if (!known) refused = {groups_.version(from), groups_.version(into), decision};
        if (reader != read) {
          refusals_.push_back({node, *input, {false, reader, read, std::move(decision.reason)}});
        }
      }
    }
    return joined;
  }

  // A cheap value that only one other kernel reads, of values that are stored anyway, is computed there and not stored:
  // the sign of a relu or h * (1 - h) in the backward pass, the square of a gradient in its norm.
  bool MoveToReader() {
    absl::flat_hash_set<int> moved;
    for (int node = groups_.size() - 1; node >= 0; --node) {
      const Statement& s = groups_.statement(node);
      if (!groups_.may_fuse(node) || !ir::IsElementwise(s.op) || ir::IsDear(s.op)) continue;
      const int from = groups_.group(node), into = groups_.OnlyReader(node);
      if (into < 0 || into == from || groups_.members(from).size() == 1) continue;
      if (!groups_.may_fuse(groups_.members(into).front()) || !ReadsWhatIsStored(s, from, into)) continue;
      groups_.Move(node, into);
      const RegionView left = groups_.View({from});
      if (!left.yields.empty() && ir::ClassifyRegion(left).ok() && Pays(groups_.View({into})).allowed) {
        moved.insert(node);
        continue;
      }
      groups_.Move(node, from);
    }
    std::erase_if(joins_, [&](const Told& told) { return moved.contains(told.node); });
    return !moved.empty();
  }

  // Whether everything that s reads is in memory without it, and `into`, which loses one operand, gets at most one
  // more.
  bool ReadsWhatIsStored(const Statement& s, int from, int into) const {
    const std::vector<const Value*> yields = groups_.View({from}).yields;
    absl::flat_hash_set<const Value*> read;
    for (const Statement* reader : groups_.View({into}).statements) {
      read.insert(reader->operands.begin(), reader->operands.end());
    }
    int more = 0;
    for (const Value* operand : s.operands) {
      if (operand->definition->op == Op::kConstant) continue;
      if (operand->type.shape != s.result()->type.shape || IsCheapAccess(*operand->definition)) return false;
      const bool computed_there = groups_.GroupOf(*operand) == from;
      if (computed_there && std::find(yields.begin(), yields.end(), operand) == yields.end()) return false;
      more += read.insert(operand).second ? 1 : 0;
    }
    return more <= 1;
  }

  Decision CanJoin(int producer, int consumer) {
    const int between = order_.Between(producer, consumer);
    if (between == GroupOrder::kTooFar) return Forbid("too many kernels stand around them to rule out a circle");
    if (between != GroupOrder::kNone) {
      const int node = groups_.members(between).front();
      return Forbid(groups_.DisplayName(*groups_.statement(node).results[0]), " stands between them");
    }
    return Pays(groups_.View({producer, consumer}));
  }

  // Whether these statements are a region, and a kernel worth having.
  Decision Pays(const RegionView& view) {
    if (view.statements.size() > kMaxStatements) return Forbid("more than ", kMaxStatements, " statements");
    const absl::StatusOr<RegionForm> form = ir::ClassifyRegion(view);
    if (!form.ok()) return Forbid(ir::WithoutKind(form.status().message()));
    if (Parameters(view) > kMaxParameters) return Forbid("more than ", kMaxParameters, " operands");
    if (form->dot != nullptr) {
      if (Decision decision = PaysInEpilogue(*form->dot); !decision.allowed) return decision;
    }
    if (form->kind == RegionKind::kRow) {
      const int64_t rows = ir::ElementCount(form->reduced).value(), all = ir::ElementCount(form->space).value();
      const bool computes = std::any_of(view.statements.begin(), view.statements.end(), [](const Statement* s) {
        return ir::IsElementwise(s->op) && ir::IsDear(s->op);
      });
      if (rows < kMinRows && all > kManyElements && (computes || view.yields.size() > 1)) {
        return Forbid("it would leave one thread ", all / rows, " elements of a row to compute");
      }
    }
    return Repeats(view, *form);
  }

  // A value smaller than the space is computed again for every element that it is broadcast to.
  Decision Repeats(const RegionView& view, const RegionForm& form) const {
    constexpr int kMaxRepeated = 4;
    int repeated = 0;
    for (size_t i = 0; i < view.statements.size(); ++i) {
      const Statement& s = *view.statements[i];
      if (!ir::IsElementwise(s.op) || form.alignment[i] != ir::Alignment::kSpace) continue;
      const ir::Shape& shape = s.result()->type.shape;
      if (form.kind == RegionKind::kRow && !shape.empty() && shape.back() == 1) continue;  // once a row
      if (s.result()->type.elements().value() >= ir::ElementCount(form.space).value()) continue;
      ++repeated;
      if (ir::IsDear(s.op) || repeated > kMaxRepeated) {
        return Forbid(groups_.DisplayName(*s.result()), " : ", ToString(s.result()->type),
                      " would be computed for each of ", ir::ToString(form.space));
      }
    }
    return Allow();
  }

  size_t Parameters(const RegionView& view) const {
    absl::flat_hash_set<const Value*> defined, read;
    for (const Statement* s : view.statements) {
      for (const Value* operand : s->operands) {
        if (!defined.contains(operand)) read.insert(operand);
      }
      defined.insert(s->result());
    }
    return read.size();
  }

  // How many states as large as the product are read by what it feeds elementwise.
  int UpdateStreams(const Statement& dot) const {
    const ir::Shape& shape = dot.result()->type.shape;
    const auto is_elementwise = [&](const Statement* s) {
      return s != nullptr && ir::IsElementwise(s->op) && s->result()->type.shape == shape;
    };
    absl::flat_hash_set<const Value*> streams;
    absl::flat_hash_set<const Value*> seen = {dot.result()};
    std::vector<const Value*> stack = {dot.result()};
    while (!stack.empty() && seen.size() < kMaxUpdateValues) {
      const Value* value = stack.back();
      stack.pop_back();
      const Statement* definition = value->definition;
      if (definition->op == Op::kParam || definition->op == Op::kState) {
        if (value->type.shape == shape) streams.insert(value);
        continue;  // others that read it are no part of this update
      }
      if (value != dot.result() && !is_elementwise(definition)) continue;
      for (const ir::Use& use : uses_.of(value)) {
        if (is_elementwise(use.user) && seen.insert(use.user->result()).second) stack.push_back(use.user->result());
      }
      if (value == dot.result()) continue;
      for (const Value* operand : definition->operands) {
        if (seen.insert(operand).second) stack.push_back(operand);
      }
    }
    return static_cast<int>(streams.size());
  }

  // What a product feeds elementwise, up to the states that it updates.
  Decision PaysInEpilogue(const Statement& dot) {
    if (dot.result()->type.elements().value() <= kSmallUpdate) return Allow();
    const auto [entry, fresh] = update_streams_.emplace(&dot, 0);
    if (fresh) entry->second = UpdateStreams(dot);
    if (entry->second > kMaxUpdateStreams) {
      return Forbid("the update reads ", entry->second,
                    " arrays as large as the gradient, so memory limits it: it stays a kernel of its own");
    }
    return Allow();
  }

  // Small loops and rows over one space that do not depend on each other: one kernel instead of two.
  bool JoinSmallNeighbours() {
    bool joined = false;
    std::map<std::string, std::vector<int>> same;  // in text order
    for (int g = 0; g < groups_.size(); ++g) {
      if (groups_.members(g).empty() || !groups_.may_fuse(groups_.members(g).front())) continue;
      const absl::StatusOr<RegionForm> form = ir::ClassifyRegion(groups_.View({g}));
      if (!form.ok() || (form->kind != RegionKind::kLoop && form->kind != RegionKind::kRow)) continue;
      if (ir::ElementCount(form->space).value() > kSmallKernel) continue;
      std::string key = absl::StrCat(ir::Name(form->kind), ir::ToString(form->space), "|", ir::ToString(form->axes));
      std::vector<int>& others = same[key];
      const auto begin = others.end() - std::min<ptrdiff_t>(others.end() - others.begin(), kMaxNeighbours);
      const auto partner = std::find_if(begin, others.end(), [&](int other) {
        return !order_.AreOrdered(other, g) && Pays(groups_.View({other, g})).allowed;
      });
      if (partner == others.end()) {
        others.push_back(g);
      } else {
        Join(*partner, g);  // goes on as *partner, which is the smaller
        joined = true;
      }
    }
    return joined;
  }

  // What is computed in a kernel and read outside of it too is stored.
  std::string WhyStored(const Told& told) const {
    const int group = groups_.group(told.input);
    if (group != groups_.group(told.node)) return "";
    const Value* value = groups_.statement(told.input).result();
    for (const ir::Use& use : uses_.of(value)) {
      if (use.user == nullptr) return absl::StrCat(told.decision.into, " is stored too: it is an output");
      const int reader = groups_.NodeOf(*use.user);
      if (reader < 0 || groups_.group(reader) == group) continue;
      return absl::StrCat(told.decision.into, " is stored too: ",
                          use.user->op == Op::kNext ? "next " + use.user->operands[0]->name
                                                    : groups_.DisplayName(*use.user->results.front()),
                          " reads it");
    }
    return "";
  }

  void Report() const {
    if (options_.decisions == nullptr) return;
    std::vector<Told> all = joins_;
    for (Told& told : all) told.decision.reason = WhyStored(told);
    all.insert(all.end(), refusals_.begin(), refusals_.end());
    std::stable_sort(all.begin(), all.end(), [](const Told& a, const Told& b) { return a.node < b.node; });
    absl::flat_hash_set<std::pair<std::string, std::string>> told_before;
    for (const FusionDecision& d : *options_.decisions) told_before.emplace(d.statement, d.into);
    for (Told& told : all) {
      if (!told_before.emplace(told.decision.statement, told.decision.into).second) continue;
      options_.decisions->push_back(std::move(told.decision));
    }
  }

  ir::Graph& graph_;
  const Options& options_;
  Groups groups_;
  GroupOrder order_;
  ir::Uses uses_;
  absl::flat_hash_map<const Statement*, int> update_streams_;
  absl::flat_hash_map<std::pair<int, int>, Refusal> refused_;
  std::vector<Told> joins_, refusals_;
};

// Where h = maximum(z, 0), z > 0 says what h > 0 says, NaN included; then z itself need not be kept.
bool ReadSignsFromRelu(ir::Graph& graph) {
  bool changed = false;
  absl::flat_hash_map<const Value*, Value*> relu;
  for (const auto& s : graph.body.statements) {
    if (s->op != Op::kMaximum && s->op != Op::kGreater) continue;
    const auto zero = LiteralNumber(s->operands[1]);
    if (!zero.has_value() || *zero != 0) continue;
    if (s->op == Op::kMaximum) {
      relu.emplace(s->operands[0], s->result());
    } else if (const auto found = relu.find(s->operands[0]); found != relu.end()) {
      s->operands[0] = found->second;
      changed = true;
    }
  }
  return changed;
}

}  // namespace

absl::StatusOr<bool> Fuse(ir::Graph& graph, const Options& options) {
  if (!options.fuse) return false;
  ASSIGN_OR_RETURN(bool changed, InBodies(graph, [&](ir::Graph& body, Statement&) { return Fuse(body, options); }));
  changed |= ReadSignsFromRelu(graph);
  return Fuser(graph, options).Run() || changed;
}

std::string Describe(const std::vector<FusionDecision>& decisions) {
  std::string text;
  for (const FusionDecision& d : decisions) {
    if (d.allowed) {
      absl::StrAppend(&text, d.statement, " joins ", d.into, d.reason.empty() ? "" : "; ", d.reason, "\n");
    } else {
      absl::StrAppend(&text, d.statement, " does not join ", d.into, ": ", d.reason, "\n");
    }
  }
  return text;
}

}  // namespace gradus::passes
