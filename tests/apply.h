// One operation on tensors, run by the interpreter: what tests of operations call.
#pragma once

#include <string>
#include <vector>

#include "ir/builder.h"
#include "ir/interpreter.h"

namespace gradus::testing_support {

// The graph `input a …; input b …; y = op(a, b, …); output y`, whose statement y stands at 9:17 of the source.
inline absl::StatusOr<ir::Graph> GraphOf(ir::Op op, absl::Span<const ir::Type> operands,
                                         std::vector<ir::AttributeValue> attributes = {}) {
  ir::Graph graph;
  graph.name = "test";
  ir::Builder builder(graph);
  std::vector<ir::Value*> values;
  for (size_t i = 0; i < operands.size(); ++i) {
    values.push_back(builder.Declare(ir::Op::kInput, std::string(1, static_cast<char>('a' + i)), operands[i]));
  }
  builder.SetNote(ir::Note{.line = 9, .column = 17});
  ASSIGN_OR_RETURN(ir::Value * result, builder.Add(op, values, std::move(attributes)));
  result->name = "y";
  graph.outputs.push_back({"y", result});
  return graph;
}

// Its result on these operands.
inline absl::StatusOr<ir::Tensor> Apply(ir::Op op, const std::vector<ir::Tensor>& operands,
                                        std::vector<ir::AttributeValue> attributes = {}) {
  std::vector<ir::Type> types;
  ir::NamedTensors declared;
  for (size_t i = 0; i < operands.size(); ++i) {
    types.push_back(operands[i].type());
    declared.emplace(std::string(1, static_cast<char>('a' + i)), operands[i]);
  }
  ASSIGN_OR_RETURN(const ir::Graph graph, GraphOf(op, types, std::move(attributes)));
  ASSIGN_OR_RETURN(const ir::StepValues step, ir::Interpret(graph, declared));
  return step.outputs.at("y");
}

}  // namespace gradus::testing_support
