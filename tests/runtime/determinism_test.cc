// One step, one hash: the interpreter, native code with and without fusion, for every instruction set, on any number of
// threads, from run to run.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "codegen/target_machine.h"
#include "runtime/state_hash.h"
#include "tests/matchers.h"
#include "tests/runtime/program.h"

namespace gradus::runtime {
namespace {

constexpr int64_t kSeed = 5;

// The hash after `steps` steps of training.
std::string HashOf(const TestProgram& loaded, const CompileOptions& options, int64_t steps) {
  const Compiled compiled = CompileAll(loaded, options, kSeed);
  frontend::Program program = *frontend::Describe(loaded.module, loaded.lower);
  program.epochs.reset();
  program.steps = steps;
  const auto report = Train(program, compiled.entries, *compiled.executable, loaded.data, nullptr, kSeed, {});
  EXPECT_THAT(report, testing_support::IsOk());
  return StateHash(compiled.executable->ReadAllState());
}

void ExpectOneHash(const TestProgram& loaded, int64_t steps,
                   const std::vector<const char*>& targets = {"baseline", "avx2", "avx512"},
                   const std::vector<int64_t>& counts = {1, 2, 3, 7}) {
  CompileOptions interpreted;
  interpreted.interpret = true;
  const std::string expected = HashOf(loaded, interpreted, steps);
  for (const char* target : targets) {
    if (!codegen::HostSupports(*ir::ParseIsa(target))) continue;
    for (const int64_t threads : counts) {
      for (const bool fuse : {true, false}) {
        CompileOptions options;
        options.target = target;
        options.threads = threads;
        options.fuse = fuse;
        EXPECT_EQ(HashOf(loaded, options, steps), expected)
            << target << ", " << threads << " threads" << (fuse ? "" : ", unfused");
      }
    }
  }
  EXPECT_EQ(HashOf(loaded, {}, steps), HashOf(loaded, {}, steps));
}

TEST(DeterminismTest, DigitsWithAdamOverShuffledData) { ExpectOneHash(LoadExample("digits.gr"), 6); }
TEST(DeterminismTest, XorWithEveryExampleInOneBatch) { ExpectOneHash(LoadExample("xor.gr"), 20); }
TEST(DeterminismTest, TheTextbookWithItsWeightsWrittenOut) { ExpectOneHash(LoadExample("textbook/regression.gr"), 20); }

TEST(DeterminismTest, TheTinyOnesOfThePeers) {
  ExpectOneHash(LoadExampleWithoutData("tiny.gr", 3), 20);
  ExpectOneHash(LoadExampleWithoutData("tiny1.gr", 30), 60);
}

// Gradients of gradients, and points drawn at every step.
TEST(DeterminismTest, APhysicsInformedNetwork) {
  ExpectOneHash(LoadExample("pinn.gr"), 8, {"avx2", "avx512"}, {1, 2, 7});
}

TEST(DeterminismTest, ANetworkThatDropsDrawsAndSorts) {
  ExpectOneHash(LoadText(R"(model drawn {
  dim B = 24
  input x : float[B,40] = normal(std=2)
  fc1 = linear(40, 72); fc2 = linear(72, 10)
  h = dropout(relu(fc1(gaussian_noise(x, 0.1))), 0.3)
  h = channel_dropout(sort(h, axis=0, descending=true), 0.2)
  z = fc2(dropout(h, 0.3))
  values, places = top_k(z, 4)
  y = gumbel_softmax(shuffled(z), temperature=0.5, hard=true)
  loss = mean(values ** 2) + mean(y * tril(z[:, 0:10])) + mean(median(z) * float(categorical(z)))
}
train drawn {
  minimize loss
  optimizer adam(lr=1e-2)
  batch B; steps 3
}
)"),
                4, {"baseline", "avx2", "avx512"}, {1, 2, 7});
}

// Several objectives in one recipe, and what is drawn for each.
TEST(DeterminismTest, TwoNetworksAgainstEachOther) {
  ExpectOneHash(LoadExample("gan.gr"), 4, {"avx2", "avx512"}, {1, 2, 7});
}

TEST(DeterminismTest, ExamplesThatDrawGatherAndScan) {
  for (const char* example : {"bandit.gr", "vae.gr", "ratings.gr", "neural_ode.gr", "forecaster.gr"}) {
    SCOPED_TRACE(example);
    ExpectOneHash(LoadExample(example), 5, {"avx512"}, {1, 2, 7});
  }
}

// Its sizes are those that block, pack and share work between threads.
TEST(DeterminismTest, MlpAtItsFullSize) { ExpectOneHash(LoadExampleWithoutData("mlp.gr", 2), 2); }

TEST(DeterminismTest, ConvolutionsWithPoolingOverDigits) { ExpectOneHash(LoadExample("digits_cnn.gr"), 3); }

// Transposed convolutions, and batch norm, whose sums are in f64.
TEST(DeterminismTest, ConvolutionsDownAndUpAgain) {
  ExpectOneHash(LoadExample("unet.gr"), 2, {"avx2", "avx512"}, {1, 3});
}

TEST(DeterminismTest, LenetAtItsFullSize) {
  ExpectOneHash(LoadExampleWithoutData("lenet.gr", 2), 2, {"avx2", "avx512"}, {1, 2, 7});
}

TEST(DeterminismTest, ARecipeThatAccumulatesClipsAveragesAndFreezes) {
  TestProgram loaded{*frontend::ParseProgram("recipe.gr", R"(model recipe {
  dim B = 8
  input x : float[B,40]; input y : i32[B]
  fc1 = linear(40, 96); fc2 = linear(96, 64); fc3 = linear(64, 10)
  loss = mean(cross_entropy(fc3(relu(fc2(relu(fc1(x))))), y))
  output loss
}
train recipe {
  minimize loss
  optimizer none for fc2.b
  optimizer momentum(lr=warmup(0.1, 4)) for *.b every 2
  optimizer adam(lr=1e-3, weight_decay=0.1, decoupled=true)
  accumulate 3; clip 0.5; ema minimum(0.9, step / (step + 1))
  batch B
}
)"),
                     {},
                     {},
                     {}};
  loaded.program = *frontend::Describe(loaded.module, {});
  loaded.data = MakeUpData(loaded.program, 7);
  ExpectOneHash(loaded, 5, {"avx2", "avx512"}, {1, 2, 7});
}

TEST(DeterminismTest, AnotherSeedIsAnotherHash) {
  const TestProgram loaded = LoadExample("xor.gr");
  const Compiled one = CompileAll(loaded, {}, 1), two = CompileAll(loaded, {}, 2);
  EXPECT_NE(StateHash(one.executable->ReadAllState()), StateHash(two.executable->ReadAllState()));
}

}  // namespace
}  // namespace gradus::runtime
