// Gradients of random graphs against dual numbers: rules in every combination, which single proofs do not see.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "ir/builder.h"
#include "ir/interpreter.h"
#include "ir/printer.h"
#include "passes/backprop.h"
#include "tests/differential/random_graph.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

using ir::Arithmetic;
using ir::Array;
using ir::Op;

struct Prepared {
  ir::Graph forward;   // outputs the scalar as "scalar"
  ir::Graph gradient;  // outputs d.NAME for each of `by`
  std::vector<std::string> by;
};

absl::optional<Prepared> Prepare(uint64_t seed) {
  Prepared p;
  p.gradient = RandomGraph(seed, {.statements = 16, .gradient = true, .float_only = true});
  ir::EraseIf(p.gradient.body, [](const ir::Statement& s) { return s.op == Op::kNext; });
  p.gradient.outputs.clear();
  p.forward = p.gradient.Clone();
  const ir::Statement* grad = nullptr;
  for (const auto& s : p.forward.body.statements) {
    if (s->op == Op::kGrad) grad = s.get();
  }
  if (grad == nullptr) return absl::nullopt;
  p.forward.outputs.push_back({"scalar", grad->operands[0]});
  for (size_t i = 1; i < grad->operands.size(); ++i) p.by.push_back(grad->operands[i]->name);
  auto& statements = p.forward.body.statements;  // what follows the grad reads its results
  statements.erase(std::find_if(statements.begin(), statements.end(), [&](const auto& s) { return s.get() == grad; }),
                   statements.end());
  for (const std::string& name : p.by) p.gradient.outputs.push_back({"d." + name, p.gradient.Find("d." + name)});
  EXPECT_THAT(passes::Backprop(p.gradient), IsOk());
  return p;
}

TEST(RandomGradientTest, BackpropOfAnyGraphAgreesWithDualNumbers) {
  int compared = 0, skipped = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const absl::optional<Prepared> p = Prepare(seed);
    if (!p.has_value()) continue;
    ir::NamedArrays numbers, duals;
    std::map<std::string, std::vector<double>> direction;
    std::mt19937_64 engine(seed);
    for (const auto& s : p->forward.body.statements) {
      if (!ir::IsDeclaration(s->op)) continue;
      const ir::Value& value = *s->result();
      Array number(value.type, Arithmetic::kDouble), dual(value.type, Arithmetic::kDual);
      const bool moves = std::find(p->by.begin(), p->by.end(), value.name) != p->by.end();
      for (size_t i = 0; i < number.data<double>().size(); ++i) {
        const double x = static_cast<double>(engine() >> 11) * 0x1p-52 - 0.5;
        const double v = moves ? static_cast<double>(engine() >> 11) * 0x1p-52 - 1 : 0;
        number.data<double>()[i] = x;
        dual.data<ir::Dual<double>>()[i] = ir::Dual<double>(x, v);
        direction[value.name].push_back(v);
      }
      numbers.emplace(value.name, std::move(number));
      duals.emplace(value.name, std::move(dual));
    }
    const auto forward = ir::InterpretIn(Arithmetic::kDual, p->forward, duals);
    const auto gradient = ir::InterpretIn(Arithmetic::kDouble, p->gradient, numbers);
    ASSERT_THAT(forward, IsOk()) << ir::Print(p->forward);
    ASSERT_THAT(gradient, IsOk()) << ir::Print(p->gradient);
    const double oracle = forward->outputs.at("scalar").data<ir::Dual<double>>()[0].derivative;
    double along = 0, size = 1;
    for (const std::string& name : p->by) {
      const auto d = gradient->outputs.at("d." + name).data<double>();
      for (size_t i = 0; i < d.size(); ++i) {
        along += d[i] * direction[name][i];
        size += std::abs(d[i]);
      }
    }
    if (!std::isfinite(oracle) || !std::isfinite(along) || size > 1e8) {
      ++skipped;
      continue;
    }
    ++compared;
    EXPECT_NEAR(along, oracle, 1e-10 * size) << ir::Print(p->forward) << ir::Print(p->gradient);
    if (HasFailure()) return;
  }
  std::cout << compared << " compared, " << skipped << " not finite or large\n";
  EXPECT_GT(compared, 300);
}

}  // namespace
}  // namespace gradus::testing_support
