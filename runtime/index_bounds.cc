#include "runtime/index_bounds.h"

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "ir/check.h"

namespace gradus::runtime {
namespace {

// The operand through which an operation passes elements on without changing them, or null.
const ir::Value* MovedOperand(const ir::Statement& statement) {
  switch (statement.op) {
    case ir::Op::kReshape:
    case ir::Op::kTranspose:
    case ir::Op::kBroadcast:
    case ir::Op::kSlice:
    case ir::Op::kStopGradient:
      return statement.operands[0];
    case ir::Op::kConvert:
      return ir::IsInteger(statement.operands[0]->type.element) ? statement.operands[0] : nullptr;
    default:
      return nullptr;
  }
}

// The input whose elements a value holds, or null.
const ir::Value* InputOf(const ir::Value* value) {
  while (value != nullptr && value->definition != nullptr) {
    if (value->definition->op == ir::Op::kInput) return value;
    value = MovedOperand(*value->definition);
  }
  return nullptr;
}

absl::optional<IndexBound> BoundOf(const ir::Statement& statement) {
  IndexBound bound;
  const ir::Value* index = nullptr;
  switch (statement.op) {
    case ir::Op::kGather:
      index = statement.operands[1];
      bound.bound = statement.operands[0]->type.shape[statement.Int("axis")];
      break;
    case ir::Op::kScatterAdd:
      index = statement.operands[1];
      bound.bound = statement.Int("extent");
      break;
    case ir::Op::kOneHot:
      index = statement.operands[0];
      bound.bound = statement.Int("extent");
      break;
    default:
      return absl::nullopt;
  }
  const ir::Value* input = InputOf(index);
  if (input == nullptr) return absl::nullopt;
  bound.input = input->name;
  bound.operation = std::string(ir::Info(statement.op).mnemonic);
  return bound;
}

void Collect(const ir::Region& region, const std::string& path, std::vector<IndexBound>& bounds) {
  for (const auto& statement : region.statements) {
    if (statement->region) Collect(*statement->region, path, bounds);
    absl::optional<IndexBound> bound = BoundOf(*statement);
    if (!bound) continue;
    const ir::Note& note = statement->note;
    if (note.line > 0)
      bound->place = absl::StrCat(note.file.empty() ? path : note.file, ":", note.line, ":", note.column);
    bounds.push_back(*std::move(bound));
  }
}

}  // namespace

std::vector<IndexBound> FindIndexBounds(const ir::Graph& graph, const std::string& program_path) {
  std::vector<IndexBound> bounds;
  Collect(graph.body, program_path, bounds);
  return bounds;
}

absl::Status CheckIndices(const std::vector<IndexBound>& bounds, const Dataset& data) {
  for (const IndexBound& bound : bounds) {
    const DataColumn* column = data.Find(bound.input);
    if (column == nullptr || !ir::IsInteger(column->values.type().element)) continue;
    absl::Status status;
    ir::Dispatch(column->values.type().element, [&](auto tag) {
      const auto values = column->values.data<decltype(tag)>();
      const int64_t each = column->sampled ? column->values.size() / data.examples : column->values.size();
      for (size_t i = 0; i < values.size(); ++i) {
        const int64_t value = static_cast<int64_t>(values[i]);
        if (value >= 0 && value < bound.bound) continue;
        const std::string where =
            column->sampled ? absl::StrCat("example ", static_cast<int64_t>(i) / each, " of") : "an element of";
        status = absl::OutOfRangeError(absl::StrCat(bound.place.empty() ? "" : absl::StrCat(bound.place, ": error: "),
                                                    where, " the input ", bound.input, " is ", value, ", but ",
                                                    bound.operation, " needs at least 0 and below ", bound.bound));
        return;
      }
    });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace gradus::runtime
