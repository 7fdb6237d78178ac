#include "tests/ops/gradient_proof.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/interpreter.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "passes/backprop.h"
#include "passes/gradient_paths.h"

namespace gradus::testing_support {
namespace {

using ir::Arithmetic;
using ir::Array;
using ir::Builder;
using ir::Graph;
using ir::Ints;
using ir::NamedArrays;
using ir::Op;
using ir::Statement;
using ir::Type;
using ir::Value;
using Numbers = std::vector<double>;
using NamedNumbers = std::map<std::string, Numbers>;

constexpr double kDualTolerance = 1e-12;
constexpr double kDifferenceTolerance = 1e-7;
constexpr int kDirections = 3;

const Statement* FirstStatement(const Graph& graph) {
  for (const auto& s : graph.body.statements) {
    if (!ir::IsDeclaration(s->op)) return s.get();
  }
  return nullptr;
}

Value* DeclareInput(Graph& graph, const std::string& name, const Type& type) {
  Builder builder(graph);
  builder.InsertBefore(FirstStatement(graph));
  return builder.Declare(Op::kInput, name, type);
}

Value* SumOfProduct(Builder& b, Value* x, Value* y) {
  Value* product = b.Emit(Op::kMul, {x, y});
  Ints axes;
  for (int64_t axis = 0; axis < product->type.rank(); ++axis) axes.push_back(axis);
  return axes.empty() ? product : b.Emit(Op::kReduceSum, {product}, {axes});
}

std::vector<Value*> FloatDeclarations(const Graph& graph) {
  std::vector<Value*> found;
  for (const auto& s : graph.body.statements) {
    if (ir::IsDeclaration(s->op) && ir::IsFloat(s->result()->type.element)) found.push_back(s->result());
  }
  return found;
}

// Appends grad(scalar, by) for those of `by` to which a path leads, with results named prefix + name.
void AddGrad(Graph& graph, Value* scalar, const std::vector<Value*>& by, int64_t number, const std::string& prefix) {
  auto grad = std::make_unique<Statement>();
  grad->op = Op::kGrad;
  grad->attributes = {number};
  std::vector<Value*> reached;
  for (Value* value : by) {
    grad->operands = {scalar, value};
    if (passes::GradientObstacles(graph.body, *grad).empty()) reached.push_back(value);
  }
  if (reached.empty()) return;
  grad->operands = {scalar};
  for (Value* value : reached) {
    grad->operands.push_back(value);
    grad->results.push_back(std::make_unique<Value>(Value{.type = value->type, .name = prefix + value->name}));
  }
  const Statement* added = Builder(graph).Append(std::move(grad));
  for (const auto& result : added->results) graph.outputs.push_back({result->name, result.get()});
}

absl::Status Differentiate(Graph& graph) {
  RETURN_IF_ERROR(passes::Backprop(graph).status());
  ir::NameUnnamed(graph);
  return ir::Verify(graph);
}

// The output s = sum(y · r), and, once differentiated, the outputs d.x = ∂s/∂x.
struct Proof {
  Graph value;   // y, s
  Graph first;   // y, s, d.x
  Graph second;  // y, s, d.x, t, d2.x
};

absl::StatusOr<Proof> Build(const GradientCase& c, bool together = false) {
  Proof proof;
  proof.value = c.graph.Clone();
  Graph& graph = proof.value;
  CHECK(graph.outputs.size() == 1 && graph.outputs[0].name == "y") << c.name;
  Value* y = graph.outputs[0].value;
  const std::vector<Value*> declared = FloatDeclarations(graph);
  Value* r = DeclareInput(graph, "r", y->type);
  Builder b(graph);
  Value* s = SumOfProduct(b, y, r);
  s->name = "s";
  graph.outputs.push_back({"s", s});
  ir::NameUnnamed(graph);
  RETURN_IF_ERROR(ir::Verify(graph));

  proof.first = graph.Clone();
  AddGrad(proof.first, proof.first.Find("s"), FloatDeclarations(proof.first), 1, "d.");
  RETURN_IF_ERROR(Differentiate(proof.first));

  proof.second = (together ? graph : proof.first).Clone();
  if (together) AddGrad(proof.second, proof.second.Find("s"), FloatDeclarations(proof.second), 1, "d.");
  Graph& second = proof.second;
  const std::vector<Value*> by = FloatDeclarations(second);
  Value* t = nullptr;
  const std::vector<ir::Output> outputs = second.outputs;
  for (const ir::Output& output : outputs) {
    if (output.name == "d.r" || !absl::StartsWith(output.name, "d.")) continue;
    Value* q = DeclareInput(second, "q." + output.name.substr(2), output.value->type);
    Builder builder(second);
    Value* term = SumOfProduct(builder, output.value, q);
    if (t != nullptr && t->type != term->type) term = builder.Emit(Op::kConvert, {term}, {t->type.element});
    t = t == nullptr ? term : builder.Emit(Op::kAdd, {t, term});
  }
  if (t == nullptr) {
    if (together) RETURN_IF_ERROR(Differentiate(second));
    return proof;
  }
  // What backprop will find to have no second derivative needs a path all the same.
  for (Value* x : together ? by : std::vector<Value*>()) {
    Builder builder(second);
    Value* zero = builder.Emit(Op::kMul, {x, builder.Constant(ir::Tensor(Type{x->type.element, {}}))});
    Value* term = SumOfProduct(builder, zero, zero);
    if (term->type != t->type) term = builder.Emit(Op::kConvert, {term}, {t->type.element});
    t = builder.Emit(Op::kAdd, {t, term});
  }
  t->name = "t";
  second.outputs.push_back({"t", t});
  ir::NameUnnamed(second);
  AddGrad(second, t, by, 2, "d2.");
  RETURN_IF_ERROR(Differentiate(second));
  return proof;
}

class Point {
 public:
  Point(const GradientCase& c, const Graph& graph, const GradientProof& options)
      : engine_(options.seed), others_(c.others) {
    for (const auto& s : graph.body.statements) {
      if (!ir::IsDeclaration(s->op)) continue;
      const Value& value = *s->result();
      types_[value.name] = value.type;
      if (!ir::IsFloat(value.type.element)) continue;
      order_.push_back(value.name);
      const auto found = c.floats.find(value.name);
      if (found != c.floats.end()) {
        numbers_[value.name] = found->second;
      } else {
        numbers_[value.name] = Random(value.type);
        if (!options.random_incoming) numbers_[value.name].assign(numbers_[value.name].size(), 1.0);
      }
    }
  }

