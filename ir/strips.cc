#include "ir/strips.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "ir/check.h"
#include "ir/control.h"
#include "ir/order.h"
#include "ir/threads.h"

namespace gradus::ir {
namespace {

// Fewer rows leave the microkernel waiting for the weights.
constexpr int64_t kFewestRows = 8;

// What of a value a row of the result reads.
enum class Part : uint8_t { kRow, kWhole };

// Decides for every value of the body which it is. Slices and captures are what their first reader takes them for.
class Analysis {
 public:
  explicit Analysis(const Statement& scan) : scan_(scan) {
    const Region& body = *scan.region;
    if (body.yields.empty() || body.yields.front()->type.shape.empty()) return;
    rows_ = body.yields.front()->type.shape.front();
    holds_ = Run();
  }

  bool holds() const { return holds_; }
  int64_t rows() const { return rows_; }
  int64_t whole_bytes() const { return whole_bytes_; }  // that contractions read
  bool HasRows(const Value* value) const {
    const auto found = parts_.find(Origin(value));
    return found != parts_.end() && found->second == Part::kRow;
  }

 private:
  bool Run() {
    const ScanView view(scan_);
    const Region& body = *scan_.region;
    for (size_t i = 0; i < view.carries; ++i) {
      if (!Demand(body.parameters[view.sequences + i].get(), Part::kRow)) return false;
    }
    for (const auto& s : body.statements) {
      if (!Visit(*s, /*in_kernel=*/false)) return false;
    }
    return std::all_of(body.yields.begin(), body.yields.end(),
                       [&](const Value* yield) { return Demand(yield, Part::kRow); });
  }

  // What a parameter of a kernel stands for.
  const Value* Origin(const Value* value) const {
    const auto found = origins_.find(value);
    return found == origins_.end() ? value : found->second;
  }

  bool BeginsWithRows(const Value* value) const {
    return !value->type.shape.empty() && value->type.shape.front() == rows_;
  }

  bool Demand(const Value* value, Part part) {
    value = Origin(value);
    if (value->definition != nullptr && value->definition->op == Op::kConstant) return part == Part::kWhole;
    const auto [entry, fresh] = parts_.emplace(value, part);
    return entry->second == part && (!fresh || part == Part::kWhole || BeginsWithRows(value));
  }

  // NumPy's rule: axes are aligned from the right.
  bool DemandBroadcast(const Value* operand, const Value* result) {
    const bool aligned = operand->type.rank() == result->type.rank() && BeginsWithRows(operand);
    return Demand(operand, aligned ? Part::kRow : Part::kWhole);
  }

  bool DemandProduct(const Statement& dot) {
    const std::vector<std::string> sides = absl::StrSplit(dot.Text("spec"), "->");
    const std::vector<std::string> letters = absl::StrSplit(sides[0], ',');
    if (absl::StrContains(dot.Text("band"), sides[1].front())) return false;
    bool any = false;
    for (size_t i = 0; i < 2; ++i) {
      const size_t at = letters[i].find(sides[1].front());
      if (at != 0 && at != std::string::npos) return false;
      any |= at == 0;
      if (!Demand(dot.operands[i], at == 0 ? Part::kRow : Part::kWhole)) return false;
      const Value* operand = Origin(dot.operands[i]);
      if (at != 0 && whole_.insert(operand).second) whole_bytes_ += operand->type.bytes().value();
    }
    return any;
  }

  bool KeepsRows(const Statement& s) {
    const auto all_rows = [&] {
      return std::all_of(s.operands.begin(), s.operands.end(), [&](const Value* v) { return Demand(v, Part::kRow); });
    };
    if (IsElementwise(s.op) || s.op == Op::kBroadcast) {
      return std::all_of(s.operands.begin(), s.operands.end(),
                         [&](const Value* operand) { return DemandBroadcast(operand, s.result()); });
    }
    if (IsReduction(s.op)) {
      const Ints& axes = s.IntList("axis");
      return std::find(axes.begin(), axes.end(), 0) == axes.end() && all_rows();
    }
    switch (s.op) {
      case Op::kReshape:
        return all_rows();
      case Op::kSlice:
        return s.IntList("start")[0] == 0 && s.IntList("limit")[0] == rows_ && s.IntList("stride")[0] == 1 &&
               all_rows();
      case Op::kTranspose:
        return s.IntList("axes")[0] == 0 && all_rows();
      case Op::kConcat:
        return s.Int("axis") != 0 && all_rows();
      case Op::kDot:
        return DemandProduct(s);
      default:
        return false;
    }
  }

