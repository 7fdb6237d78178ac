#include "ir/widen.h"

#include <utility>

#include "ir/array.h"

namespace gradus::ir {
namespace {

bool WidenType(Type& type) {
  if (type.element != DType::kF32) return false;
  type.element = DType::kF64;
  return true;
}

bool WidenStatement(Statement& s);

bool WidenRegion(Region& region) {
  bool any = false;
  for (const auto& parameter : region.parameters) any |= WidenType(parameter->type);
  for (const auto& statement : region.statements) any |= WidenStatement(*statement);
  return any;
}

bool WidenStatement(Statement& s) {
  bool any = false;
  for (const auto& result : s.results) any |= WidenType(result->type);
  for (AttributeValue& attribute : s.attributes) {
    DType* type = std::get_if<DType>(&attribute);
    if (type == nullptr || *type != DType::kF32) continue;
    *type = DType::kF64;
    any = true;
  }
  if (s.literal && s.literal->type().element == DType::kF32) {
    Type type = s.literal->type();
    type.element = DType::kF64;
    Tensor wide(std::move(type));
    const auto from = std::as_const(*s.literal).data<float>();
    std::copy(from.begin(), from.end(), wide.data<double>().begin());
    s.literal = std::move(wide);
  }
  if (s.region != nullptr) any |= WidenRegion(*s.region);
  return any;
}

}  // namespace

bool Widen(Graph& graph) { return WidenRegion(graph.body); }

}  // namespace gradus::ir
