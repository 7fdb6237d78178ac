// `scan`, and what all loops and branches share: each becomes a statement with a region that captures what it reads of
// the values outside.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "frontend/lowering.h"
#include "ir/control.h"
#include "ir/infer.h"

namespace gradus::frontend {

ir::Value* Lowering::RegionParameter(std::vector<std::unique_ptr<ir::Value>>& parameters, const std::string& name,
                                     const ir::Type& type, SourceRange where) {
  parameters.push_back(std::make_unique<ir::Value>(ir::Value{.type = type, .name = names_.Unique(name)}));
  ir::Value* parameter = parameters.back().get();
  level_[parameter] = regions_.size();
  serial_[parameter] = -1;
  defined_[parameter] = UserPlace(where);
  return parameter;
}

// Executes the block of a loop or a branch: its statements go to the region of `statement`. Values of the region have
// names of their own, so the scope has no prefix.
bool Lowering::InRegion(ir::Statement& statement, LoopScope& loop, const std::function<void(Scope&)>& body) {
  const size_t errors = diagnostics_.size();
  statement.region = std::make_unique<ir::Region>();
  ir::Builder outer = builder_;
  builder_ = ir::Builder(*statement.region);
  builder_.SetSection("");
  ir::NameTable outer_names = std::exchange(names_, ir::NameTable());
  regions_.push_back({&statement, statement.region.get(), {}, nullptr});
  {
    Scope& scope = kept_scopes_.emplace_back();
    scope.parent = scope_;
    scope.unit = scope_->unit;
    scope.loop = &loop;
    Restore in_scope(scope_, &scope);
    Restore name(statement_name_, std::string());
    Restore in_function(in_function_, true);
    Restore returned(returned_, Item(None()));
    body(scope);
  }
  loop.index = std::move(regions_.back().index);
  regions_.pop_back();
  names_ = std::move(outer_names);
  builder_ = outer;
  return diagnostics_.size() == errors;
}

void Lowering::ExecuteBody(const ast::Block& block, absl::string_view what) {
  for (const ast::Statement& statement : block) {
    if (!ExecuteStatement(statement)) continue;
    Error(ErrorKind::kMisplacedStatement, statement.range,
          absl::StrCat("return cannot leave ", what, "; yield gives a value"));
    return;
  }
}

void Lowering::ExecuteYield(const ast::Yield& yield, SourceRange where) {
  LoopScope* loop = scope_->loop;
  if (loop == nullptr || !loop->may_yield) {
    Error(ErrorKind::kMisplacedStatement, where,
          loop == nullptr ? "yield belongs into scan or cond"
                          : "a while gives its carried values alone; yield belongs into scan or cond");
    return;
  }
  if (loop->yielded) {
    Error(ErrorKind::kMisplacedStatement, where, "there is a yield already; yield a, b gives two values");
    return;
  }
  loop->yielded = true;
  for (const ast::ExpressionPtr& value : yield.values) {
    loop->yields.push_back(Evaluate(*value));
    loop->places.push_back(value->range);
  }
}

std::string Lowering::BeginAsFloat(const LoopScope::Carry& carry) {
  return absl::StrCat("a whole number begins an integer; carry ", carry.name.text, " = 0.0 begins a float");
}

// The carry of a loop around that `value` is in its body; null: it is none that began with a whole number.
const LoopScope::Carry* Lowering::WholeCarry(const ir::Value& value) const {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    if (scope->loop == nullptr) continue;
    for (const LoopScope::Carry& carry : scope->loop->carries) {
      if (carry.whole && value.definition == nullptr && value.name == carry.name.text) return &carry;
    }
  }
  return nullptr;
}

