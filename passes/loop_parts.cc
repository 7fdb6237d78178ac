#include "passes/loop_parts.h"

#include <utility>

#include "ir/control.h"

namespace gradus::passes {

using ir::Op;
using ir::Statement;
using ir::Value;

namespace {

bool IsScalarLiteral(const Value* value) {
  return value->definition != nullptr && value->definition->op == Op::kConstant && value->type.rank() == 0;
}

}  // namespace

void RemoveOperand(Statement& s, size_t operand) {
  const ir::RegionOperands at = ir::RegionOperandsOf(s);
  EraseAt(s.region->parameters, operand - at.first_operand + at.first_parameter);
  EraseAt(s.operands, operand);
}

void Decrease(Statement& s, absl::string_view attribute) { s.Set(attribute, s.Int(attribute) - 1); }

void Renumber(Statement& s) {
  for (size_t i = 0; i < s.results.size(); ++i) s.results[i]->index = static_cast<int>(i);
  for (size_t i = 0; i < s.region->parameters.size(); ++i) s.region->parameters[i]->index = static_cast<int>(i);
}

Value* Capture(Statement& s, Value* value) {
  const size_t first = ir::RegionOperandsOf(s).first_capture;
  for (size_t i = first; i < s.operands.size(); ++i) {
    if (s.operands[i] == value) return ir::ParameterOf(s, i);
  }
  s.operands.push_back(value);
  auto parameter = std::make_unique<Value>();
  parameter->index = static_cast<int>(s.region->parameters.size());
  parameter->type = value->type;  // its name comes with the others (ir::AlignCaptures)
  s.region->parameters.push_back(std::move(parameter));
  return s.region->parameters.back().get();
}

ir::Builder BuilderBehind(ir::Graph& graph, const Statement& s, const Statement* after) {
  ir::Builder builder(graph);
  builder.InsertBefore(after);
  builder.SetNote(s.note);
  builder.SetSection(s.section);
  return builder;
}

void TakePlace(ir::Graph& graph, Value* result, Value* value) {
  ir::ReplaceUses(graph, result, value);
  std::swap(value->name, result->name);
}

Value* Sink(Statement& s, const Value* value) {
  std::vector<const Statement*> chain;
  while (true) {
    const Statement* definition = value->definition;
    if (definition == nullptr || chain.size() > 2) return nullptr;
    chain.push_back(definition);
    if (IsScalarLiteral(value)) break;
    if (definition->op != Op::kBroadcast && definition->op != Op::kReshape) return nullptr;
    value = definition->operands[0];
  }
  ir::ValueMap map;
  auto& statements = s.region->statements;
  int64_t position = 0;
  Value* result = nullptr;
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
    auto copy = ir::CloneStatement(**it, map);
    copy->section.clear();
    copy->note.aliases.clear();
    copy->result()->name.clear();
    copy->result()->arena.reset();
    result = copy->result();
    statements.insert(statements.begin() + position++, std::move(copy));
  }
  return result;
}

}  // namespace gradus::passes
