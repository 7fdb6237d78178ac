// What is no error and yet hardly ever meant.
#include "absl/strings/str_cat.h"
#include "frontend/lowering.h"

namespace gradus::frontend {

// The function or layer of the library that computed a value, seen through what only moves elements.
std::string Lowering::MadeBy(const ir::Value* value) const {
  while (true) {
    const auto known = made_by_.find(value);
    if (known != made_by_.end()) return known->second;
    const ir::Statement* definition = value->definition;
    if (definition == nullptr) return "";
    if (definition->op == Op::kSigmoid) return "sigmoid";
    const bool moves = definition->op == Op::kReshape || definition->op == Op::kSlice ||
                       definition->op == Op::kTranspose || definition->op == Op::kBroadcast;
    if (!moves) return "";
    value = definition->operands[0];
  }
}

void Lowering::NoteMaker(const Item& result, const ast::Identifier& maker) {
  const TensorItem* tensor = result.As<TensorItem>();
  if (tensor != nullptr && IsLibrary(maker.range)) made_by_[tensor->value] = maker.text;
}

void Lowering::WarnOfArguments(const ast::Function& function, const Item* first, SourceRange call) {
  const TensorItem* tensor = first == nullptr ? nullptr : first->As<TensorItem>();
  if (tensor == nullptr || !IsLibrary(function.name.range) || IsLibrary(call)) return;
  const std::string& name = function.name.text;
  const std::string maker = MadeBy(tensor->value);
  const bool of_classes = name == "cross_entropy" || name == "class_cross_entropy" || name == "mean_cross_entropy";
  if (of_classes && (maker == "softmax" || maker == "sigmoid")) {
    diagnostics_
        .Warn(ErrorKind::kSoftmaxTwice, call,
              absl::StrCat(name, " takes logits and does the softmax itself, but gets what ", maker, " computed"))
        .Help("give it what goes into the softmax");
  }
  if (name == "binary_cross_entropy_with_logits" && (maker == "sigmoid" || maker == "softmax")) {
    diagnostics_
        .Warn(ErrorKind::kSigmoidTwice, call,
              absl::StrCat(name, " does the sigmoid itself, but gets what ", maker, " computed"))
        .Help("give it what goes into the sigmoid, or take binary_cross_entropy");
  }
  if (name == "binary_cross_entropy" && maker == "linear") {
    diagnostics_
        .Warn(ErrorKind::kLogitsForProbabilities, call,
              "binary_cross_entropy takes probabilities from 0 to 1, but gets what linear computed")
        .Help("binary_cross_entropy_with_logits takes that; sigmoid makes a probability of it");
  }
}

void Lowering::WarnOfPairs(absl::Span<ir::Value* const> values, SourceRange where) {
  if (values.size() != 2) return;
  for (const size_t column : {size_t{0}, size_t{1}}) {
    const ir::Value &a = *values[column], &b = *values[1 - column];
    const bool pairs = a.type.rank() == 2 && b.type.rank() == 1 && a.type.shape[1] == 1 && b.type.shape[0] > 1 &&
                       a.type.shape[0] == b.type.shape[0];
    // Whoever writes [:, none] means it.
    if (!pairs || (a.definition != nullptr && a.definition->op == Op::kReshape)) continue;
    diagnostics_
        .Warn(ErrorKind::kPairsByBroadcast, where,
              absl::StrCat(ir::ToString(a.type), " and ", ir::ToString(b.type), " broadcast to ",
                           ir::ToString(ir::Type{a.type.element, {b.type.shape[0], b.type.shape[0]}}),
                           ": every element of one meets every element of the other"))
        .Help(absl::StrCat("element by element it is the ", column == 0 ? "first" : "second",
                           " operand with [:, 0]; if all pairs are meant, say so by [:, none]"));
    return;
  }
}

}  // namespace gradus::frontend
