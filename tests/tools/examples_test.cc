// Every example trains, prints a gradient, is formatted, and stands in the table of examples/README.md.
#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

using testing::HasSubstr;

class ExamplesTest : public CommandTest {
 protected:
  // Figures at the end of `steps` steps.
  nlohmann::json Train(const std::string& example, const std::string& steps) {
    const CommandResult result =
        Gradus(absl::StrCat("train ", Example(example), " --json --save w.safetensors --threads 2 ", steps));
    EXPECT_EQ(result.code, 0) << example << result.error;
    EXPECT_EQ(result.error, "") << example;
    return result.code == 0 ? nlohmann::json::parse(result.out) : nlohmann::json();
  }
};

std::vector<std::string> Examples() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(absl::StrCat(GRADUS_SOURCE_DIR, "/examples"))) {
    if (entry.path().extension() == ".gr") names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST_F(ExamplesTest, EveryOneIsFormattedPrintsItsGradientAndHasItsLineInTheReadme) {
  const std::string readme = Slurp(Example("README.md"));
  EXPECT_GE(Examples().size(), 15u);
  for (const std::string& name : Examples()) {
    EXPECT_EQ(Gradus(absl::StrCat("fmt --check ", Example(name))).code, 0) << name;
    EXPECT_THAT(readme, HasSubstr(absl::StrCat("`", name, "`")));
    const CommandResult gradient = Gradus(absl::StrCat("grad ", Example(name)));
    EXPECT_EQ(gradient.code, 0) << gradient.error;
    EXPECT_THAT(gradient.out, HasSubstr("section backward")) << name;
  }
}

// A few steps of each whose data are here; what the whole of it reaches stands in the readme.
TEST_F(ExamplesTest, EveryOneTrains) {
  int trained = 0;
  for (const std::string& name : Examples()) {
    const CommandResult loaded = Gradus(absl::StrCat("train ", Example(name), " --json --steps 1"));
    if (absl::StrContains(loaded.error, "[cannot-read]")) continue;  // the reader's data
    ++trained;
    const nlohmann::json result = Train(name, "--steps 3");
    EXPECT_EQ(result["steps"], 3) << name;
    EXPECT_EQ(result["state_hash"].get<std::string>().size(), 64u) << name;
  }
  EXPECT_GE(trained, 13);
}

struct Figure {
  const char* example;
  const char* steps;
  const char* part;  // training or validation
  const char* name;
  double least, most;
};

TEST_F(ExamplesTest, QuickOnesReachTheirFigures) {
  const Figure figures[] = {
      {"logistic.gr", "", "validation", "acc", 0.8, 1},
      {"bandit.gr", "", "training", "best", 0.8, 1},
      {"ratings.gr", "", "validation", "error", 0.25, 0.36},
  };
  for (const Figure& figure : figures) {
    const nlohmann::json result = Train(figure.example, figure.steps);
    const double found = result["epochs"].back()[figure.part][figure.name];
    EXPECT_GE(found, figure.least) << figure.example;
    EXPECT_LE(found, figure.most) << figure.example;
  }
}

// The table was drawn with these numbers (examples/tables/make.py).
TEST_F(ExamplesTest, NoiseIsDrawnAnewForEveryBatchOfAPrediction) {
  ASSERT_EQ(Gradus(absl::StrCat("predict ", Example("vae.gr"), " --out fresh.npy")).code, 0);
  const std::string fresh = Slurp(Path("fresh.npy"));
  const size_t row = 64 * sizeof(float), header = fresh.size() % row, batch = 32 * row;
  EXPECT_NE(fresh.substr(header, row), fresh.substr(header + row, row));
  EXPECT_NE(fresh.substr(header, batch), fresh.substr(header + batch, batch));
}

TEST_F(ExamplesTest, AModelWithoutDataPredictsWhatItDraws) {
  const CommandResult points = Gradus(absl::StrCat("predict ", Example("gan.gr")));
  EXPECT_EQ(points.code, 0) << points.error;
  EXPECT_THAT(points.out, HasSubstr("fake : f32[128,2]"));
}

}  // namespace
}  // namespace gradus::tools
