#include "ir/graph.h"

#include "ir/check.h"

namespace gradus::ir {
namespace {

size_t AttributeIndex(Op op, absl::string_view name) {
  const auto schema = Info(op).attributes;
  for (size_t i = 0; i < schema.size(); ++i) {
    if (schema[i].name == name) return i;
  }
  CHECK(false) << Info(op).mnemonic << " has no attribute " << name;
  return 0;
}

template <typename T>
const T& GetAttribute(const Statement& s, absl::string_view name) {
  const size_t i = AttributeIndex(s.op, name);
  CHECK(i < s.attributes.size()) << Info(s.op).mnemonic << " lacks its attribute " << name;
  return std::get<T>(s.attributes[i]);
}

Value* Mapped(const ValueMap& map, Value* value) {
  const auto found = map.find(value);
  return found == map.end() ? value : found->second;
}

std::unique_ptr<Region> CloneRegion(const Region& region, ValueMap map) {
  auto copy = std::make_unique<Region>();
  for (const auto& parameter : region.parameters) {
    copy->parameters.push_back(std::make_unique<Value>(*parameter));
    map[parameter.get()] = copy->parameters.back().get();
  }
  for (const auto& statement : region.statements) copy->statements.push_back(CloneStatement(*statement, map));
  for (Value* yield : region.yields) copy->yields.push_back(Mapped(map, yield));
  return copy;
}

void ReplaceInRegion(Region& region, const ValueMap& map) {
  for (const auto& statement : region.statements) {
    for (Value*& operand : statement->operands) operand = Mapped(map, operand);
  }
  for (Value*& yield : region.yields) yield = Mapped(map, yield);
}

}  // namespace

int64_t Statement::Int(absl::string_view name) const { return GetAttribute<int64_t>(*this, name); }
const Ints& Statement::IntList(absl::string_view name) const { return GetAttribute<Ints>(*this, name); }
const std::string& Statement::Text(absl::string_view name) const { return GetAttribute<std::string>(*this, name); }
DType Statement::TypeAttribute(absl::string_view name) const { return GetAttribute<DType>(*this, name); }
uint64_t Statement::Key(absl::string_view name) const { return GetAttribute<uint64_t>(*this, name); }

void Statement::Set(absl::string_view name, AttributeValue value) {
  const size_t i = AttributeIndex(op, name);
  CHECK(static_cast<size_t>(Info(op).attributes[i].kind) == value.index()) << name << " of another kind";
  if (attributes.size() <= i) attributes.resize(i + 1);
  attributes[i] = std::move(value);
}

std::unique_ptr<Statement> CloneStatement(const Statement& statement, ValueMap& map) {
  auto copy = std::make_unique<Statement>();
  copy->op = statement.op;
  for (Value* operand : statement.operands) copy->operands.push_back(Mapped(map, operand));
  copy->attributes = statement.attributes;
  for (const auto& result : statement.results) {
    copy->results.push_back(std::make_unique<Value>(*result));
    copy->results.back()->definition = copy.get();
    map[result.get()] = copy->results.back().get();
  }
  if (statement.region != nullptr) copy->region = CloneRegion(*statement.region, {});
  copy->literal = statement.literal;
  copy->initializer = statement.initializer;
  copy->section = statement.section;
  copy->note = statement.note;
  return copy;
}

Graph Graph::Clone() const {
  Graph copy;
  copy.name = name;
  copy.numerics = numerics;
  copy.frozen = frozen;
  copy.target = target;
  copy.threads = threads;
  copy.arena_bytes = arena_bytes;
  copy.scratch_bytes = scratch_bytes;
  copy.dims = dims;
  ValueMap map;
  for (const auto& statement : body.statements) copy.body.statements.push_back(CloneStatement(*statement, map));
  for (const Output& output : outputs) copy.outputs.push_back({output.name, Mapped(map, output.value)});
  return copy;
}

Value* Graph::Find(absl::string_view wanted) const {
  for (const auto& statement : body.statements) {
    for (const auto& result : statement->results) {
      if (result->name == wanted) return result.get();
    }
  }
  return nullptr;
}

Uses::Uses(const Graph& graph) {
  Add(graph.body);
  for (const Output& output : graph.outputs) uses_[output.value].push_back({});
}

Uses::Uses(const Region& region) {
  Add(region);
  for (const Value* yield : region.yields) uses_[yield].push_back({});
}

void Uses::Add(const Region& region) {
  for (const auto& statement : region.statements) {
    for (size_t i = 0; i < statement->operands.size(); ++i) {
      uses_[statement->operands[i]].push_back({statement.get(), static_cast<int>(i)});
    }
  }
}

absl::Span<const Use> Uses::of(const Value* value) const {
  const auto found = uses_.find(value);
  return found == uses_.end() ? absl::Span<const Use>() : absl::MakeConstSpan(found->second);
}

void ReplaceUses(Region& region, const Value* from, Value* to) { ReplaceInRegion(region, {{from, to}}); }

void ReplaceUses(Graph& graph, const Value* from, Value* to) { ReplaceUses(graph, ValueMap{{from, to}}); }

void ReplaceUses(Graph& graph, const ValueMap& replacements) {
  ReplaceInRegion(graph.body, replacements);
  for (Output& output : graph.outputs) output.value = Mapped(replacements, output.value);
}

}  // namespace gradus::ir
