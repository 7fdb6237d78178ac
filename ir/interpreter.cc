#include "ir/interpreter.h"

#include <algorithm>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "ir/control.h"
#include "ir/error.h"
#include "ir/evaluate.h"

namespace gradus::ir {
namespace {

using Shared = std::shared_ptr<const Array>;

// Runs the statements of one region, or of the body of a graph.
class Frame {
 public:
  explicit Frame(Arithmetic arithmetic, const EndWhile* end_while = nullptr)
      : arithmetic_(arithmetic), end_while_(end_while) {}

  void Bind(const Value* value, Shared array) { arrays_[value] = std::move(array); }
  Shared Get(const Value* value) const {
    const auto found = arrays_.find(value);
    CHECK(found != arrays_.end()) << "value " << value->name << " is used before its definition";
    return found->second;
  }

  // Runs every statement but declarations and `next`. Values die with their last reader, which is never for `roots`,
  // or, with keep_all, for any.
  absl::Status Run(const Region& region, absl::Span<const Value* const> roots, bool keep_all) {
    std::vector<const Statement*> statements;
    for (const auto& statement : region.statements) statements.push_back(statement.get());
    return RunStatements(statements, roots, keep_all);
  }

  // The same of those statements alone on which the roots depend.
  absl::Status RunNeeded(const Region& region, absl::Span<const Value* const> roots) {
    return RunStatements(StatementsFor(region, roots), roots, false);
  }

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
      case Op::kScan:
        return RunScan(s);
      case Op::kWhile:
        return RunWhile(s);
      case Op::kBranch:
        return RunBranch(s);
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

 private:
  absl::Status RunStatements(absl::Span<const Statement* const> statements, absl::Span<const Value* const> roots,
                             bool keep_all) {
    absl::flat_hash_map<const Value*, int> readers;
    for (const Statement* statement : statements) {
      for (const Value* operand : statement->operands) ++readers[operand];
    }
    for (const Value* root : roots) ++readers[root];
    for (const Statement* statement : statements) {
      if (IsDeclaration(statement->op) || statement->op == Op::kNext || statement->op == Op::kBarrier) continue;
      RETURN_IF_ERROR(RunStatement(*statement));
      if (keep_all) continue;
      for (const Value* operand : statement->operands) {
        if (--readers[operand] == 0) arrays_.erase(operand);
      }
    }
    return absl::OkStatus();
  }

  // What a region yields where its parameters are bound to these.
  absl::StatusOr<std::vector<Shared>> Yields(const Region& region, absl::Span<const Shared> parameters,
                                             absl::Span<Value* const> wanted) const {
    Frame inner(arithmetic_, end_while_);
    for (size_t i = 0; i < parameters.size(); ++i) inner.Bind(region.parameters[i].get(), parameters[i]);
    RETURN_IF_ERROR(inner.RunNeeded(region, std::vector<const Value*>(wanted.begin(), wanted.end())));
    std::vector<Shared> yields;
    for (const Value* value : wanted) yields.push_back(inner.Get(value));
    return yields;
  }

  std::vector<Shared> Operands(const Statement& s, size_t first) const {
    std::vector<Shared> operands;
    for (size_t i = first; i < s.operands.size(); ++i) operands.push_back(Get(s.operands[i]));
    return operands;
  }

  absl::Status RunRegion(const Statement& s) {
    ASSIGN_OR_RETURN(const std::vector<Shared> yields, Yields(*s.region, Operands(s, 0), s.region->yields));
    for (size_t i = 0; i < s.results.size(); ++i) Bind(s.results[i].get(), yields[i]);
    return absl::OkStatus();
  }

  absl::Status RunScan(const Statement& s) {
    const ScanView scan(s);
    const std::vector<Shared> operands = Operands(s, 0);
    std::vector<Shared> parameters = operands;
    std::vector<std::shared_ptr<Array>> stacked;
    for (size_t i = 0; i < scan.stacked; ++i)
      stacked.push_back(std::make_shared<Array>(s.results[i]->type, arithmetic_));
    for (int64_t step = 0; step < scan.length; ++step) {
      const int64_t index = scan.reverse ? scan.length - 1 - step : step;
      for (size_t i = 0; i < scan.sequences; ++i) {
        auto slice = std::make_shared<Array>(SliceOf(operands[i]->type()), arithmetic_);
        std::copy_n(operands[i]->bytes() + index * slice->byte_size(), slice->byte_size(), slice->bytes());
        parameters[i] = std::move(slice);
      }
      ASSIGN_OR_RETURN(const std::vector<Shared> yields, Yields(*s.region, parameters, s.region->yields));
      for (size_t i = 0; i < scan.stacked; ++i) {
        std::copy_n(yields[i]->bytes(), yields[i]->byte_size(), stacked[i]->bytes() + index * yields[i]->byte_size());
      }
      for (size_t i = 0; i < scan.carries; ++i) parameters[scan.sequences + i] = yields[scan.stacked + i];
    }
    for (size_t i = 0; i < scan.stacked; ++i) Bind(s.results[i].get(), stacked[i]);
    for (size_t i = 0; i < scan.carries; ++i) {
      Bind(s.results[scan.stacked + i].get(), parameters[scan.sequences + i]);
    }
    return absl::OkStatus();
  }

