#include "runtime/gradient_trace.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/control.h"
#include "ir/interpreter.h"

namespace gradus::runtime {
namespace {

using ir::Op;
using ir::Statement;
using ir::Value;

// Whether the values decide what runs.
bool Decides(const Statement& s) {
  if (s.op == Op::kWhile || s.op == Op::kBranch) return true;
  return s.op == Op::kScan && std::any_of(s.region->statements.begin(), s.region->statements.end(),
                                          [](const auto& inner) { return Decides(*inner); });
}

std::vector<const Statement*> NeededFor(const ir::Region& region) {
  return ir::StatementsFor(region, std::vector<const Value*>(region.yields.begin(), region.yields.end()));
}

class Tracer {
 public:
  explicit Tracer(const ValueArrays& declared) : declared_(declared), builder_(trace_.graph.body) {}

  absl::StatusOr<Trace> Run(absl::Span<const Statement* const> statements) {
    decides_ = std::any_of(statements.begin(), statements.end(), [](const Statement* s) { return Decides(*s); });
    RETURN_IF_ERROR(Steps(statements, trace_.top));
    return std::move(trace_);
  }

 private:
  absl::Status Steps(absl::Span<const Statement* const> statements, TracedStep& step) {
    for (const Statement* s : statements) {
      if (s->op == Op::kScan) {
        RETURN_IF_ERROR(Scan(*s, step));
      } else if (s->op == Op::kWhile) {
        RETURN_IF_ERROR(While(*s, step));
      } else if (s->op == Op::kBranch) {
        RETURN_IF_ERROR(Branch(*s, step));
      } else {
        RETURN_IF_ERROR(Plain(*s, step));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Plain(const Statement& s, TracedStep& step) {
    auto copy = std::make_unique<Statement>();
    copy->op = s.op;
    for (const Value* operand : s.operands) copy->operands.push_back(step.values.at(operand));
    copy->attributes = s.attributes;  // the body of a custom vjp is nothing that runs
    copy->literal = s.literal;
    copy->section = s.section;
    copy->note = s.note;
    copy->results.push_back(std::make_unique<Value>(*s.result()));
    const Statement* added = builder_.Append(std::move(copy));
    step.values[s.result()] = added->result();
    if (ir::IsDeclaration(s.op)) trace_.declared[added->result()] = declared_.at(s.result());
    return Added(*added, false);
  }

  absl::Status Added(const Statement& s, bool helper) {
    if (place_ != nullptr) trace_.places[&s] = {place_, helper};
    if (!decides_) return absl::OkStatus();
    if (ir::IsDeclaration(s.op)) {
      values_[s.result()] = trace_.declared.at(s.result());
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(values_[s.result()], ValueInDouble(s, values_));
    return absl::OkStatus();
  }

  // A statement that the program has not: of the loop itself.
  absl::StatusOr<Statement*> Help(Op op, std::vector<Value*> operands, std::vector<ir::AttributeValue> attributes,
                                  const std::string& name = "") {
    Value* value = builder_.Emit(op, std::move(operands), std::move(attributes));
    value->name = name;
    RETURN_IF_ERROR(Added(*value->definition, true));
    return value->definition;
  }
  absl::StatusOr<Statement*> Copy(Value* value, const std::string& name) {
    return Help(Op::kReshape, {value}, {value->type.shape}, name);
  }

  // Everything added from here on belongs to the loop, until Leave.
  void Enter(const Statement& loop) {
    trace_.nesting.push_back({&loop, place_});
    place_ = &trace_.nesting.back();
    Speak(loop);
  }
  void Leave() { place_ = place_->outer; }
  void Speak(const Statement& loop) {
    ir::Note note = loop.note;
    note.aliases.clear();
    builder_.SetNote(std::move(note));
    builder_.SetSection(loop.section);
  }

  absl::Status Scan(const Statement& s, TracedStep& around) {
    const ir::ScanView scan(s);
    const std::vector<const Statement*> body = NeededFor(*s.region);
    auto loop = std::make_unique<TracedLoop>();
    loop->steps.resize(static_cast<size_t>(scan.length));
    loop->entries.resize(s.operands.size());
    Enter(s);
    std::vector<std::vector<Value*>> stacks(scan.stacked, std::vector<Value*>(loop->steps.size()));
    std::vector<Value*> carried;
    for (size_t i = 0; i < scan.carries; ++i) {
      const size_t operand = scan.sequences + i;
      ASSIGN_OR_RETURN(const Statement* first,
                       Copy(around.values.at(s.operands[operand]), s.region->parameters[operand]->name));
      loop->entries[operand] = {first};
      carried.push_back(first->result());
    }
    for (int64_t number = 0; number < scan.length; ++number) {
      const int64_t index = scan.reverse ? scan.length - 1 - number : number;
      TracedStep& step = loop->steps[static_cast<size_t>(index)];
      step.yields.resize(s.region->yields.size());
      Speak(s);
      for (size_t i = 0; i < s.operands.size(); ++i) {
        const Value* parameter = s.region->parameters[i].get();
        const bool carry = i >= scan.sequences && i < scan.sequences + scan.carries;
        if (carry) {
          step.values[parameter] = carried[i - scan.sequences];
          continue;
        }
        Value* operand = around.values.at(s.operands[i]);
        if (i < scan.sequences) {
          ir::Ints start(operand->type.shape.size(), 0), limit = operand->type.shape;
          start[0] = index;
          limit[0] = index + 1;
          ASSIGN_OR_RETURN(const Statement* part,
                           Help(Op::kSlice, {operand}, {start, limit, ir::Ints(limit.size(), 1)}));
          loop->entries[i].push_back(part);
          ASSIGN_OR_RETURN(part, Help(Op::kReshape, {part->result()}, {parameter->type.shape}, parameter->name));
          step.values[parameter] = part->result();
        } else {
          ASSIGN_OR_RETURN(const Statement* copy, Copy(operand, parameter->name));
          loop->entries[i].push_back(copy);
          step.values[parameter] = copy->result();
        }
      }
      RETURN_IF_ERROR(Steps(body, step));
      Speak(s);
      for (size_t i = 0; i < s.region->yields.size(); ++i) {
        Value* yield = step.values.at(s.region->yields[i]);
        if (i < scan.stacked) {
          ir::Shape shape = yield->type.shape;
          shape.insert(shape.begin(), 1);
          ASSIGN_OR_RETURN(step.yields[i], Help(Op::kReshape, {yield}, {shape}));
          stacks[i][static_cast<size_t>(index)] = step.yields[i]->result();
        } else {
          const Value* carry = s.region->parameters[scan.sequences + i - scan.stacked].get();
          ASSIGN_OR_RETURN(step.yields[i], Copy(yield, carry->name));
        }
      }
      for (size_t i = 0; i < scan.carries; ++i) carried[i] = step.yields[scan.stacked + i]->result();
    }
    for (size_t i = 0; i < scan.stacked; ++i) {
      ASSIGN_OR_RETURN(const Statement* stack, Help(Op::kConcat, stacks[i], {int64_t{0}}, s.results[i]->name));
      around.values[s.results[i].get()] = stack->result();
    }
    for (size_t i = 0; i < scan.carries; ++i) {
      const Value* result = s.results[scan.stacked + i].get();
      ASSIGN_OR_RETURN(const Statement* last, Copy(carried[i], result->name));
      around.values[result] = last->result();
    }
    Finish(s, std::move(loop), around);
    return absl::OkStatus();
  }

  absl::Status Branch(const Statement& s, TracedStep& around) {
    auto loop = std::make_unique<TracedLoop>();
    loop->entries.resize(s.operands.size());
    Enter(s);
    Value* predicate = around.values.at(s.operands[0]);
    const bool taken = values_.at(predicate)->data<bool>()[0];
    if (taken) {
      TracedStep& step = loop->steps.emplace_back();
      for (size_t i = 1; i < s.operands.size(); ++i) {
        const Value* parameter = ir::ParameterOf(s, i);
        ASSIGN_OR_RETURN(const Statement* copy, Copy(around.values.at(s.operands[i]), parameter->name));
        loop->entries[i] = {copy};
        step.values[parameter] = copy->result();
      }
      RETURN_IF_ERROR(Steps(NeededFor(*s.region), step));
      Speak(s);
    }
    for (size_t i = 0; i < s.results.size(); ++i) {
      const ir::Type& type = s.results[i]->type;
      ASSIGN_OR_RETURN(Value * zeros, Constant(ir::Tensor(type)));
      Value* value = taken ? loop->steps[0].values.at(s.region->yields[i]) : zeros;
      ASSIGN_OR_RETURN(const Statement* chosen, Help(Op::kSelect, {predicate, value, zeros}, {}, s.results[i]->name));
      if (taken) loop->steps[0].yields.push_back(chosen);
      around.values[s.results[i].get()] = chosen->result();
    }
    Finish(s, std::move(loop), around);
    return absl::OkStatus();
  }

  absl::Status While(const Statement& s, TracedStep& around) {
    std::vector<const ir::Array*> operands;
    for (const Value* operand : s.operands) operands.push_back(values_.at(around.values.at(operand)).get());
    ASSIGN_OR_RETURN(const std::vector<ir::Array> results, ir::InterpretControl(ir::Arithmetic::kDouble, s, operands));
    Enter(s);
    for (size_t i = 0; i < s.results.size(); ++i) {
      ASSIGN_OR_RETURN(Value * value, Constant(results[i].ToTensor()));
      value->name = s.results[i]->name;
      around.values[s.results[i].get()] = value;
    }
    Leave();
    return absl::OkStatus();
  }

  absl::StatusOr<Value*> Constant(ir::Tensor tensor) {
    Value* value = builder_.Constant(std::move(tensor));
    RETURN_IF_ERROR(Added(*value->definition, true));
    return value;
  }

  void Finish(const Statement& s, std::unique_ptr<TracedLoop> loop, TracedStep& around) {
    loop->last = trace_.graph.body.statements.back().get();
    around.loops[&s] = std::move(loop);
    Leave();
  }

  const ValueArrays& declared_;
  Trace trace_;
  ir::Builder builder_;
  const LoopPlace* place_ = nullptr;
  bool decides_ = false;
  ValueArrays values_;  // where they decide
};

}  // namespace

absl::StatusOr<Trace> TraceAt(absl::Span<const Statement* const> statements, const ValueArrays& declared) {
  return Tracer(declared).Run(statements);
}

}  // namespace gradus::runtime
