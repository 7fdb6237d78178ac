// The programs of examples/textbook in f64, by the interpreter.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "frontend/lower.h"
#include "frontend/program.h"
#include "ir/check.h"
#include "ir/interpreter.h"
#include "passes/backprop.h"

namespace gradus::testing_support {

using Choices = std::map<std::string, std::string>;  // what `--set` gives

// One entry, its gradients taken.
inline absl::StatusOr<ir::Graph> Differentiated(const frontend::Module& module, frontend::Entry entry,
                                                Choices choices = {}, const std::string& recipe = "") {
  frontend::LowerOptions options;
  options.name = recipe;
  options.set = std::move(choices);
  options.set["float"] = "f64";
  ASSIGN_OR_RETURN(ir::Graph graph, frontend::Lower(module, options, entry));
  RETURN_IF_ERROR(passes::Backprop(graph).status());
  return graph;
}

inline absl::StatusOr<frontend::Module> LoadTextbook(const std::string& file) {
  return frontend::LoadProgram(absl::StrCat(GRADUS_SOURCE_DIR, "/examples/textbook/", file));
}

// The shape that the graph declares for this input or parameter, filled with these numbers.
inline ir::Tensor Shaped(const ir::Graph& graph, const std::string& name, absl::Span<const double> numbers) {
  const ir::Value* declared = graph.Find(name);
  CHECK(declared != nullptr) << name;
  ir::Tensor tensor(declared->type);
  CHECK(tensor.size() == static_cast<int64_t>(numbers.size())) << name;
  std::copy(numbers.begin(), numbers.end(), tensor.data<double>().begin());
  return tensor;
}

}  // namespace gradus::testing_support
