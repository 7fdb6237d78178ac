// The gradient of a scan is a scan in the other direction, that of a branch a branch.
//
// y, cT = scan x in xs carry c = c0 capture w { …; next c = c1; yield y }, with the adjoints d.y and d.cT:
//
//   d.xs, …, d.c0, d.w = scan d.y, x, … in d.ys, xs, … reverse carry d.c = d.cT, d.w = 0 capture w { … }
//
// whose body is the gradient of the body. What it reads of the forward body is passed again (slices, captures),
// computed again where that costs nothing, or kept: a further value that the forward scan stacks. The gradient of a
// scan with `recompute` keeps the carries alone and has the forward body in its own. The adjoint of a capture that a
// Dot reads is one contraction over all steps, of the adjoints that the reverse scan stacks; that of any other capture
// is carried.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/infer.h"
#include "passes/differentiator.h"
#include "passes/gradient_rules.h"

namespace gradus::passes {

using ir::Expr;
using ir::Op;
using ir::Statement;
using ir::Value;

namespace {

// Costs less than keeping its result: it moves nothing larger than what it reads, or reads nothing.
bool IsFree(const Statement& s) {
  if (s.results.size() != 1 || s.region != nullptr) return false;
  switch (s.op) {
    case Op::kConstant:
    case Op::kIota:
    case Op::kBroadcast:
    case Op::kReshape:
    case Op::kTranspose:
      return true;
    default:
      return false;
  }
}

// Removes what the yields of a region do not need.
void KeepNeeded(ir::Region& region) {
  absl::flat_hash_set<const Value*> needed(region.yields.begin(), region.yields.end());
  absl::flat_hash_set<const Statement*> kept;
  for (auto it = region.statements.rbegin(); it != region.statements.rend(); ++it) {
    const Statement& s = **it;
    if (std::none_of(s.results.begin(), s.results.end(), [&](const auto& r) { return needed.contains(r.get()); }))
      continue;
    kept.insert(&s);
    needed.insert(s.operands.begin(), s.operands.end());
  }
  ir::EraseIf(region, [&](const Statement& s) { return !kept.contains(&s); });
}

// A parameter that stands for a value of the forward body, under its name.
Value* AddAlike(std::vector<std::unique_ptr<Value>>& to, const Value& value) {
  to.push_back(std::make_unique<Value>(Value{.type = value.type, .name = value.name}));
  return to.back().get();
}

std::string BaseOf(const std::string& name) { return name.substr(0, name.find('\'')); }

// What only the yield reads, and has no name, prints in the yield: it belongs to the statement that holds the region.
void NestInYield(Value* value, const ir::Uses& uses, const ir::Note& holder) {
  if (value->definition == nullptr || !value->name.empty() || uses.of(value).size() != 1) return;
  const ir::Note old = value->definition->note;
  value->definition->note = holder;
  value->definition->note.aliases.clear();
  for (Value* operand : value->definition->operands) {
    if (operand->definition != nullptr && operand->definition->note.SamePosition(old))
      NestInYield(operand, uses, holder);
  }
}

}  // namespace

Value* Differentiator::AddParameter(LoopGradient& loop, std::vector<std::unique_ptr<Value>>& to, const ir::Type& type,
                                    const std::string& name) {
  to.push_back(std::make_unique<Value>(Value{.type = type, .name = loop.names.Unique(name)}));
  return to.back().get();
}

// The values of `inner`, of the body of a scan, in all steps: stacked by the scan, from now on if not yet.
Value* Differentiator::Kept(Statement& scan, Value* inner, ir::NameTable& inner_names) {
  ir::Region& region = *scan.region;
  const size_t stacked = ir::ScanView(scan).stacked;
  for (size_t i = 0; i < stacked; ++i) {
    if (region.yields[i] == inner) return scan.results[i].get();
  }
  if (inner->name.empty()) {
    inner->name = inner_names.Unique(BaseOf(ir::NameAfterOrigin(*inner, ir::Uses(region))));
  }
  region.yields.insert(region.yields.begin() + static_cast<int64_t>(stacked), inner);
  auto result = std::make_unique<Value>();
  result->definition = &scan;
  result->type = ir::StackOf(scan.Int("length"), inner->type);
  result->name = names_.Unique(absl::StrCat(BaseOf(scan.result()->name), ".", inner->name));
  Value* kept = result.get();
  scan.results.insert(scan.results.begin() + static_cast<int64_t>(stacked), std::move(result));
  for (size_t i = 0; i < scan.results.size(); ++i) scan.results[i]->index = static_cast<int>(i);
  return kept;
}

// A value of the forward body as the backward body sees it.
Value* Differentiator::Resolve(LoopGradient& loop, Value* value) {
  if (const auto found = loop.resolved.find(value); found != loop.resolved.end()) return found->second;
  Value* here = nullptr;
  Statement& s = loop.forward;
  if (value->definition == nullptr) {
    const auto parameter = static_cast<size_t>(value->index);
    const size_t operand = parameter + ir::RegionOperandsOf(s).first_operand;
    Value* outside = s.operands[operand];
    const size_t sequences = s.op == Op::kScan ? ir::ScanView(s).sequences : 0;
    if (operand >= ir::RegionOperandsOf(s).first_capture) {
      here = AddAlike(loop.captures, *value);
      loop.capture_operands.push_back(outside);
    } else {
      // A carry is that with which the step began.
      here = AddAlike(loop.sequences, *value);
      loop.sequence_operands.push_back(
          operand < sequences ? outside : Kept(s, s.region->parameters[parameter].get(), loop.names));
    }
  } else if (loop.again) {
    here = value;
  } else if (IsFree(*value->definition)) {
    ir::ValueMap map;
    for (Value* operand : value->definition->operands) map[operand] = Resolve(loop, operand);
    std::unique_ptr<Statement> copy = ir::CloneStatement(*value->definition, map);
    here = copy->result();
    loop.computed.push_back(std::move(copy));
  } else {
    Value* kept = Kept(s, value, loop.names);
    here = AddAlike(loop.sequences, *value);
    loop.sequence_operands.push_back(kept);
  }
  loop.resolved[value] = here;
  return here;
}

Statement* Differentiator::AppendRegion(std::unique_ptr<Statement> statement, ir::NameTable& inner_names) {
  statement->note = builder_.note();
  statement->section = builder_.section();
  ir::Region& region = *statement->region;
  for (size_t i = 0; i < region.parameters.size(); ++i) region.parameters[i]->index = static_cast<int>(i);
  KeepNeeded(region);
  const ir::Uses uses(region);
  for (Value* yield : region.yields) NestInYield(yield, uses, statement->note);
  // What helps to compute an adjoint is called after it, and never as the adjoint of another value.
  for (const auto& s : region.statements) {
    if (s->results.size() != 1 || !s->result()->name.empty() || s->note.of.empty()) continue;
    if (ir::MayNest(*s->result(), uses.of(s->result()), statement->note)) continue;
    if (s->op == Op::kConstant && s->result()->type.rank() == 0) continue;
    s->result()->name = inner_names.Unique(absl::StrCat(task_.prefix, ".", BaseOf(s->note.of)));
  }
  const auto types = ir::InferTypes(*statement);
  CHECK(types.ok()) << types.status();
  for (const ir::Type& type : *types) statement->results.push_back(std::make_unique<Value>(Value{.type = type}));
  return builder_.Append(std::move(statement));
}

void Differentiator::DifferentiateRegion(Statement& s) {
  std::vector<bool> results;
  bool any = false;
  for (const auto& result : s.results) {
    results.push_back(paths_.active.contains(result.get()) && !adjoints_[result.get()].total.IsZero());
    any |= results.back();
  }
  builder_.SetNote(NoteOf(*s.result()));
  if (any) {
    return s.op == Op::kScan ? DifferentiateScan(s, results) : DifferentiateBranch(s, results);
  }
  for (size_t i = 0; i < s.operands.size(); ++i) {
    if (paths_.Flows(s, static_cast<int>(i))) Contribute(s, static_cast<int>(i), Expr());
  }
}

namespace {

std::vector<bool> DependentOperands(const Statement& s, const GradientPaths& paths) {
  std::vector<bool> marks;
  for (const Value* operand : s.operands) marks.push_back(paths.dependent.contains(operand));
  return marks;
}

}  // namespace

void Differentiator::DifferentiateScan(Statement& s, const std::vector<bool>& results) {
  const ir::ScanView scan(s);
  const ir::Note note = builder_.note();
  const std::vector<bool> active = ActiveParameters(s, DependentOperands(s, paths_), results);
  // A copy of the body that runs again, or the body itself.
  std::unique_ptr<Statement> copy;
  BodyPairs pairs;
  if (scan.recompute) {
    ir::ValueMap map;
    copy = ir::CloneStatement(s, map);
    pairs.Add(*copy->region, *s.region);
  }
  ir::Region& body = scan.recompute ? *copy->region : *s.region;
  LoopGradient loop{s, body, scan.recompute, ir::NameTable(body)};
  const auto adjoint_name = [&](const std::string& name) { return absl::StrCat(task_.prefix, ".", name); };

  // What comes in: the adjoints of stacked values, step by step, and those of carries, from the step behind.
  struct Root {
    size_t yield;
    Value* g;
  };
  std::vector<Root> roots;
  for (size_t i = 0; i < scan.stacked; ++i) {
    if (!results[i]) continue;
    Value* operand = FullAdjoint(s.results[i].get()).value();
    Value* g = AddParameter(loop, loop.sequences, body.yields[i]->type, adjoint_name(BaseOf(s.results[i]->name)));
    loop.sequence_operands.push_back(operand);
    roots.push_back({i, g});
  }
  std::vector<size_t> carried;  // the carries that have an adjoint
  for (size_t i = 0; i < scan.carries; ++i) {
    const size_t result = scan.stacked + i;
    if (!results[result] && !active[scan.sequences + i]) continue;
    carried.push_back(i);
    const Value& carry = *body.parameters[scan.sequences + i];
    const Expr zero = Full(Expr::Literal(builder_, carry.type.element, 0), carry.type.shape);
    loop.carry_operands.push_back((results[result] ? FullAdjoint(s.results[result].get()) : zero).value());
    Value* g = AddParameter(loop, loop.carries, carry.type, adjoint_name(carry.name));
    roots.push_back({result, g});
  }

  // The gradient of the body.
  std::vector<const Value*> targets, yields;
  absl::flat_hash_set<const Value*> captures;
  for (const auto& parameter : body.parameters) {
    if (!active[static_cast<size_t>(parameter->index)]) continue;
    targets.push_back(parameter.get());
    if (static_cast<size_t>(parameter->index) >= scan.sequences + scan.carries) captures.insert(parameter.get());
  }
  for (const Root& root : roots) yields.push_back(body.yields[root.yield]);
  GradientRecord record;
  Differentiator inner({body, nullptr, ir::Uses(body), FindGradientPaths(body.statements, targets, yields), targets,
                        loop.names, task_.prefix, "", task_.limit, task_.record == nullptr ? nullptr : &record},
                       loop.fresh);
  inner.builder().SetNote(note);
  // What reads nothing but captures is the same in every step and waits for nothing.
  inner.WaitFor(captures);
  for (const auto& parameter : body.parameters) {
    const bool slice = static_cast<size_t>(parameter->index) < scan.sequences;
    if (slice && active[static_cast<size_t>(parameter->index)]) {
      inner.Name(parameter.get(), loop.names.Unique(adjoint_name(parameter->name)));
    }
  }
  for (const Root& root : roots) {
    inner.Seed(body.yields[root.yield], Expr::Of(inner.builder(), root.g));
    const auto yield = static_cast<int>(root.yield), stacked = static_cast<int>(scan.stacked);
    record.parts.push_back({nullptr, yield < stacked ? yield : stacked - yield - 1, {root.g, 0}, false});
  }
  CHECK(inner.Run().ok()) << "the body of a scan is larger than a graph may be";
  ir::Builder& builder = inner.builder();
  builder.SetNote(note);
  const auto full = [&](Expr g, const ir::Type& type) {
    if (g.IsZero()) g = Expr::Literal(builder, type.element, 0);
    return Full(g, type.shape).value();
  };

  // What goes out.
  auto back = std::make_unique<Statement>();
  back->op = Op::kScan;
  std::vector<Value*> stacked, nexts;
  std::vector<std::pair<int, size_t>> operand_stacks;  // operand, number of what is stacked
  for (size_t i = 0; i < scan.sequences; ++i) {
    if (!active[i] || !paths_.Flows(s, static_cast<int>(i))) continue;
    operand_stacks.emplace_back(static_cast<int>(i), stacked.size());
    stacked.push_back(full(inner.AdjointOf(body.parameters[i].get()), body.parameters[i]->type));
  }
  for (size_t i : carried) {
    const Value* carry = body.parameters[scan.sequences + i].get();
    nexts.push_back(full(inner.AdjointOf(carry), carry->type));
  }
  std::vector<std::pair<int, size_t>> operand_sums;  // operand, number of the carry
  for (size_t i = scan.sequences + scan.carries; i < s.operands.size(); ++i) {
    const Value* capture = body.parameters[i].get();
    const Expr total = inner.AdjointOf(capture);
    if (!paths_.Flows(s, static_cast<int>(i)) || total.IsZero()) continue;
    operand_sums.emplace_back(static_cast<int>(i), nexts.size());
    loop.carry_operands.push_back(Full(Expr::Literal(builder_, capture->type.element, 0), capture->type.shape).value());
    Value* sum = AddParameter(loop, loop.carries, capture->type, adjoint_name(capture->name));
    nexts.push_back((Expr::Of(builder, sum) + total).value());
  }
  // Contractions after the loop: both factors of every step.
  struct Product {
    std::string spec, band;
    int side;        // of the capture in the Dot
    size_t operand;  // that the capture is
    Value* other;    // outside, or null: stacked here
    size_t other_stack, g_stack;
  };
  std::vector<Product> products;
  const auto stack = [&](Value* value) {
    const auto at = std::find(stacked.begin(), stacked.end(), value);
    if (at != stacked.end()) return static_cast<size_t>(at - stacked.begin());
    stacked.push_back(value);
    return stacked.size() - 1;
  };
  for (const Differentiator::Waiting& waiting : inner.waiting()) {
    Value* other = waiting.dot->operands[static_cast<size_t>(1 - waiting.operand)];
    const Value* capture = waiting.dot->operands[static_cast<size_t>(waiting.operand)];
    record.adjoints.erase(capture);
    Product product{waiting.dot->Text("spec"),
                    waiting.dot->Text("band"),
                    waiting.operand,
                    static_cast<size_t>(capture->index),
                    nullptr,
                    0,
                    stack(waiting.g.value())};
    const bool parameter = other->definition == nullptr;
    if (parameter && static_cast<size_t>(other->index) < scan.sequences) {
      product.other = s.operands[static_cast<size_t>(other->index)];
    } else if (parameter) {
      product.other = Kept(s, s.region->parameters[static_cast<size_t>(other->index)].get(), loop.names);
    } else if (!scan.recompute) {
      product.other = Kept(s, other, loop.names);
    } else {
      product.other_stack = stack(other);
    }
    products.push_back(product);
  }

  // The values of the forward body that the gradient reads.
  const auto resolve = [&](std::vector<Value*>& values, const absl::flat_hash_set<const Value*>& known) {
    for (Value*& value : values) {
      if (!known.contains(value)) value = Resolve(loop, value);
    }
  };
  absl::flat_hash_set<const Value*> known;
  for (const auto* parameters : {&loop.sequences, &loop.carries}) {
    for (const auto& parameter : *parameters) known.insert(parameter.get());
  }
  for (const auto& statement : loop.fresh.statements) {
    for (const auto& result : statement->results) known.insert(result.get());
  }
  if (scan.recompute) {
    for (const auto& statement : body.statements) {
      for (const auto& result : statement->results) known.insert(result.get());
    }
  }
  // Only what is needed asks for values.
  back->region = std::make_unique<ir::Region>();
  ir::Region& region = *back->region;
  if (scan.recompute) region.statements = std::move(body.statements);
  std::move(loop.fresh.statements.begin(), loop.fresh.statements.end(), std::back_inserter(region.statements));
  region.yields = stacked;
  region.yields.insert(region.yields.end(), nexts.begin(), nexts.end());
  KeepNeeded(region);
  RecordBody(std::move(record), s, pairs, *back, loop);
  for (const auto& statement : region.statements) resolve(statement->operands, known);
  resolve(region.yields, known);
  region.statements.insert(region.statements.begin(), std::make_move_iterator(loop.computed.begin()),
                           std::make_move_iterator(loop.computed.end()));

  back->attributes = {scan.length, static_cast<int64_t>(loop.sequences.size()),
                      static_cast<int64_t>(loop.carries.size()), int64_t{!scan.reverse}, int64_t{scan.recompute}};
  for (auto* parameters : {&loop.sequences, &loop.carries, &loop.captures}) {
    std::move(parameters->begin(), parameters->end(), std::back_inserter(region.parameters));
  }
  for (const auto* operands : {&loop.sequence_operands, &loop.carry_operands, &loop.capture_operands}) {
    back->operands.insert(back->operands.end(), operands->begin(), operands->end());
  }
  const size_t stacks = stacked.size();
  builder_.SetNote(note);
  Statement* reverse = AppendRegion(std::move(back), loop.names);
  const auto result = [&](size_t i) { return reverse->results[i].get(); };
  const std::string base = adjoint_name(BaseOf(s.result()->name));

  // The adjoints of the operands: parameters first.
  std::vector<std::vector<Expr>> parts(s.operands.size());
  for (const Product& product : products) {
    Value* g = result(product.g_stack);
    if (g->name.empty()) g->name = names_.Unique(absl::StrCat(base, ".steps"));
    Value* other = product.other;
    if (other == nullptr) {
      other = result(product.other_stack);
      if (other->name.empty()) other->name = names_.Unique(absl::StrCat(base, ".factors"));
    }
    parts[product.operand].push_back(
        GradientOfSteps(product.spec, product.band, product.side, Expr::Of(builder_, other), Expr::Of(builder_, g)));
  }
  for (const auto& [operand, number] : operand_stacks) {
    parts[static_cast<size_t>(operand)].push_back(Expr::Of(builder_, result(number)));
  }
  for (size_t i = 0; i < carried.size(); ++i) {
    const size_t operand = scan.sequences + carried[i];
    if (paths_.Flows(s, static_cast<int>(operand))) parts[operand].push_back(Expr::Of(builder_, result(stacks + i)));
  }
  for (const auto& [operand, number] : operand_sums) {
    parts[static_cast<size_t>(operand)].push_back(Expr::Of(builder_, result(stacks + number)));
  }
  std::vector<size_t> order;
  for (size_t i = 0; i < s.operands.size(); ++i)
    order.push_back((i + scan.sequences + scan.carries) % s.operands.size());
  for (size_t i : order) {
    if (!paths_.Flows(s, static_cast<int>(i))) continue;
    Expr total;
    for (const Expr& part : parts[i]) total = total + part;
    Contribute(s, static_cast<int>(i), total);
  }
  // What nothing outside reads is called after the value whose adjoint it is.
  for (size_t i = 0; i < carried.size(); ++i) {
    Value* value = result(stacks + i);
    const std::string& carry = s.region->parameters[scan.sequences + carried[i]]->name;
    if (value->name.empty()) value->name = names_.Unique(absl::StrCat(base, ".", carry));
  }
}

// y = branch(p, x, …) { … }.   dL/dx, … = branch(p, d.y, x, …) { what it is where p holds }, else 0
void Differentiator::DifferentiateBranch(Statement& s, const std::vector<bool>& results) {
  const ir::Note note = builder_.note();
  ir::ValueMap map;
  std::unique_ptr<Statement> copy = ir::CloneStatement(s, map);
  const BodyPairs pairs(*copy->region, *s.region);
  ir::Region& body = *copy->region;
  LoopGradient loop{s, body, true, ir::NameTable(body)};
  std::vector<const Value*> targets, yields;
  const std::vector<bool> active = ActiveParameters(s, DependentOperands(s, paths_), results);
  for (const auto& parameter : body.parameters) {
    if (active[static_cast<size_t>(parameter->index)]) targets.push_back(parameter.get());
  }
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i]) yields.push_back(body.yields[i]);
  }
  GradientRecord record;
  Differentiator inner({body, nullptr, ir::Uses(body), FindGradientPaths(body.statements, targets, yields), targets,
                        loop.names, task_.prefix, "", task_.limit, task_.record == nullptr ? nullptr : &record},
                       loop.fresh);
  inner.builder().SetNote(note);
  absl::flat_hash_set<const Value*> known;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i]) continue;
    Value* operand = FullAdjoint(s.results[i].get()).value();
    if (operand->name.empty()) operand->name = names_.Unique(absl::StrCat(task_.prefix, ".", BaseOf(s.result()->name)));
    Value* g = AddParameter(loop, loop.captures, operand->type, absl::StrCat(task_.prefix, ".", s.results[i]->name));
    loop.capture_operands.push_back(operand);
    known.insert(g);
    inner.Seed(body.yields[i], Expr::Of(inner.builder(), g));
    record.parts.push_back({nullptr, static_cast<int>(i), {g, 0}, false});
  }
  CHECK(inner.Run().ok()) << "a branch is larger than a graph may be";
  inner.builder().SetNote(note);
  auto back = std::make_unique<Statement>();
  back->op = Op::kBranch;
  back->region = std::make_unique<ir::Region>();
  ir::Region& region = *back->region;
  std::vector<int> operands;
  for (size_t i = 1; i < s.operands.size(); ++i) {
    if (!paths_.Flows(s, static_cast<int>(i))) continue;
    const Value* parameter = body.parameters[i - 1].get();
    Expr g = inner.AdjointOf(parameter);
    if (g.IsZero()) g = Expr::Literal(inner.builder(), parameter->type.element, 0);
    operands.push_back(static_cast<int>(i));
    region.yields.push_back(Full(g, parameter->type.shape).value());
  }
  region.statements = std::move(body.statements);
  std::move(loop.fresh.statements.begin(), loop.fresh.statements.end(), std::back_inserter(region.statements));
  KeepNeeded(region);
  RecordBody(std::move(record), s, pairs, *back, loop);
  for (const auto& statement : region.statements) {
    for (const auto& result : statement->results) known.insert(result.get());
  }
  for (const auto& statement : region.statements) {
    for (Value*& operand : statement->operands) {
      if (!known.contains(operand)) operand = Resolve(loop, operand);
    }
  }
  for (Value*& yield : region.yields) {
    if (!known.contains(yield)) yield = Resolve(loop, yield);
  }
  region.parameters = std::move(loop.captures);
  back->operands = {s.operands[0]};
  back->operands.insert(back->operands.end(), loop.capture_operands.begin(), loop.capture_operands.end());
  builder_.SetNote(note);
  Statement* backward = AppendRegion(std::move(back), loop.names);
  for (size_t i = 0; i < operands.size(); ++i) {
    Contribute(s, operands[i], Expr::Of(builder_, backward->results[i].get()));
  }
}

}  // namespace gradus::passes
