#include "passes/bodies.h"

#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/control.h"
#include "ir/storage.h"

namespace gradus::passes {

using ir::Op;
using ir::Statement;

LentBody::LentBody(const ir::Graph& graph, Statement& holder) : holder_(holder) {
  body_.name = graph.name;
  body_.numerics = graph.numerics;
  body_.frozen = graph.frozen;
  body_.target = graph.target;
  body_.threads = graph.threads;
  ir::Region& region = *holder.region;
  for (auto& parameter : region.parameters) {
    auto input = std::make_unique<Statement>();
    input->op = Op::kInput;
    parameter->definition = input.get();
    parameter->index = 0;
    input->results.push_back(std::move(parameter));
    inputs_.push_back(input.get());
    body_.body.statements.push_back(std::move(input));
  }
  for (auto& s : region.statements) body_.body.statements.push_back(std::move(s));
  for (size_t i = 0; i < region.yields.size(); ++i) {
    body_.outputs.push_back({absl::StrCat("yield ", i), region.yields[i]});
  }
  region.parameters.clear();
  region.statements.clear();
}

LentBody::~LentBody() {
  ir::Region& region = *holder_.region;
  for (Statement* input : inputs_) {
    input->result()->definition = nullptr;
    input->result()->index = static_cast<int>(region.parameters.size());
    region.parameters.push_back(std::move(input->results.front()));
  }
  for (auto& s : body_.body.statements) {
    if (s->op != Op::kInput) region.statements.push_back(std::move(s));
  }
  for (size_t i = 0; i < region.yields.size(); ++i) region.yields[i] = body_.outputs[i].value;
}

absl::StatusOr<bool> InBodies(ir::Graph& graph, absl::FunctionRef<absl::StatusOr<bool>(ir::Graph&, Statement&)> pass) {
  bool changed = false;
  for (const auto& s : graph.body.statements) {
    if (!ir::HasBody(s->op)) continue;
    LentBody body(graph, *s);
    ASSIGN_OR_RETURN(const bool here, pass(body.graph(), *s));
    changed |= here;
  }
  return changed;
}

}  // namespace gradus::passes
