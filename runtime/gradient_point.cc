#include "runtime/gradient_point.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "absl/algorithm/container.h"
#include "ir/check.h"
#include "ir/evaluate.h"

namespace gradus::runtime {
namespace {

using ir::Arithmetic;
using ir::Array;
using ir::Op;
using ir::Shape;
using ir::Statement;
using ir::Type;
using ir::Value;
using Dual = ir::Dual<double>;

bool IsFloat(const Value* value) { return ir::IsFloat(value->type.element); }

// What is in memory once, however often it is named.
bool IsCopy(const Statement& s) {
  if (s.op == Op::kCustomVjp || s.op == Op::kStopGradient) return true;
  return s.op == Op::kReshape && s.operands[0]->type == s.result()->type;
}

absl::StatusOr<SharedArray> Run(const Statement& s, absl::Span<const Array* const> operands) {
  auto result = std::make_shared<Array>(s.result()->type, Arithmetic::kDouble);
  RETURN_IF_ERROR(ir::Evaluate({s, operands, *result}));
  return SharedArray(std::move(result));
}

SharedArray Zeros(const Type& type) {
  auto zeros = std::make_shared<Array>(type, Arithmetic::kDouble);
  std::memset(zeros->bytes(), 0, static_cast<size_t>(zeros->byte_size()));
  return zeros;
}

// Every element off by one part in 2^52, up or down.
SharedArray Rounded(const Array& x, std::mt19937_64& engine) {
  auto result = std::make_shared<Array>(x.type(), Arithmetic::kDouble);
  const auto from = x.data<double>();
  const auto to = result->data<double>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = from[i] * (1 + (engine() % 2 == 0 ? 0x1p-52 : -0x1p-52));
  return result;
}

Array WithTangent(const Array& value, const Array* tangent) {
  Array dual(value.type(), Arithmetic::kDual);
  const auto from = value.data<double>();
  const auto to = dual.data<Dual>();
  const double* derivative = tangent == nullptr ? nullptr : tangent->data<double>().data();
  for (size_t i = 0; i < to.size(); ++i) to[i] = Dual(from[i], derivative == nullptr ? 0 : derivative[i]);
  return dual;
}

absl::StatusOr<SharedArray> ByDuals(const Statement& s, absl::Span<const Array* const> values,
                                    absl::Span<const SharedArray> tangents) {
  std::vector<Array> duals;
  duals.reserve(values.size());
  std::vector<const Array*> operands;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!IsFloat(s.operands[i])) {
      operands.push_back(values[i]);
      continue;
    }
    duals.push_back(WithTangent(*values[i], tangents[i].get()));
    operands.push_back(&duals.back());
  }
  Array result(s.result()->type, Arithmetic::kDual);
  RETURN_IF_ERROR(ir::Evaluate({s, operands, result}));
  auto tangent = std::make_shared<Array>(s.result()->type, Arithmetic::kDouble);
  const auto from = std::as_const(result).data<Dual>();
  const auto to = tangent->data<double>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = from[i].derivative;
  return SharedArray(std::move(tangent));
}

// dy = da · b + a · db
absl::StatusOr<SharedArray> ByProductRule(const Statement& s, absl::Span<const Array* const> values,
                                          absl::Span<const SharedArray> tangents) {
  std::shared_ptr<Array> sum;
  for (int i = 0; i < 2; ++i) {
    if (tangents[i] == nullptr) continue;
    const Array* const operands[] = {i == 0 ? tangents[0].get() : values[0], i == 1 ? tangents[1].get() : values[1]};
    auto part = std::make_shared<Array>(s.result()->type, Arithmetic::kDouble);
    RETURN_IF_ERROR(ir::Evaluate({s, operands, *part}));
    if (sum == nullptr) {
      sum = std::move(part);
      continue;
    }
    const auto to = sum->data<double>();
    const auto from = std::as_const(*part).data<double>();
    for (size_t j = 0; j < to.size(); ++j) to[j] += from[j];
  }
  return SharedArray(std::move(sum));
}

