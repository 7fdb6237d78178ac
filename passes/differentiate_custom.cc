// The body of a custom vjp in the place of the derived rule.
#include "ir/check.h"
#include "passes/differentiator.h"
#include "passes/gradient_rules.h"

namespace gradus::passes {

using ir::Expr;
using ir::Op;
using ir::Statement;
using ir::Value;

// Its first parameter is g. It is copied once for all operands.
Expr Differentiator::CustomGradient(const Statement& s, int operand, Expr g) {
  auto [entry, first] = inlined_.try_emplace(&s);
  std::vector<Value*>& yields = entry->second;
  if (first) {
    ir::ValueMap map;
    for (size_t i = 1; i < s.operands.size(); ++i) map[s.region->parameters[i].get()] = s.operands[i];
    if (!g.IsLiteral()) map[s.region->parameters[0].get()] = g.value();
    for (const auto& statement : s.region->statements) {
      if (!g.IsLiteral() || !WithoutLiteral(*s.region, *statement, g, map)) CopyInto(*s.region, *statement, g, map);
    }
    for (Value* yield : s.region->yields) {
      yields.push_back(InRegion(*s.region, yield, g, map));
      if (IsFresh(yields.back())) yields.back()->name.clear();  // it takes the name of the adjoint
    }
  }
  size_t index = 0;  // yields are for the floating-point arguments
  for (int i = 1; i < operand; ++i) index += ir::IsFloat(s.operands[i]->type.element) ? 1 : 0;
  return Expr::Of(builder_, yields[index]);
}

// What `value` of the region is here. What only the literal g goes into is made when it is asked for.
Value* Differentiator::InRegion(const ir::Region& region, const Value* value, const Expr& g, ir::ValueMap& map) {
  if (const auto found = map.find(value); found != map.end()) return found->second;
  if (value->definition != nullptr) {
    CopyInto(region, *value->definition, g, map);
  } else {
    CHECK(value == region.parameters[0].get()) << "a region reads what it does not know";
    map[value] = Full(g, value->type.shape).value();
  }
  return map.at(value);
}

void Differentiator::CopyInto(const ir::Region& region, const Statement& statement, const Expr& g, ir::ValueMap& map) {
  for (const Value* read : statement.operands) InRegion(region, read, g, map);
  std::unique_ptr<Statement> copy = ir::CloneStatement(statement, map);
  for (const auto& result : copy->results) result->name = Unique(result->name);
  copy->section = builder_.section();
  copy->note = builder_.note();
  builder_.Append(std::move(copy));
}

// Where g is 1 or -1 everywhere, its moved copies wait and products with it are the other factor.
bool Differentiator::WithoutLiteral(const ir::Region& region, const Statement& statement, const Expr& g,
                                    ir::ValueMap& map) {
  const auto waits = [&](const Value* value) {
    return map.find(value) == map.end() && (value->definition != nullptr || value == region.parameters[0].get());
  };
  if (statement.op == Op::kReshape || statement.op == Op::kBroadcast) return waits(statement.operands[0]);
  if (statement.op != Op::kMul) return false;
  for (int i = 0; i < 2; ++i) {
    const Value* factor = statement.operands[1 - i];
    if (!waits(statement.operands[i]) || waits(factor) || factor->type != statement.result()->type) continue;
    map[statement.result()] = (Expr::Of(builder_, InRegion(region, factor, g, map)) * g).value();
    return true;
  }
  return false;
}

}  // namespace gradus::passes
