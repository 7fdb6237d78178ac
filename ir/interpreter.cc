#include "ir/interpreter.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "ir/error.h"
#include "ir/evaluate.h"

namespace gradus::ir {
namespace {

using Shared = std::shared_ptr<const Array>;

// Runs the statements of one region, or of the body of a graph.
class Frame {
 public:
  explicit Frame(Arithmetic arithmetic) : arithmetic_(arithmetic) {}

  void Bind(const Value* value, Shared array) { arrays_[value] = std::move(array); }
  Shared Get(const Value* value) const {
    const auto found = arrays_.find(value);
    CHECK(found != arrays_.end()) << "value " << value->name << " is used before its definition";
    return found->second;
  }

  // Runs every statement but declarations and `next`. Values die with their last reader, which is never for `roots`,
  // or, with keep_all, for any.
  absl::Status Run(const Region& region, absl::Span<const Value* const> roots, bool keep_all) {
    absl::flat_hash_map<const Value*, int> readers;
    for (const auto& statement : region.statements) {
      for (const Value* operand : statement->operands) ++readers[operand];
    }
    for (const Value* root : roots) ++readers[root];
    for (const auto& statement : region.statements) {
      if (IsDeclaration(statement->op) || statement->op == Op::kNext || statement->op == Op::kBarrier) continue;
      RETURN_IF_ERROR(RunStatement(*statement));
      if (keep_all) continue;
      for (const Value* operand : statement->operands) {
        if (--readers[operand] == 0) arrays_.erase(operand);
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status RunStatement(const Statement& s) {
    switch (s.op) {
      case Op::kGrad:
        return absl::FailedPreconditionError(
            absl::StrCat("grad of ", s.operands[0]->name, " has not been differentiated"));
      case Op::kCustomVjp:
        Bind(s.result(), Get(s.operands[0]));
        return absl::OkStatus();
      case Op::kFused:
        return RunRegion(s);
      default:
        break;
    }
    std::vector<Shared> held;
    std::vector<const Array*> operands;
    for (const Value* operand : s.operands) {
      held.push_back(Get(operand));
      operands.push_back(held.back().get());
    }
    auto result = std::make_shared<Array>(s.result()->type, arithmetic_);
    RETURN_IF_ERROR(Evaluate({s, operands, *result}));
    Bind(s.result(), std::move(result));
    return absl::OkStatus();
  }

  absl::Status RunRegion(const Statement& s) {
    Frame inner(arithmetic_);
    for (size_t i = 0; i < s.operands.size(); ++i) inner.Bind(s.region->parameters[i].get(), Get(s.operands[i]));
    RETURN_IF_ERROR(
        inner.Run(*s.region, std::vector<const Value*>(s.region->yields.begin(), s.region->yields.end()), false));
    for (size_t i = 0; i < s.results.size(); ++i) Bind(s.results[i].get(), inner.Get(s.region->yields[i]));
    return absl::OkStatus();
  }

  Arithmetic arithmetic_;
  absl::flat_hash_map<const Value*, Shared> arrays_;
};

absl::Status CheckBinding(const Graph& graph, const Statement& declaration, const Array& array, Arithmetic arithmetic) {
  const Value& value = *declaration.result();
  if (array.type() != value.type) {
    return absl::InvalidArgumentError(absl::StrCat(Info(declaration.op).mnemonic, " ", value.name, " of ", graph.name,
                                                   " is ", ToString(value.type), " but was given ",
                                                   ToString(array.type())));
  }
  CHECK(array.element() == ElementFor(value.type.element, arithmetic)) << value.name << " is of another arithmetic";
  return absl::OkStatus();
}

// An array that somebody else owns and keeps.
Shared Borrow(const Array& array) { return Shared(Shared(), &array); }

Array Copy(const Array& array) {
  Array copy = array.WithType(array.type());
  std::copy(array.bytes(), array.bytes() + array.byte_size(), copy.bytes());
  return copy;
}

}  // namespace

absl::Status Evaluate(const Evaluation& e) {
  if (IsElementwise(e.statement.op)) return EvaluateElementwise(e);
  switch (e.statement.op) {
#define STRUCTURAL(name, ...) \
  case Op::k##name:           \
    return Evaluate##name(e);
#include "ir/ops.def"
    default:
      CHECK(false) << Info(e.statement.op).mnemonic << " has no value of its own";
      return absl::OkStatus();
  }
}

absl::StatusOr<StepArrays> InterpretIn(Arithmetic arithmetic, const Graph& graph, const NamedArrays& declared,
                                       bool keep_values) {
  Frame frame(arithmetic);
  for (const auto& statement : graph.body.statements) {
    if (!IsDeclaration(statement->op)) continue;
    const Value* value = statement->result();
    const auto found = declared.find(value->name);
    if (found == declared.end()) {
      return absl::InvalidArgumentError(absl::StrCat(Info(statement->op).mnemonic, " ", value->name, " of ", graph.name,
                                                     " has no value: ", ToString(value->type)));
    }
    RETURN_IF_ERROR(CheckBinding(graph, *statement, found->second, arithmetic));
    frame.Bind(value, Borrow(found->second));
  }
  std::vector<const Value*> roots;
  for (const Output& output : graph.outputs) roots.push_back(output.value);
  for (const auto& statement : graph.body.statements) {
    if (statement->op == Op::kNext) roots.push_back(statement->operands[1]);
  }
  RETURN_IF_ERROR(frame.Run(graph.body, roots, keep_values));
  StepArrays result;
  for (const Output& output : graph.outputs) result.outputs.emplace(output.name, Copy(*frame.Get(output.value)));
  for (const auto& statement : graph.body.statements) {
    if (statement->op == Op::kNext) {
      result.next.emplace(statement->operands[0]->name, Copy(*frame.Get(statement->operands[1])));
    }
    if (!keep_values) continue;
    for (const auto& value : statement->results) {
      if (!value->name.empty()) result.values.emplace(value->name, Copy(*frame.Get(value.get())));
    }
  }
  return result;
}

namespace {

// As Frame::Run has it: what a region holds at most, beside what is bound to its parameters, and what it leaves.
Size RegionBytes(const Region& region, absl::flat_hash_map<const Value*, int> readers, Size& live) {
  Size peak = live;
  for (const auto& statement : region.statements) {
    for (const Value* operand : statement->operands) ++readers[operand];
  }
  const auto larger = [](Size a, Size b) { return !a.ok() || !b.ok() || a.value() > b.value() ? a : b; };
  for (const auto& statement : region.statements) {
    const Statement& s = *statement;
    if (IsDeclaration(s.op) || s.op == Op::kNext || s.op == Op::kBarrier) continue;
    if (s.op == Op::kFused) {
      absl::flat_hash_map<const Value*, int> yields;
      for (const Value* yield : s.region->yields) ++yields[yield];
      Size inner = live;
      peak = larger(peak, RegionBytes(*s.region, std::move(yields), inner));
    }
    for (const auto& result : s.results) live = live + result->type.bytes();
    peak = larger(peak, live);
    for (const Value* operand : s.operands) {
      const bool computed = operand->definition != nullptr && !IsDeclaration(operand->definition->op);
      if (--readers[operand] == 0 && computed) live = live - operand->type.bytes();
    }
  }
  return peak;
}

}  // namespace

Size InterpreterBytes(const Graph& graph) {
  absl::flat_hash_map<const Value*, int> roots;
  Size declared = 0, results = 0, live = 0;
  for (const Output& output : graph.outputs) {
    ++roots[output.value];
    results = results + output.value->type.bytes();
  }
  for (const auto& statement : graph.body.statements) {
    if (IsDeclaration(statement->op)) declared = declared + statement->result()->type.bytes();
    if (statement->op != Op::kNext) continue;
    ++roots[statement->operands[1]];
    results = results + statement->operands[1]->type.bytes();
  }
  const Size peak = RegionBytes(graph.body, std::move(roots), live);
  // Results are copied out of the frame, and out of their arrays.
  const Size end = live + results, copied = results + results;
  Size most = peak;
  for (const Size size : {end, copied}) {
    if (most.ok() && (!size.ok() || size.value() > most.value())) most = size;
  }
  return declared + most;
}

absl::StatusOr<StepValues> Interpret(const Graph& graph, const NamedTensors& declared) {
  NamedArrays arrays;
  for (const auto& [name, tensor] : declared) arrays.emplace(name, Array::From(tensor, Arithmetic::kNative));
  ASSIGN_OR_RETURN(const StepArrays step, InterpretIn(Arithmetic::kNative, graph, arrays));
  StepValues values;
  for (const auto& [name, array] : step.outputs) values.outputs.emplace(name, array.ToTensor());
  for (const auto& [name, array] : step.next) values.next.emplace(name, array.ToTensor());
  return values;
}

absl::StatusOr<Tensor> InterpretStatement(const Statement& statement, absl::Span<const Tensor* const> operands) {
  std::vector<Array> arrays;
  for (const Tensor* operand : operands) arrays.push_back(Array::From(*operand, Arithmetic::kNative));
  std::vector<const Array*> pointers;
  for (const Array& array : arrays) pointers.push_back(&array);
  Array result(statement.result()->type, Arithmetic::kNative);
  RETURN_IF_ERROR(Evaluate({statement, pointers, result}));
  return result.ToTensor();
}

}  // namespace gradus::ir