// The tangent of the result, at least one operand having one.
absl::StatusOr<SharedArray> Tangent(const Statement& s, absl::Span<const Array* const> values,
                                    absl::Span<const SharedArray> tangents) {
  if (s.op != Op::kStopGradient && IsCopy(s)) return tangents[0];
  switch (s.op) {
    case Op::kStopGradient:
      return SharedArray();
    case Op::kDot:
    case Op::kConvolution:
    case Op::kConvolutionWeights:
      return ByProductRule(s, values, tangents);
    // Linear in its floating-point operands.
    case Op::kBroadcast:
    case Op::kReshape:
    case Op::kTranspose:
    case Op::kSlice:
    case Op::kFlip:
    case Op::kConcat:
    case Op::kPad:
    case Op::kReduceSum:
    case Op::kWindowSum:
    case Op::kGather:
    case Op::kScatterAdd:
    case Op::kNeg:
    case Op::kAdd:
    case Op::kSub:
    case Op::kSelect: {
      std::vector<SharedArray> kept;
      std::vector<const Array*> operands;
      for (size_t i = 0; i < values.size(); ++i) {
        if (!IsFloat(s.operands[i])) {
          operands.push_back(values[i]);
          continue;
        }
        kept.push_back(tangents[i] != nullptr ? tangents[i] : Zeros(s.operands[i]->type));
        operands.push_back(kept.back().get());
      }
      return Run(s, operands);
    }
    default:
      return ByDuals(s, values, tangents);
  }
}

// An operand of an elementwise operation, of the result's shape.
class Spread {
 public:
  Spread(const Array& array, const Shape& shape) : array_(&array) {
    if (array.type().shape == shape) return;
    broadcast_ = ir::BroadcastTo(array, shape);
    array_ = &broadcast_;
  }
  double operator[](size_t i) const {
    return ir::Dispatch(array_->element(), [&](auto tag) -> double {
      using T = decltype(tag);
      if constexpr (std::is_same_v<T, Dual> || std::is_same_v<T, ir::Dual<Dual>>) {
        return 0;
      } else {
        return static_cast<double>(array_->data<T>()[i]);
      }
    });
  }

 private:
  Array broadcast_;
  const Array* array_;
};

template <typename F>
int64_t CountDifferent(const Array& shaped, const F& side_before, const F& side_after) {
  int64_t count = 0;
  const auto size = static_cast<size_t>(shaped.size());
  for (size_t i = 0; i < size; ++i) count += side_before(i) != side_after(i) ? 1 : 0;
  return count;
}

int64_t CountSides(absl::Span<const Array* const> before, absl::Span<const Array* const> after, const Array& result,
                   const std::function<int(double, double)>& side) {
  const Shape& shape = result.type().shape;
  const size_t last = before.size() - 1;
  const Spread a0(*before[0], shape), b0(*before[last], shape), a1(*after[0], shape), b1(*after[last], shape);
  const std::function<int(size_t)> was = [&](size_t i) { return side(a0[i], b0[i]); };
  const std::function<int(size_t)> is = [&](size_t i) { return side(a1[i], b1[i]); };
  return CountDifferent(result, was, is);
}

// Elements that attain the maximum or minimum before and not after, or the other way round.
int64_t CountAttained(const Statement& s, const Array& x0, const Array& x1, const Array& y0, const Array& y1) {
  Shape kept = x0.type().shape;
  for (const int64_t axis : s.IntList("axis")) kept[axis] = 1;
  const auto reshaped = [&](const Array& y) {
    Array result = y.WithType(Type{y.type().element, kept});
    std::memcpy(result.bytes(), y.bytes(), static_cast<size_t>(y.byte_size()));
    return result;
  };
  const Array shaped0 = reshaped(y0), shaped1 = reshaped(y1);
  const Spread largest0(shaped0, x0.type().shape), largest1(shaped1, x0.type().shape), a(x0, x0.type().shape),
      b(x1, x0.type().shape);
  const std::function<bool(size_t)> was = [&](size_t i) { return a[i] == largest0[i]; };
  const std::function<bool(size_t)> is = [&](size_t i) { return b[i] == largest1[i]; };
  return CountDifferent(x0, was, is);
}

// Windows whose maximum stands elsewhere afterwards.
int64_t CountMovedMaxima(const Statement& s, const Array& x0, const Array& x1) {
  Statement places;
  places.op = Op::kWindowArgMax;
  places.operands = s.operands;
  places.attributes = s.attributes;
  Array was(Type{ir::DType::kI32, s.result()->type.shape}, Arithmetic::kDouble), is = was.WithType(was.type());
  for (const auto& [x, result] : {std::pair(&x0, &was), std::pair(&x1, &is)}) {
    const Array* const operands[] = {x};
    CHECK(ir::Evaluate({places, operands, *result}).ok());
  }
  const std::function<int32_t(size_t)> before = [&](size_t i) { return std::as_const(was).data<int32_t>()[i]; };
  const std::function<int32_t(size_t)> after = [&](size_t i) { return std::as_const(is).data<int32_t>()[i]; };
  return CountDifferent(was, before, after);
}

