#include "ir/index_bounds.h"

#include <algorithm>

namespace gradus::ir {
namespace {

// The input that `value` is, every element of it, or null.
const Value* InputBehind(const Value* value) {
  while (value->definition != nullptr) {
    const Statement& s = *value->definition;
    switch (s.op) {
      case Op::kInput:
        return value;
      case Op::kConvert:
        if (!IsInteger(s.operands[0]->type.element) ||
            ByteWidth(value->type.element) < ByteWidth(s.operands[0]->type.element)) {
          return nullptr;
        }
        break;
      case Op::kReshape:
      case Op::kTranspose:
      case Op::kBroadcast:
      case Op::kStopGradient:
        break;
      default:
        return nullptr;
    }
    value = s.operands[0];
  }
  return nullptr;
}

// A nested value is spoken of by the statement that it prints in.
std::string NameOf(const Statement& s, const Uses& uses) {
  for (const Statement* at = &s; at != nullptr;) {
    if (at->results.empty()) return at->operands[0]->name;
    if (!at->result()->name.empty()) return at->result()->name;
    const auto users = uses.of(at->result());
    at = users.empty() ? nullptr : users[0].user;
  }
  return "";
}

}  // namespace

std::vector<IndexBound> InputIndexBounds(const Graph& graph) {
  const Uses uses(graph);
  std::vector<IndexBound> bounds;
  for (const auto& statement : graph.body.statements) {
    const Statement& s = *statement;
    const Value* indices = nullptr;
    int64_t limit = 0;
    switch (s.op) {
      case Op::kGather:
        indices = s.operands[1];
        limit = s.operands[0]->type.shape[s.Int("axis")];
        break;
      case Op::kScatterAdd:
        indices = s.operands[1];
        limit = s.Int("extent");
        break;
      case Op::kOneHot:
        indices = s.operands[0];
        limit = s.Int("extent");
        break;
      default:
        continue;
    }
    const Value* input = InputBehind(indices);
    if (input == nullptr) continue;
    const auto known =
        std::find_if(bounds.begin(), bounds.end(), [&](const IndexBound& b) { return b.input == input->name; });
    if (known == bounds.end()) {
      bounds.push_back({input->name, limit, NameOf(s, uses), s.op, s.note});
    } else if (limit < known->limit) {
      *known = {input->name, limit, NameOf(s, uses), s.op, s.note};
    }
  }
  return bounds;
}

}  // namespace gradus::ir
