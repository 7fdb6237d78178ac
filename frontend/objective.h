// One `minimize` of a recipe with its optimizers; only lower_train.cc and lower_update.cc include this.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "frontend/lowering.h"

namespace gradus::frontend {

// `fc2.*`, `*.b`: `*` stands for any characters.
inline bool Matches(absl::string_view pattern, absl::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] != '*') return !name.empty() && pattern[0] == name[0] && Matches(pattern.substr(1), name.substr(1));
  for (size_t i = 0; i <= name.size(); ++i) {
    if (Matches(pattern.substr(1), name.substr(i))) return true;
  }
  return false;
}

// `optimizer none for fc1.*`: its parameters keep their values, and no gradient by them is taken.
inline bool IsFrozen(const ast::Optimizer& optimizer) { return optimizer.value->As<ast::None>() != nullptr; }

struct Lowering::Objective {
  using Placed = std::pair<const ast::Optimizer*, SourceRange>;

  const ast::Minimize* minimize = nullptr;
  SourceRange where;
  std::string name;
  ir::Value* value = nullptr;
  std::vector<Placed> optimizers;
  std::vector<ir::Value*> parameters;
  std::vector<ir::Value*> left_out;   // where no `wrt` says by what: no gradient reaches them
  std::vector<ir::Value*> gradients;  // of the step

  // The first optimizer that names the parameter; else the one that names none; else null.
  const Placed* OptimizerOf(absl::string_view parameter) const {
    const Placed* rest = nullptr;
    for (const Placed& placed : optimizers) {
      const auto& patterns = placed.first->parameters;
      for (const ast::Pattern& pattern : patterns) {
        if (Matches(pattern.text, parameter)) return &placed;
      }
      if (patterns.empty() && rest == nullptr) rest = &placed;
    }
    return rest;
  }
};

}  // namespace gradus::frontend
