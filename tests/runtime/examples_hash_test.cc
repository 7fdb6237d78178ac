// Every example has one state hash: for the interpreter, threads 1, 2 and 7, AVX2 and AVX-512, fused and unfused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "codegen/target_machine.h"
#include "runtime/state_hash.h"
#include "tests/matchers.h"
#include "tests/runtime/program.h"

namespace gradus::runtime {
namespace {

using Sizes = std::map<std::string, std::string>;

constexpr int64_t kSeed = 3, kSteps = 3;

std::string HashOf(const TestProgram& loaded, const CompileOptions& options) {
  const Compiled compiled = CompileAll(loaded, options, kSeed);
  frontend::Program program = *frontend::Describe(loaded.module, loaded.lower);
  program.epochs.reset();
  program.steps = kSteps;
  EXPECT_THAT(Train(program, compiled.entries, *compiled.executable, loaded.data, nullptr, kSeed, {}),
              testing_support::IsOk());
  return StateHash(compiled.executable->ReadAllState());
}

// Every pair of a target, a number of threads and fusion.
void ExpectOneHash(const TestProgram& loaded) {
  struct Way {
    const char* target;
    int64_t threads;
    bool fuse;
  };
  CompileOptions options;
  options.interpret = true;
  const std::string expected = HashOf(loaded, options);
  options.interpret = false;
  for (const Way& way : {Way{"avx2", 1, true}, Way{"avx2", 2, false}, Way{"avx2", 7, true}, Way{"avx512", 1, false},
                         Way{"avx512", 2, true}, Way{"avx512", 7, false}}) {
    if (!codegen::HostSupports(*ir::ParseIsa(way.target))) continue;
    options.target = way.target;
    options.threads = way.threads;
    options.fuse = way.fuse;
    EXPECT_EQ(HashOf(loaded, options), expected)
        << way.target << ", " << way.threads << " threads" << (way.fuse ? "" : ", unfused");
  }
}

std::string Text(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Those that take long as they are, and those whose data are not in the repository.
const std::map<std::string, Sizes>& Smaller() {
  static const auto* sizes =
      new std::map<std::string, Sizes>{{"digits", {{"B", "8"}}},
                                       {"digits_cnn", {{"B", "4"}}},
                                       {"autoencoder", {{"B", "8"}}},
                                       {"vae", {{"B", "8"}, {"H", "24"}}},
                                       {"unet", {{"B", "2"}, {"S", "8"}}},
                                       {"forecaster", {{"B", "4"}, {"T", "12"}, {"H", "8"}}},
                                       {"neural_ode", {{"B", "8"}, {"T", "4"}, {"W", "8"}}},
                                       {"char_mlp", {{"B", "4"}, {"T", "16"}, {"H", "32"}}},
                                       {"writer", {{"B", "2"}, {"T", "12"}, {"D", "16"}, {"L", "2"}, {"H", "2"}}}};
  return *sizes;
}
const std::map<std::string, Sizes>& WithMadeUpData() {
  static const auto* sizes = new std::map<std::string, Sizes>{
      {"mlp", {{"B", "8"}}},
      {"lenet", {{"B", "4"}}},
      {"tiny", {}},
      {"tiny1", {}},
      {"resnet20", {{"B", "2"}}},
      {"char_gpt", {{"B", "2"}, {"T", "6"}, {"V", "10"}, {"D", "16"}, {"L", "2"}, {"H", "2"}}},
      {"gpt_medium", {{"B", "2"}, {"T", "8"}, {"V", "12"}, {"D", "24"}, {"L", "3"}, {"H", "3"}}},
      {"char_lstm", {{"B", "3"}, {"T", "9"}, {"V", "11"}, {"E", "10"}, {"H", "24"}}}};
  return *sizes;
}

TEST(ExamplesHashTest, EveryExampleHasOneHash) {
  int examples = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(GRADUS_SOURCE_DIR "/examples")) {
    if (entry.path().extension() != ".gr") continue;
    const std::string stem = entry.path().stem(), text = Text(entry.path());
    SCOPED_TRACE(stem);
    const std::string name = std::filesystem::relative(entry.path(), GRADUS_SOURCE_DIR "/examples");
    frontend::LowerOptions lower;
    ++examples;
    if (const auto made_up = WithMadeUpData().find(stem); made_up != WithMadeUpData().end()) {
      lower.set = made_up->second;
      // Every layer, on smaller images.
      const std::string smaller = absl::StrReplaceAll(text, {{"[B,32,32,3]", "[B,8,8,3]"}});
      ExpectOneHash(smaller == text ? LoadExampleWithoutData(name, kSteps, lower)
                                    : WithoutData(*frontend::ParseProgram(name, smaller), kSteps, lower));
      continue;
    }
    if (const auto smaller = Smaller().find(stem); smaller != Smaller().end()) lower.set = smaller->second;
    const auto described = frontend::Describe(*frontend::LoadProgram(entry.path()), {});
    const std::string message(described.status().message());
    const size_t several = message.find(" has several: ");
    if (several == std::string::npos) {
      ExpectOneHash(LoadExample(name, lower));
      continue;
    }
    const std::string list = message.substr(several + 14, message.find(" [", several) - several - 14);
    for (const absl::string_view recipe : absl::StrSplit(list, ", ")) {
      lower.name = std::string(recipe);
      ExpectOneHash(LoadExample(name, lower));
    }
  }
  EXPECT_GE(examples, 25);
}

}  // namespace
}  // namespace gradus::runtime