// Whether `next` is one of a loop: that of a carried value, or one that cannot stand there.
bool Lowering::ExecuteLoopNext(const ast::Next& next) {
  if (scope_->loop != nullptr) {
    for (LoopScope::Carry& carry : scope_->loop->carries) {
      if (carry.name.text != next.name.text) continue;
      const Item item = Evaluate(*next.value);
      ir::Value* value = AsTensor(item, next.value->range, carry.type.element);
      if (value == nullptr) {
        carry.failed = true;
        return true;
      }
      if (item.As<Number>() != nullptr && carry.type.rank() > 0) {
        value = Emit(Op::kBroadcast, {value}, {carry.type.shape});
      }
      if (value->type != carry.type) {
        Diagnostic& error = WithOperands(
            Error(ErrorKind::kLoopCarry, next.value->range,
                  absl::StrCat(next.name.text, " begins as ", ir::ToString(carry.type), ", but its next value is ",
                               ir::ToString(value->type), ": what a loop carries keeps its type")),
            {value});
        error.Note("it begins", carry.initial);
        if (carry.whole && ir::IsFloat(value->type.element)) error.Help(BeginAsFloat(carry));
        carry.failed = true;
      } else if (carry.next != nullptr) {
        Error(ErrorKind::kLoopCarry, next.name.range, absl::StrCat(next.name.text, " has a next already"))
            .Note("the first stands", carry.place);
      } else {
        carry.next = value;
        carry.place = next.name.range;
      }
      return true;
    }
  }
  const auto is_loop = [](const RegionContext& context) { return context.statement->op != Op::kCustomVjp; };
  if (std::none_of(regions_.begin(), regions_.end(), is_loop)) return false;
  for (const Scope* scope = scope_->parent; scope != nullptr; scope = scope->parent) {
    if (scope->loop == nullptr) continue;
    for (const LoopScope::Carry& carry : scope->loop->carries) {
      if (carry.name.text != next.name.text) continue;
      Error(ErrorKind::kNextInLoop, next.name.range,
            absl::StrCat(next.name.text, " is carried by the loop around this block"))
          .Help(absl::StrCat("bind what the block gives, and write next ", next.name.text, " = … behind it"));
      return true;
    }
  }
  Error(ErrorKind::kNextInLoop, next.name.range,
        absl::StrCat("next ", next.name.text, " stands inside a loop or a branch, which carries no ", next.name.text))
      .Help("carry it through the loop, and give the state its next value behind it");
  return true;
}

bool Lowering::EvaluateCarries(const std::vector<ast::Carry>& carries, LoopScope& loop,
                               std::vector<ir::Value*>& initial) {
  bool ok = true;
  for (const ast::Carry& carry : carries) {
    const Item item = Evaluate(*carry.initial);
    ir::Value* value = AsTensor(item, carry.initial->range);
    if (value != nullptr) value = Import(value);
    ok = ok && value != nullptr;
    for (const LoopScope::Carry& other : loop.carries) {
      if (other.name.text != carry.name.text) continue;
      Error(ErrorKind::kDeclaredTwice, carry.name.range, absl::StrCat(carry.name.text, " is carried twice"));
      ok = false;
    }
    initial.push_back(value);
    loop.carries.push_back(
        {.name = carry.name,
         .type = value == nullptr ? ir::Type() : value->type,
         .initial = carry.initial->range,
         .whole = value != nullptr && item.As<Number>() != nullptr && ir::IsInteger(value->type.element)});
  }
  return ok;
}

bool Lowering::CheckNexts(const LoopScope& loop) {
  for (const LoopScope::Carry& carry : loop.carries) {
    if (carry.next != nullptr || carry.failed) continue;
    Error(ErrorKind::kLoopCarry, carry.name.range, absl::StrCat(carry.name.text, " has no next value"))
        .Help(absl::StrCat("write next ", carry.name.text, " = … in the block; next ", carry.name.text, " = ",
                           carry.name.text, " keeps it"));
  }
  return std::all_of(loop.carries.begin(), loop.carries.end(), [](const auto& c) { return c.next != nullptr; });
}

// Puts parameters before the captures that the body added, types the results and appends the statement.
std::vector<ir::Value*> Lowering::AppendLoop(std::unique_ptr<ir::Statement> statement,
                                             std::vector<std::unique_ptr<ir::Value>> parameters,
                                             std::vector<ir::Value*> operands, SourceRange where) {
  ir::Region& region = *statement->region;
  region.parameters.insert(region.parameters.begin(), std::make_move_iterator(parameters.begin()),
                           std::make_move_iterator(parameters.end()));
  for (size_t i = 0; i < region.parameters.size(); ++i) region.parameters[i]->index = static_cast<int>(i);
  statement->operands.insert(statement->operands.begin(), operands.begin(), operands.end());
  statement->note = NoteAt(where);
  statement->section = builder_.section();
  auto types = ir::InferTypes(*statement);
  if (!types.ok()) {
    Error(where, types.status());
    return {};
  }
  for (ir::Type& type : *types) {
    statement->results.push_back(std::make_unique<ir::Value>(ir::Value{.type = std::move(type)}));
  }
  ir::Statement* added = builder_.Append(std::move(statement));
  std::vector<ir::Value*> results;
  for (const auto& result : added->results) {
    Added(result.get());
    results.push_back(result.get());
  }
  return results;
}