// How many elements of the statement take another branch.
int64_t CountBranches(const Statement& s, absl::Span<const Array* const> before, absl::Span<const Array* const> after,
                      const Array& result0, const Array& result1) {
  switch (s.op) {
    case Op::kMaximum:
    case Op::kMinimum:
      return CountSides(before, after, result0, [](double a, double b) { return (a > b) - (a < b); });
    case Op::kAbs:
      return CountSides(before, after, result0, [](double x, double) { return (x > 0) - (x < 0); });
    case Op::kSqrt:
    case Op::kRsqrt:
    case Op::kLog:
    case Op::kPow:
      return CountSides(before, after, result0, [](double x, double) { return x <= 0 ? 1 : 0; });
    case Op::kMod: {
      const std::function<double(double, double)> whole = [](double a, double b) { return std::floor(a / b); };
      return CountSides(before, after, result0,
                        [&](double a, double b) { return static_cast<int>(std::fmod(whole(a, b), 1e9)); });
    }
    case Op::kReduceMax:
    case Op::kReduceMin:
      return CountAttained(s, *before[0], *after[0], result0, result1);
    case Op::kWindowMax:
      return CountMovedMaxima(s, *before[0], *after[0]);
    case Op::kSign:
    case Op::kFloor:
    case Op::kCeil:
    case Op::kRound:
    case Op::kFloorDiv:
      break;
    default:
      if (IsFloat(s.result())) return 0;
  }
  const Spread was(result0, result0.type().shape), is(result1, result0.type().shape);
  int64_t count = 0;
  const auto size = static_cast<size_t>(result0.size());
  for (size_t i = 0; i < size; ++i) count += was[i] == is[i] || (std::isnan(was[i]) && std::isnan(is[i])) ? 0 : 1;
  return count;
}

// Walks the statements of a reach. `compute(statement, changed operands)` gives the changed result, or none.
template <typename Compute>
absl::StatusOr<ValueArrays> Walk(const Reach& reach, SharedArray start, const Compute& compute) {
  absl::flat_hash_map<const Value*, int> readers;
  for (const Statement* s : reach.statements) {
    for (const Value* operand : s->operands) ++readers[operand];
  }
  std::vector<const Value*> wanted = reach.ends;
  wanted.insert(wanted.end(), reach.passed.begin(), reach.passed.end());
  for (const Value* end : wanted) ++readers[end];
  const absl::flat_hash_set<const Value*> stops(reach.ends.begin(), reach.ends.end());
  ValueArrays changed;
  ValueArrays ends;
  std::vector<SharedArray> operands;
  for (const Statement* s : reach.statements) {
    const bool entry = reach.entries.empty() || reach.entries.contains(s);
    operands.assign(s->operands.size(), nullptr);
    bool any = false;
    for (size_t i = 0; i < s->operands.size(); ++i) {
      if (s->operands[i] == reach.from) {
        if (entry) operands[i] = start;
      } else if (const auto found = changed.find(s->operands[i]);
                 found != changed.end() && !stops.contains(s->operands[i])) {
        operands[i] = found->second;
      }
      any |= operands[i] != nullptr;
    }
    if (any) {
      ASSIGN_OR_RETURN(SharedArray result, compute(*s, operands));
      if (result != nullptr) changed[s->result()] = std::move(result);
    }
    for (const Value* operand : s->operands) {
      if (--readers[operand] == 0) changed.erase(operand);
    }
  }
  for (const Value* end : wanted) {
    if (const auto found = changed.find(end); found != changed.end()) ends[end] = found->second;
    if (end == reach.from) ends[end] = start;
  }
  return ends;
}

}  // namespace

GraphOrder::GraphOrder(const ir::Graph& graph, const LoopPlaces* places) : loops_(places) {
  for (const auto& s : graph.body.statements) {
    places_[s.get()] = static_cast<int>(statements_.size());
    statements_.push_back(s.get());
    for (const Value* operand : s->operands) {
      auto& users = users_[operand];
      if (users.empty() || users.back() != s.get()) users.push_back(s.get());
    }
  }
}

absl::Span<const Statement* const> GraphOrder::users(const Value* value) const {
  const auto found = users_.find(value);
  return found == users_.end() ? absl::Span<const Statement* const>() : absl::MakeConstSpan(found->second);
}