  const NamedNumbers& numbers() const { return numbers_; }

  // Numbers of the same shape for each float declaration, in [-1, 1].
  NamedNumbers Direction() {
    NamedNumbers direction;
    for (const std::string& name : order_) direction[name] = Random(types_.at(name));
    return direction;
  }

  NamedArrays Arrays(const NamedNumbers& numbers) const {
    NamedArrays arrays = Integers(Arithmetic::kDouble);
    for (const auto& [name, values] : numbers) {
      Array array(types_.at(name), Arithmetic::kDouble);
      std::copy(values.begin(), values.end(), array.data<double>().begin());
      arrays.emplace(name, std::move(array));
    }
    return arrays;
  }

  // With directions: of the outer part, and of the inner one, where a name that a direction lacks stands still.
  NamedArrays Duals(const NamedNumbers& direction) const {
    NamedArrays arrays = Integers(Arithmetic::kDual);
    for (const auto& [name, values] : numbers_) {
      Array array(types_.at(name), Arithmetic::kDual);
      for (size_t i = 0; i < values.size(); ++i) {
        array.data<ir::Dual<double>>()[i] = ir::Dual<double>(values[i], At(direction, name, i));
      }
      arrays.emplace(name, std::move(array));
    }
    return arrays;
  }
  NamedArrays DualsOfDuals(const NamedNumbers& inner, const NamedNumbers& outer) const {
    NamedArrays arrays = Integers(Arithmetic::kDualOfDual);
    for (const auto& [name, values] : numbers_) {
      Array array(types_.at(name), Arithmetic::kDualOfDual);
      for (size_t i = 0; i < values.size(); ++i) {
        array.data<ir::Dual<ir::Dual<double>>>()[i] = ir::Dual<ir::Dual<double>>(
            ir::Dual<double>(values[i], At(inner, name, i)), ir::Dual<double>(At(outer, name, i), 0));
      }
      arrays.emplace(name, std::move(array));
    }
    return arrays;
  }