ir::Value* Lowering::MoveAxis(ir::Value* value, int64_t from, int64_t to) {
  if (value == nullptr || from == to) return value;
  ir::Ints axes;
  for (int64_t i = 0; i < value->type.rank(); ++i) {
    if (i != from) axes.push_back(i);
  }
  axes.insert(axes.begin() + to, from);
  return Emit(Op::kTranspose, {value}, {axes});
}

Item Lowering::EvaluateScan(const ast::Scan& scan, SourceRange range) {
  const size_t errors = diagnostics_.size();
  if (scan.variables.size() != scan.lists.size()) {
    return Fail(ErrorKind::kUnpack, scan.variables.back().range,
                absl::StrCat("a scan names an item of each of its sequences: ", scan.variables.size(), " names for ",
                             scan.lists.size(), scan.lists.size() == 1 ? " sequence" : " sequences"));
  }
  std::vector<ir::Value*> sequences, given;
  absl::optional<int64_t> length, first_axis;
  const Item axis_item = scan.axis == nullptr ? Item(Number::Integer(0)) : Evaluate(*scan.axis);
  for (const ast::ExpressionPtr& list : scan.lists) {
    ir::Value* value = AsTensor(Evaluate(*list), list->range);
    if (value == nullptr || axis_item.poisoned()) continue;
    const auto axis = Axis(axis_item, value->type.rank(), scan.axis == nullptr ? list->range : scan.axis->range);
    if (!axis) continue;
    const int64_t extent = value->type.shape[static_cast<size_t>(*axis)];
    if (!first_axis) first_axis = *axis;
    if (!length) length = extent;
    given.push_back(value);
    if (extent != *length) {
      WithOperands(Error(ErrorKind::kScanExtent, list->range,
                         absl::StrCat("a scan walks along all its sequences at once, but this one has ", extent,
                                      " items along axis ", *axis, " and the first has ", *length)),
                   given);
    }
    value = MoveAxis(value, *axis, 0);
    if (value != nullptr) sequences.push_back(Import(value));
  }
  if (scan.length != nullptr) {
    length = AsInteger(Evaluate(*scan.length), scan.length->range, "the length of a scan");
    if (length && *length < 1) {
      Error(ErrorKind::kExtentTooSmall, scan.length->range,
            absl::StrCat("the length of a scan must be at least 1, found ", *length));
    }
  }
  absl::optional<int64_t> every;
  if (scan.checkpoint_every != nullptr) {
    every = AsInteger(Evaluate(*scan.checkpoint_every), scan.checkpoint_every->range, "checkpoint every");
    if (every && *every < 1) {
      Error(ErrorKind::kExtentTooSmall, scan.checkpoint_every->range,
            absl::StrCat("a scan is checkpointed every 1 or more steps, found ", *every));
    }
  }
  LoopScope loop;
  std::vector<ir::Value*> initial;
  if (!EvaluateCarries(scan.carries, loop, initial) || diagnostics_.size() != errors ||
      sequences.size() != scan.lists.size() || !length) {
    return Poison();
  }
  auto statement = std::make_unique<ir::Statement>();
  statement->op = Op::kScan;
  std::vector<std::unique_ptr<ir::Value>> slices, carries;
  std::vector<ir::Value*> yields;
  const bool ok = InRegion(*statement, loop, [&](Scope& scope) {
    for (size_t i = 0; i < sequences.size(); ++i) {
      const ast::Identifier& name = scan.variables[i];
      ir::Value* slice = RegionParameter(slices, name.text, ir::SliceOf(sequences[i]->type), name.range);
      if (!scope.names.insert({name.text, {TensorItem{slice}, name.range, false}}).second) {
        Error(ErrorKind::kDeclaredTwice, name.range, absl::StrCat(name.text, " is declared already"));
      }
    }
    for (size_t i = 0; i < initial.size(); ++i) {
      const ast::Identifier& name = scan.carries[i].name;
      ir::Value* carry = RegionParameter(carries, name.text, initial[i]->type, name.range);
      if (!scope.names.insert({name.text, {TensorItem{carry}, name.range, false}}).second) {
        Error(ErrorKind::kDeclaredTwice, name.range, absl::StrCat(name.text, " is declared already"));
      }
    }
    ExecuteBody(scan.body, "a scan");
    for (size_t i = 0; i < loop.yields.size(); ++i) {
      ir::Value* value = AsTensor(loop.yields[i], loop.places[i]);
      if (value != nullptr) yields.push_back(Import(value));
    }
    if (!CheckNexts(loop) || yields.size() != loop.yields.size()) return;
    statement->region->yields = yields;
    for (const LoopScope::Carry& carry : loop.carries) statement->region->yields.push_back(Import(carry.next));
  });
  if (!ok || statement->region->yields.size() != yields.size() + initial.size()) return Poison();
  if (statement->region->yields.empty()) {
    return Fail(ErrorKind::kRegionYield, range, "this scan gives nothing: it yields no value and carries none");
  }
  if (loop.index != nullptr) {
    slices.push_back(std::move(loop.index));
    sequences.push_back(Emit(Op::kIota, {}, {ir::Ints{*length}, int64_t{0}, ir::DType::kI64}));
  }
  std::vector<std::unique_ptr<ir::Value>> parameters = std::move(slices);
  parameters.insert(parameters.end(), std::make_move_iterator(carries.begin()), std::make_move_iterator(carries.end()));
  std::vector<ir::Value*> operands = sequences;
  operands.insert(operands.end(), initial.begin(), initial.end());
  statement->attributes = {*length, static_cast<int64_t>(sequences.size()), static_cast<int64_t>(initial.size()),
                           int64_t{scan.reverse}, int64_t{0}};
  std::vector<ir::Value*> results =
      every && *every < *length
          ? AppendCheckpointed(std::move(statement), std::move(parameters), std::move(operands), *every, range)
          : AppendLoop(std::move(statement), std::move(parameters), std::move(operands), range);
  if (results.empty()) return Poison();
  std::vector<Item> items;
  for (size_t i = 0; i < results.size(); ++i) {
    ir::Value* value = results[i];
    if (i < yields.size()) {
      const int64_t axis = std::min(first_axis.value_or(0), value->type.rank() - 1);
      if (axis > 0 && value->name.empty()) {
        value->name = names_.Unique(absl::StrCat(statement_name_, statement_name_.empty() ? "" : ".", "steps"));
      }
      value = MoveAxis(value, 0, axis);
    }
    if (value == nullptr) return Poison();
    items.push_back(TensorItem{value});
  }
  return OneOrList(std::move(items));
}