  bool Visit(const Statement& s, bool in_kernel) {
    if (s.op == Op::kConstant) return true;
    if (s.op == Op::kFused) {
      const Region& kernel = *s.region;
      for (size_t i = 0; i < s.operands.size(); ++i) origins_[kernel.parameters[i].get()] = Origin(s.operands[i]);
      for (const auto& inner : kernel.statements) {
        if (!Visit(*inner, /*in_kernel=*/true)) return false;
      }
      for (size_t i = 0; i < s.results.size(); ++i) {
        if (!Demand(kernel.yields[i], Part::kRow)) return false;
        parts_[s.results[i].get()] = Part::kRow;
      }
      return true;
    }
    if (s.results.size() != 1 || s.operands.empty()) return false;
    // Another look at something whole takes no work: a view, or an access of a kernel.
    const bool looks = s.op == Op::kReshape || (in_kernel && s.op == Op::kSlice);
    const Value* operand = Origin(s.operands[0]);
    const auto known = parts_.find(operand);
    const bool is_whole = known != parts_.end() && known->second == Part::kWhole;
    if (looks && (is_whole || !BeginsWithRows(operand) || !BeginsWithRows(s.result()))) {
      parts_[s.result()] = Part::kWhole;
      return Demand(operand, Part::kWhole);
    }
    if (!BeginsWithRows(s.result())) return false;
    parts_[s.result()] = Part::kRow;
    return KeepsRows(s);
  }

  const Statement& scan_;
  bool holds_ = false;
  int64_t rows_ = 0;
  int64_t whole_bytes_ = 0;
  absl::flat_hash_set<const Value*> whole_;
  absl::flat_hash_map<const Value*, const Value*> origins_;
  absl::flat_hash_map<const Value*, Part> parts_;
};

// Gives the values of `copy` that have rows in `region` as many as a strip has.
void Narrow(const Analysis& analysis, const Region& region, Region& copy, int64_t strip) {
  const auto narrow = [&](const Value& value, Value& copied) {
    if (analysis.HasRows(&value)) copied.type.shape.front() = strip;
  };
  for (size_t i = 0; i < region.parameters.size(); ++i) narrow(*region.parameters[i], *copy.parameters[i]);
  for (size_t i = 0; i < region.statements.size(); ++i) {
    const Statement& s = *region.statements[i];
    Statement& copied = *copy.statements[i];
    for (size_t r = 0; r < s.results.size(); ++r) narrow(*s.results[r], *copied.results[r]);
    if (s.region != nullptr) Narrow(analysis, *s.region, *copied.region, strip);
    if (s.op == Op::kDot) copied.Set("order", ToString(OrderOfContraction(s)));
    if (s.results.size() != 1 || copied.result()->type == s.result()->type) continue;
    if (s.op == Op::kReshape || s.op == Op::kBroadcast) copied.Set("shape", copied.result()->type.shape);
    if (s.op == Op::kSlice) {
      Ints limit = s.IntList("limit");
      limit.front() = strip;
      copied.Set("limit", limit);
    }
  }
}

}  // namespace

bool RunsInStrips(const Statement& scan, int64_t threads, const Target& target) {
  if (scan.op != Op::kScan || threads <= 1 || RunsOnThreadZero(scan)) return false;
  const Analysis analysis(scan);
  return analysis.holds() && analysis.rows() % threads == 0 && analysis.rows() / threads >= kFewestRows &&
         analysis.whole_bytes() <= target.l2_bytes;
}

std::unique_ptr<Statement> StripOf(const Statement& scan, int64_t threads) {
  const Analysis analysis(scan);
  CHECK(analysis.holds() && analysis.rows() % threads == 0) << "a scan that does not run in strips";
  ValueMap map;
  std::unique_ptr<Statement> copy = CloneStatement(scan, map);
  Narrow(analysis, *scan.region, *copy->region, analysis.rows() / threads);
  return copy;
}

}  // namespace gradus::ir
