// The first three updates of every optimizer on the textbook's network, against numbers of tests/textbook/reference.py.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "frontend/library.h"
#include "tests/matchers.h"
#include "tests/textbook/example.h"

namespace gradus::testing_support {
namespace {

using nlohmann::json;

struct Example {
  std::vector<double> x;
  double t;
};
const Example kExamples[] = {{{1, 0}, 1}, {{-0.5, 2}, 0}, {{0.3, 0.9}, 0.75}};

json Cases() {
  std::ifstream in(std::string(GRADUS_SOURCE_DIR) + "/tests/textbook/updates.json");
  return json::parse(in);
}

// network.gr, trained by this optimizer.
frontend::Module TrainedBy(const std::string& optimizer) {
  std::ifstream in(std::string(GRADUS_SOURCE_DIR) + "/examples/textbook/network.gr");
  std::stringstream text;
  text << in.rdbuf();
  CHECK(absl::StrContains(text.str(), "optimizer sgd(lr=0.1)"));
  auto module = frontend::ParseProgram(
      "network.gr", absl::StrReplaceAll(text.str(), {{"optimizer sgd(lr=0.1)", "optimizer " + optimizer}}));
  CHECK(module.ok()) << module.status();
  return *std::move(module);
}

TEST(UpdatesTest, TheFirstThreeOfEveryOptimizer) {
  for (const json& c : Cases()) {
    SCOPED_TRACE(c["optimizer"]);
    const frontend::Module module = TrainedBy(c["optimizer"]);
    const auto initialize = Differentiated(module, frontend::Entry::kInitialize);
    ASSERT_THAT(initialize, IsOk());
    const auto initial = ir::Interpret(*initialize, {});
    ASSERT_THAT(initial, IsOk());
    const auto step = Differentiated(module, frontend::Entry::kStep);
    ASSERT_THAT(step, IsOk());
    ir::NamedTensors state = initial->outputs;
    ASSERT_EQ(c["steps"].size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
      ir::NamedTensors given = state;
      given.emplace("x", Shaped(*step, "x", kExamples[i].x));
      given.emplace("t", Shaped(*step, "t", {kExamples[i].t}));
      if (step->Find("step") != nullptr) {
        given.emplace("step", ir::Tensor::Scalar<int64_t>(static_cast<int64_t>(i) + 1));
      }
      const auto values = ir::Interpret(*step, given);
      ASSERT_THAT(values, IsOk());
      for (const auto& [name, tensor] : values->next) state.insert_or_assign(name, tensor);
      for (const auto& [name, expected] : c["steps"][i].items()) {
        const ir::Tensor& found = state.at(name);
        ASSERT_EQ(static_cast<size_t>(found.size()), expected.size());
        for (size_t k = 0; k < expected.size(); ++k) {
          const double a = expected[k], b = found.data<double>()[k];
          EXPECT_LE(std::abs(a - b), 1e-12 * std::max(1.0, std::abs(a)))
              << name << " at " << k << " after update " << i + 1 << ": expected " << a << ", found " << b;
        }
      }
    }
  }
}

// A layer of the library whose first parameter is w is an optimizer, and needs its numbers.
TEST(UpdatesTest, NoOptimizerOfTheLibraryIsMissing) {
  std::string tried;
  for (const json& c : Cases()) absl::StrAppend(&tried, " ", c["optimizer"].get<std::string>(), "( ");
  int optimizers = 0;
  for (const frontend::LibraryFile& file : frontend::LibraryFiles()) {
    const std::string text(file.text);
    for (size_t at = text.find("\nlayer "); at != std::string::npos; at = text.find("\nlayer ", at + 1)) {
      const std::string name = text.substr(at + 7, text.find('(', at) - at - 7);
      if (!absl::StartsWith(text.substr(at + 7 + name.size()), "(w,")) continue;
      ++optimizers;
      EXPECT_TRUE(absl::StrContains(tried, absl::StrCat(" ", name, "("))) << name;
    }
  }
  EXPECT_GE(optimizers, 13);
}

}  // namespace
}  // namespace gradus::testing_support