std::vector<const Statement*> GraphOrder::Before(absl::Span<const Value* const> values) const {
  std::vector<bool> needed(statements_.size(), false);
  std::vector<const Statement*> pending;
  const auto need = [&](const Value* value) {
    const Statement* s = value->definition;
    if (s == nullptr || needed[places_.at(s)]) return;
    needed[places_.at(s)] = true;
    pending.push_back(s);
  };
  for (const Value* value : values) need(value);
  while (!pending.empty()) {
    const Statement* s = pending.back();
    pending.pop_back();
    for (const Value* operand : s->operands) need(operand);
  }
  std::vector<const Statement*> before;
  for (size_t i = 0; i < statements_.size(); ++i) {
    if (needed[i]) before.push_back(statements_[i]);
  }
  return before;
}

const Statement* GraphOrder::Root(const Statement* statement) const {
  while (statement->results.size() == 1 && statement->result()->name.empty()) {
    const auto of = users(statement->result());
    if (of.empty()) break;
    statement = of[0];
  }
  return statement;
}

const Statement* GraphOrder::Spoken(const Statement* statement) const {
  const auto found = loops_ == nullptr ? LoopPlaces::const_iterator() : loops_->find(statement);
  if (loops_ == nullptr || found == loops_->end() || !found->second.helper) return Root(statement);
  return found->second.place->loop;
}

bool GraphOrder::IsCalled(const Statement* statement, absl::Span<const std::string> names) const {
  const auto called = [&](const Statement& s) {
    return std::any_of(s.results.begin(), s.results.end(),
                       [&](const auto& result) { return absl::c_linear_search(names, result->name); });
  };
  if (called(*statement)) return true;
  if (loops_ == nullptr) return false;
  const auto found = loops_->find(statement);
  if (found == loops_->end()) return false;
  for (const LoopPlace* place = found->second.place; place != nullptr; place = place->outer) {
    if (called(*place->loop)) return true;
  }
  return false;
}

absl::StatusOr<SharedArray> ValueInDouble(const Statement& s, const ValueArrays& values) {
  if (IsCopy(s)) return values.at(s.operands[0]);
  std::vector<const Array*> operands;
  for (const Value* operand : s.operands) operands.push_back(values.at(operand).get());
  return Run(s, operands);
}

absl::StatusOr<GradientPoint> GradientPoint::Create(absl::Span<const Statement* const> statements,
                                                    const ValueArrays& declared, uint64_t rounding,
                                                    const std::function<void()>& visit) {
  GradientPoint point;
  std::mt19937_64 engine(rounding);
  for (const Statement* s : statements) {
    if (visit) visit();
    if (ir::IsDeclaration(s->op)) {
      point.values_[s->result()] = declared.at(s->result());
      continue;
    }
    ASSIGN_OR_RETURN(SharedArray result, ValueInDouble(*s, point.values_));
    const bool off = rounding != 0 && s->op != Op::kConstant && !IsCopy(*s) && IsFloat(s->result());
    point.values_[s->result()] = off ? Rounded(*result, engine) : std::move(result);
  }
  return point;
}

absl::StatusOr<ValueArrays> GradientPoint::Tangents(const Reach& reach, SharedArray direction,
                                                    uint64_t rounding) const {
  std::mt19937_64 engine(rounding);
  return Walk(reach, std::move(direction),
              [&](const Statement& s, absl::Span<const SharedArray> tangents) -> absl::StatusOr<SharedArray> {
                if (!IsFloat(s.result())) return SharedArray();
                std::vector<const Array*> values;
                for (const Value* operand : s.operands) values.push_back(&At(operand));
                ASSIGN_OR_RETURN(SharedArray tangent, Tangent(s, values, tangents));
                if (rounding == 0 || tangent == nullptr) return tangent;
                return Rounded(*tangent, engine);
              });
}

absl::StatusOr<ValueArrays> GradientPoint::Moved(const Reach& reach, SharedArray value, BranchChanges* branches) const {
  bool stop = false;
  auto ends = Walk(reach, std::move(value),
                   [&](const Statement& s, absl::Span<const SharedArray> moved) -> absl::StatusOr<SharedArray> {
                     if (stop || s.op == Op::kStopGradient) return SharedArray();
                     if (IsCopy(s)) return moved[0];
                     std::vector<const Array*> before, after;
                     for (size_t i = 0; i < s.operands.size(); ++i) {
                       before.push_back(&At(s.operands[i]));
                       after.push_back(moved[i] != nullptr ? moved[i].get() : before.back());
                     }
                     ASSIGN_OR_RETURN(SharedArray result, Run(s, after));
                     if (branches != nullptr) {
                       const int64_t count = CountBranches(s, before, after, At(s.result()), *result);
                       if (count > 0) {
                         branches->emplace_back(&s, count);
                         stop = true;
                       }
                     }
                     return result;
                   });
  if (stop) return ValueArrays();
  return ends;
}

}  // namespace gradus::runtime