// A scan of `every` steps inside a scan of chunks whose gradient runs them again, and one for what is left. Stacked
// values and carries are those of the plain scan.
std::vector<ir::Value*> Lowering::AppendCheckpointed(std::unique_ptr<ir::Statement> steps,
                                                     std::vector<std::unique_ptr<ir::Value>> parameters,
                                                     std::vector<ir::Value*> operands, int64_t every,
                                                     SourceRange where) {
  const int64_t length = steps->Int("length"), chunks = length / every, whole = chunks * every;
  const bool reverse = steps->Int("reverse") != 0;
  const auto sequences = static_cast<size_t>(steps->Int("sequences"));
  const auto carries = static_cast<size_t>(steps->Int("carries"));
  const size_t stacked = steps->region->yields.size() - carries;
  // The walk ends in what is left over: at the end, or in reverse at the beginning.
  const int64_t first = reverse ? length - whole : 0;
  const auto part = [&](ir::Value* value, int64_t begin, int64_t end) {
    ir::Ints start(value->type.shape.size(), 0), limit = value->type.shape, stride(value->type.shape.size(), 1);
    start[0] = begin;
    limit[0] = end;
    return begin == 0 && end == value->type.shape[0] ? value : Emit(Op::kSlice, {value}, {start, limit, stride});
  };
  const std::vector<ir::Value*> captures = steps->operands;
  std::unique_ptr<ir::Statement> rest;
  std::vector<std::unique_ptr<ir::Value>> rest_parameters;
  if (whole < length) {
    steps->region->parameters.insert(steps->region->parameters.begin(), std::make_move_iterator(parameters.begin()),
                                     std::make_move_iterator(parameters.end()));
    ir::ValueMap map;
    rest = ir::CloneStatement(*steps, map);
    const auto split = [&](ir::Region& region) {
      std::vector<std::unique_ptr<ir::Value>> head;
      const auto end = region.parameters.begin() + static_cast<int64_t>(sequences + carries);
      head.insert(head.end(), std::make_move_iterator(region.parameters.begin()), std::make_move_iterator(end));
      region.parameters.erase(region.parameters.begin(), end);
      return head;
    };
    rest_parameters = split(*rest->region);
    parameters = split(*steps->region);
    rest->Set("length", length - whole);
  }
  steps->Set("length", every);
  // The chunks.
  auto outer = std::make_unique<ir::Statement>();
  outer->op = Op::kScan;
  outer->attributes = {chunks, static_cast<int64_t>(sequences), static_cast<int64_t>(carries), int64_t{reverse},
                       int64_t{1}};
  std::vector<ir::Value*> outer_operands;
  for (size_t i = 0; i < sequences; ++i) {
    ir::Value* value = part(operands[i], first, first + whole);
    ir::Shape shape = value->type.shape;
    shape[0] = every;
    shape.insert(shape.begin(), chunks);
    outer_operands.push_back(Emit(Op::kReshape, {value}, {shape}));
  }
  outer_operands.insert(outer_operands.end(), operands.begin() + static_cast<int64_t>(sequences), operands.end());
  LoopScope loop;
  std::vector<std::unique_ptr<ir::Value>> outer_parameters;
  InRegion(*outer, loop, [&](Scope&) {
    std::vector<ir::Value*> inner_operands;
    for (size_t i = 0; i < parameters.size(); ++i) {
      ir::Type type = parameters[i]->type;
      if (i < sequences) type = ir::StackOf(every, type);
      const std::string name =
          i < sequences ? absl::StrCat(parameters[i]->name, "_chunk") : absl::StrCat(parameters[i]->name, "_first");
      inner_operands.push_back(RegionParameter(outer_parameters, name, type, where));
    }
    for (ir::Value*& capture : steps->operands) capture = Import(capture);
    outer->region->yields = AppendLoop(std::move(steps), std::move(parameters), std::move(inner_operands), where);
  });
  std::vector<ir::Value*> results =
      AppendLoop(std::move(outer), std::move(outer_parameters), std::move(outer_operands), where);
  if (results.empty()) return results;
  for (size_t i = 0; i < stacked; ++i) {
    ir::Shape shape = results[i]->type.shape;
    shape.erase(shape.begin());
    shape[0] = whole;
    results[i] = Emit(Op::kReshape, {results[i]}, {shape});
  }
  if (rest == nullptr) return results;
  std::vector<ir::Value*> rest_operands;
  for (size_t i = 0; i < sequences; ++i) {
    rest_operands.push_back(reverse ? part(operands[i], 0, first) : part(operands[i], whole, length));
  }
  rest_operands.insert(rest_operands.end(), results.begin() + static_cast<int64_t>(stacked), results.end());
  const std::vector<ir::Value*> last =
      AppendLoop(std::move(rest), std::move(rest_parameters), std::move(rest_operands), where);
  if (last.empty()) return last;
  for (size_t i = 0; i < stacked; ++i) {
    const std::vector<ir::Value*> both =
        reverse ? std::vector<ir::Value*>{last[i], results[i]} : std::vector<ir::Value*>{results[i], last[i]};
    results[i] = Emit(Op::kConcat, both, {int64_t{0}});
  }
  std::copy(last.begin() + static_cast<int64_t>(stacked), last.end(), results.begin() + static_cast<int64_t>(stacked));
  return results;
}

}  // namespace gradus::frontend