  absl::Status RunWhile(const Statement& s) {
    std::vector<Shared> parameters = Operands(s, 0);
    const absl::Span<Value* const> yields = s.region->yields;
    while (true) {
      ASSIGN_OR_RETURN(const std::vector<Shared> until, Yields(*s.region, parameters, yields.first(1)));
      if (until[0]->data<bool>()[0]) break;
      if (end_while_ != nullptr && *end_while_ && (*end_while_)()) {
        return absl::AbortedError(absl::StrCat("while (", s.result()->name, ") had not ended when it was stopped"));
      }
      ASSIGN_OR_RETURN(const std::vector<Shared> next, Yields(*s.region, parameters, yields.subspan(1)));
      std::copy(next.begin(), next.end(), parameters.begin());
    }
    for (size_t i = 0; i < s.results.size(); ++i) Bind(s.results[i].get(), parameters[i]);
    return absl::OkStatus();
  }

  absl::Status RunBranch(const Statement& s) {
    if (Get(s.operands[0])->data<bool>()[0]) {
      ASSIGN_OR_RETURN(const std::vector<Shared> yields, Yields(*s.region, Operands(s, 1), s.region->yields));
      for (size_t i = 0; i < s.results.size(); ++i) Bind(s.results[i].get(), yields[i]);
      return absl::OkStatus();
    }
    for (const auto& result : s.results) {
      auto zeros = std::make_shared<Array>(result->type, arithmetic_);
      std::fill_n(zeros->bytes(), zeros->byte_size(), std::byte{0});
      Bind(result.get(), std::move(zeros));
    }
    return absl::OkStatus();
  }

  Arithmetic arithmetic_;
  const EndWhile* end_while_;
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

std::vector<const Statement*> StatementsFor(const Region& region, absl::Span<const Value* const> roots) {
  absl::flat_hash_set<const Value*> needed(roots.begin(), roots.end());
  std::vector<const Statement*> statements;
  for (auto it = region.statements.rbegin(); it != region.statements.rend(); ++it) {
    const Statement& s = **it;
    if (std::none_of(s.results.begin(), s.results.end(), [&](const auto& r) { return needed.contains(r.get()); }))
      continue;
    needed.insert(s.operands.begin(), s.operands.end());
    statements.push_back(&s);
  }
  std::reverse(statements.begin(), statements.end());
  return statements;
}

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
                                       bool keep_values, const EndWhile& end_while) {
  Frame frame(arithmetic, &end_while);
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

absl::StatusOr<std::vector<Array>> InterpretControl(Arithmetic arithmetic, const Statement& statement,
                                                    absl::Span<const Array* const> operands) {
  Frame frame(arithmetic);
  for (size_t i = 0; i < operands.size(); ++i) frame.Bind(statement.operands[i], Borrow(*operands[i]));
  RETURN_IF_ERROR(frame.RunStatement(statement));
  std::vector<Array> results;
  for (const auto& result : statement.results) results.push_back(Copy(*frame.Get(result.get())));
  return results;
}

namespace {

Size ResultBytes(const Statement& s) {
  Size bytes = 0;
  for (const auto& result : s.results) bytes = bytes + result->type.bytes();
  return bytes;
}

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
    const bool loops = s.op == Op::kScan || s.op == Op::kWhile;  // their results stand while the region runs
    if (loops) live = live + ResultBytes(s);
    if (loops || s.op == Op::kFused || s.op == Op::kBranch) {
      absl::flat_hash_map<const Value*, int> yields;
      for (const Value* yield : s.region->yields) ++yields[yield];
      Size inner = live;
      // Slices, and carries that are neither the operands nor the results.
      for (size_t i = 0; loops && i < RegionOperandsOf(s).first_capture; ++i) {
        inner = inner + s.region->parameters[i]->type.bytes();
      }
      peak = larger(peak, RegionBytes(*s.region, std::move(yields), inner));
    }
    if (!loops) live = live + ResultBytes(s);
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

absl::StatusOr<StepValues> Interpret(const Graph& graph, const NamedTensors& declared, const EndWhile& end_while) {
  NamedArrays arrays;
  for (const auto& [name, tensor] : declared) arrays.emplace(name, Array::From(tensor, Arithmetic::kNative));
  ASSIGN_OR_RETURN(const StepArrays step, InterpretIn(Arithmetic::kNative, graph, arrays, false, end_while));
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