 private:
  static double At(const NamedNumbers& direction, const std::string& name, size_t i) {
    const auto found = direction.find(name);
    return found == direction.end() ? 0 : found->second[i];
  }
  Numbers Random(const Type& type) {
    Numbers numbers(static_cast<size_t>(type.elements().value()));
    for (double& number : numbers) number = static_cast<double>(engine_() >> 11) * 0x1p-52 - 1;
    return numbers;
  }
  NamedArrays Integers(Arithmetic arithmetic) const {
    NamedArrays arrays;
    for (const auto& [name, tensor] : others_) arrays.emplace(name, Array::From(tensor, arithmetic));
    return arrays;
  }

  std::mt19937_64 engine_;
  std::map<std::string, ir::Tensor> others_;
  std::map<std::string, Type> types_;
  std::vector<std::string> order_;
  NamedNumbers numbers_;
};

absl::StatusOr<NamedNumbers> Evaluate(const Graph& graph, const NamedArrays& arrays) {
  ASSIGN_OR_RETURN(const ir::StepArrays step, ir::InterpretIn(Arithmetic::kDouble, graph, arrays));
  NamedNumbers result;
  for (const auto& [name, array] : step.outputs) {
    const auto data = array.data<double>();
    result[name] = Numbers(data.begin(), data.end());
  }
  return result;
}

NamedNumbers Moved(const NamedNumbers& from, const NamedNumbers& direction, double step) {
  NamedNumbers to = from;
  for (const auto& [name, numbers] : direction) {
    for (size_t i = 0; i < numbers.size(); ++i) to[name][i] += step * numbers[i];
  }
  return to;
}

// Σ ⟨outputs[prefix + name], direction[name]⟩; an output that is not there is 0.
double Along(const NamedNumbers& outputs, const std::string& prefix, const NamedNumbers& direction) {
  double sum = 0;
  for (const auto& [name, numbers] : direction) {
    const auto found = outputs.find(prefix + name);
    if (found == outputs.end()) continue;
    for (size_t i = 0; i < numbers.size(); ++i) sum += found->second[i] * numbers[i];
  }
  return sum;
}

absl::Status Compare(const std::string& what, double gradient, double oracle, double tolerance) {
  if (gradient == oracle || (std::isnan(gradient) && std::isnan(oracle))) return absl::OkStatus();
  if (std::abs(gradient - oracle) <= tolerance * std::max(1.0, std::abs(oracle))) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(what, ": the gradient gives ", absl::StrFormat("%.17g", gradient),
                                          ", the oracle ", absl::StrFormat("%.17g", oracle)));
}

// f'(0) by the five-point rule, whose error is h⁴ f⁽⁵⁾ / 30.
template <typename F>
absl::StatusOr<double> Difference(F f) {
  constexpr double h = 1e-3;
  ASSIGN_OR_RETURN(const double a, f(h));
  ASSIGN_OR_RETURN(const double b, f(-h));
  ASSIGN_OR_RETURN(const double c, f(2 * h));
  ASSIGN_OR_RETURN(const double d, f(-2 * h));
  return (8 * (a - b) - (c - d)) / (12 * h);
}

absl::Status ProveFirst(const Proof& proof, Point& point, const GradientProof& options) {
  ASSIGN_OR_RETURN(const NamedNumbers gradient, Evaluate(proof.first, point.Arrays(point.numbers())));
  std::vector<std::pair<std::string, NamedNumbers>> directions;
  for (int i = 0; i < kDirections; ++i) directions.emplace_back("in a random direction", point.Direction());
  for (const auto& [name, numbers] : point.numbers()) {
    for (size_t i = 0; i < std::min<size_t>(numbers.size(), 64); ++i) {
      NamedNumbers unit = {{name, Numbers(numbers.size(), 0.0)}};
      unit[name][i] = 1;
      directions.emplace_back(absl::StrCat("by element ", i, " of ", name), unit);
    }
  }
  int index = 0;
  for (const auto& [what, direction] : directions) {
    ASSIGN_OR_RETURN(const ir::StepArrays step,
                     ir::InterpretIn(Arithmetic::kDual, proof.value, point.Duals(direction)));
    const double oracle = step.outputs.at("s").data<ir::Dual<double>>()[0].derivative;
    const double along = Along(gradient, "d.", direction);
    if (options.duals) RETURN_IF_ERROR(Compare("first order, duals, " + what, along, oracle, kDualTolerance));
    if (!options.differences || index++ >= kDirections) continue;
    ASSIGN_OR_RETURN(const double difference, Difference([&](double h) -> absl::StatusOr<double> {
                       ASSIGN_OR_RETURN(const NamedNumbers moved,
                                        Evaluate(proof.value, point.Arrays(Moved(point.numbers(), direction, h))));
                       return moved.at("s")[0];
                     }));
    RETURN_IF_ERROR(Compare("first order, differences, " + what, along, difference, kDifferenceTolerance));
  }
  return absl::OkStatus();
}

absl::Status ProveSecond(const GradientCase& c, const Proof& proof, const GradientProof& options) {
  Point point(c, proof.second, options);
  ASSIGN_OR_RETURN(const NamedNumbers gradient, Evaluate(proof.second, point.Arrays(point.numbers())));
  // q, as a direction of the declarations that it belongs to.
  NamedNumbers q;
  for (const auto& [name, numbers] : point.numbers()) {
    if (absl::StartsWith(name, "q.")) q[name.substr(2)] = numbers;
  }
  for (int i = 0; i < kDirections; ++i) {
    NamedNumbers direction = point.Direction();
    for (const auto& [name, numbers] : q) direction.erase("q." + name);
    ASSIGN_OR_RETURN(const ir::StepArrays step,
                     ir::InterpretIn(Arithmetic::kDualOfDual, proof.value, point.DualsOfDuals(q, direction)));
    const double oracle = step.outputs.at("s").data<ir::Dual<ir::Dual<double>>>()[0].derivative.derivative;
    const double along = Along(gradient, "d2.", direction);
    if (options.duals) RETURN_IF_ERROR(Compare("second order, duals", along, oracle, kDualTolerance));
    if (!options.differences) continue;
    ASSIGN_OR_RETURN(const double difference, Difference([&](double h) -> absl::StatusOr<double> {
                       ASSIGN_OR_RETURN(const NamedNumbers moved,
                                        Evaluate(proof.first, point.Arrays(Moved(point.numbers(), direction, h))));
                       return Along(moved, "d.", q);
                     }));
    RETURN_IF_ERROR(Compare("second order, differences", along, difference, kDifferenceTolerance));
  }
  return absl::OkStatus();
}

absl::Status InCase(const GradientCase& c, const absl::Status& status, const Graph& graph) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(c.name, ": ", status.message(), "\n", ir::Print(graph)));
}

Numbers PlainGradient(const GradientCase& c, const Graph& graph, const std::string& prefix, const std::string& by) {
  const Point point(c, graph, {.random_incoming = false});
  const absl::StatusOr<NamedNumbers> outputs = Evaluate(graph, point.Arrays(point.numbers()));
  CHECK(outputs.ok()) << outputs.status();
  const auto found = outputs->find(prefix + by);
  return found != outputs->end() ? found->second : Numbers(c.floats.at(by).size(), 0.0);
}

}  // namespace

absl::Status ProveGradient(const GradientCase& c, const GradientProof& options) {
  const absl::StatusOr<Proof> proof = Build(c, options.together);
  if (!proof.ok()) return InCase(c, proof.status(), c.graph);
  Point point(c, proof->first, options);
  RETURN_IF_ERROR(InCase(c, ProveFirst(*proof, point, options), proof->first));
  return InCase(c, ProveSecond(c, *proof, options), proof->second);
}

std::vector<double> FirstGradient(const GradientCase& c, const std::string& by) {
  const absl::StatusOr<Proof> proof = Build(c);
  CHECK(proof.ok()) << c.name << ": " << proof.status();
  return PlainGradient(c, proof->first, "d.", by);
}

std::vector<double> SecondGradient(const GradientCase& c, const std::string& by) {
  const absl::StatusOr<Proof> proof = Build(c);
  CHECK(proof.ok()) << c.name << ": " << proof.status();
  return PlainGradient(c, proof->second, "d2.", by);
}

}  // namespace gradus::testing_support
