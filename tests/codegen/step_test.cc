// The entry around the kernels: chunks of steps, inputs that advance, outputs, stopping, faults, floating-point
// control.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <immintrin.h>

#include <thread>

#include "frontend/read_graph.h"
#include "ir/check.h"
#include "tests/codegen/native_run.h"
#include "tests/matchers.h"

namespace gradus::testing_support {
namespace {

ir::Graph Read(const std::string& body, const std::string& name = "test.step") {
  auto graph = frontend::ReadGraph("test.gr", "graph " + name + " numerics 1 {\n" + body + "\n}\n");
  CHECK(graph.ok()) << graph.status();
  return *std::move(graph);
}

ir::Target BestTarget() { return TargetsOfThisMachine().front(); }

NativeRun Compile(const std::vector<ir::Graph>& graphs, int64_t threads) {
  std::vector<ir::Graph> planned;
  for (const ir::Graph& g : graphs) planned.push_back(PlanSimply(g, BestTarget(), threads));
  auto run = NativeRun::Create(std::move(planned));
  CHECK(run.ok()) << run.status();
  return *std::move(run);
}

NativeRun Compile(const std::string& body, int64_t threads) {
  std::vector<ir::Graph> graphs;
  graphs.push_back(Read(body));
  return Compile(graphs, threads);
}

// Big enough to be shared by threads.
constexpr char kCounting[] = R"(
  input x : f32[9000]
  input step : i64
  state s : f32[9000] = zeros
  t = s + x * f32(step)
  next s = t
  y = sum(t, axis=[0])
  output y)";

class StepTest : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Threads, StepTest, testing::Values(1, 2, 3, 7));

TEST_P(StepTest, InputsAdvanceByTheirStrideAndWrapAroundAndOutputsAreKeptPerStep) {
  NativeRun run = Compile(kCounting, GetParam());
  std::vector<float> x(3 * 9000);
  for (size_t i = 0; i < x.size(); ++i) x[i] = i < 9000 ? 1 : i < 18000 ? 10 : 100;
  std::vector<float> y(5, -1);
  const codegen::InputBinding input{reinterpret_cast<const std::byte*>(x.data()), 9000 * 4, 3, 0};
  const codegen::OutputBinding output{reinterpret_cast<std::byte*>(y.data()), 4};
  run.SetStates({{"s", ir::Tensor(ir::Type{ir::DType::kF32, {9000}})}});
  run.context().inputs = &input;
  run.context().outputs = &output;
  std::vector<std::thread> threads;
  const auto go = [&](int64_t t) { run.program().entries[0].run(&run.context(), t, GetParam(), 5); };
  for (int64_t t = 1; t < GetParam(); ++t) threads.emplace_back(go, t);
  go(0);
  for (auto& t : threads) t.join();
  // s after the steps 1 … 5: 1, 1 + 20, 21 + 300, 321 + 4, 325 + 50.
  EXPECT_THAT(y, testing::ElementsAre(9000.f, 9000.f * 21, 9000.f * 321, 9000.f * 325, 9000.f * 375));
  EXPECT_EQ(run.context().step, 5);
  EXPECT_EQ(run.State("s").data<float>()[8999], 375);
}

TEST_P(StepTest, TheStopFlagEndsTheRunAfterAWholeStep) {
  NativeRun run = Compile(kCounting, GetParam());
  run.SetStates({{"s", ir::Tensor(ir::Type{ir::DType::kF32, {9000}})}});
  run.context().stop = 1;
  const auto stopped = run.Run(0, {{"x", ir::Tensor(ir::Type{ir::DType::kF32, {9000}})}}, 1000000);
  EXPECT_FALSE(stopped.ok());
  EXPECT_EQ(run.last_result(), codegen::kRunStopped);
  EXPECT_EQ(run.context().step, 1);
}

TEST_P(StepTest, ManyStepsKeepTheBitsOfOneThread) {
  ir::Tensor x(ir::Type{ir::DType::kF32, {9000}});
  for (int64_t i = 0; i < x.size(); ++i) x.data<float>()[i] = 1.0f / static_cast<float>(i + 1);
  ir::Tensor expected;
  for (const int64_t threads : {int64_t{1}, GetParam()}) {
    NativeRun run = Compile(kCounting, threads);
    run.SetStates({{"s", ir::Tensor(x.type())}});
    for (int chunk = 0; chunk < 4; ++chunk) ASSERT_THAT(run.Run(0, {{"x", x}}, 25), IsOk());
    EXPECT_EQ(run.context().step, 100);
    if (threads == 1) expected = run.State("s");
    EXPECT_TRUE(ir::SameBits(run.State("s"), expected));
  }
}

TEST_P(StepTest, AnIndexOutOfRangeIsReportedWithItsPlaceAndNothingOutsideIsTouched) {
  const std::string body = R"(
  input i : i32[9000]
  param table : f32[10,4] = zeros
  y = gather(table, i, axis=0)  | 7:3
  z = scatter_add(y, i, extent=10, axis=0)  | 8:5
  output y, z)";
  NativeRun run = Compile(body, GetParam());
  run.SetStates({{"table", ir::Tensor(ir::Type{ir::DType::kF32, {10, 4}})}});
  ir::Tensor i(ir::Type{ir::DType::kI32, {9000}});
  EXPECT_THAT(run.Run(0, {{"i", i}}), IsOk());
  for (const int32_t bad : {10, -1, std::numeric_limits<int32_t>::min()}) {
    i.data<int32_t>()[8000] = bad;
    run.context().fault = {};
    run.context().fault_claimed = 0;
    EXPECT_FALSE(run.Run(0, {{"i", i}}, 3).ok());
    EXPECT_EQ(run.last_result(), codegen::kRunFault);
    EXPECT_EQ(run.context().fault.index, bad);
    EXPECT_EQ(run.context().fault.bound, 10);
    const codegen::FaultSource& source = run.program().entries[0].sources.at(run.context().fault.statement);
    EXPECT_EQ(source.note.line, 7);
    EXPECT_EQ(source.operation, "gather");
  }
}

TEST(StepTest, EntriesShareStateAndTheirFaultsHaveTheirOwnPlaces) {
  std::vector<ir::Graph> graphs;
  graphs.push_back(
      Read("  input i : i32[3]\n  param w : f32[4] = zeros\n  y = gather(w, i, axis=0) | 3:1\n"
           "  next w = w + 1\n  output y",
           "m.step"));
  graphs.push_back(
      Read("  input i : i32[3]\n  param w : f32[4] = zeros\n  y = gather(w, i, axis=0) | 5:1\n"
           "  output y",
           "m.evaluate"));
  NativeRun run = Compile(graphs, 2);
  run.SetStates({{"w", ir::Tensor(ir::Type{ir::DType::kF32, {4}})}});
  ir::Tensor i(ir::Type{ir::DType::kI32, {3}});
  ASSERT_THAT(run.Run(0, {{"i", i}}, 7), IsOk());
  const auto evaluated = run.Run(1, {{"i", i}});
  ASSERT_THAT(evaluated, IsOk());
  EXPECT_EQ(evaluated->at("y").data<float>()[0], 7);
  i.data<int32_t>()[1] = 4;
  EXPECT_FALSE(run.Run(1, {{"i", i}}).ok());
  EXPECT_EQ(run.program().entries[1].sources.at(run.context().fault.statement).note.line, 5);
}

TEST(StepTest, DenormalsAreComputedAndTheCallersControlRegisterComesBack) {
  NativeRun run = Compile("  input x : f32[40]\n  y = x * 0.5\n  output y", 1);
  ir::Tensor x(ir::Type{ir::DType::kF32, {40}});
  for (float& v : x.data<float>()) v = 1e-38f;
  const unsigned ours = _mm_getcsr();
  const unsigned flush = ours | 0x8040;  // flush to zero, denormals are zero
  _mm_setcsr(flush);
  const auto y = run.Run(0, {{"x", x}});
  const unsigned after = _mm_getcsr();
  _mm_setcsr(ours);
  ASSERT_THAT(y, IsOk());
  EXPECT_EQ(after & ~0x3fu, flush & ~0x3fu);
  EXPECT_EQ(y->at("y").data<float>()[39], 5e-39f);
}

TEST(CompileTest, GraphsThatDisagreeOrHaveNoPlanAreRefused) {
  const ir::Graph unplanned = Read("  input x : f32\n  y = x + 1\n  output y");
  const ir::Graph* const graphs[] = {&unplanned};
  EXPECT_THAT(codegen::Compile(graphs), FailsWith("no plan yet"));
  std::vector<ir::Graph> two;
  two.push_back(PlanSimply(unplanned, BestTarget(), 1));
  two.push_back(PlanSimply(unplanned, BestTarget(), 2));
  const ir::Graph* const both[] = {&two[0], &two[1]};
  EXPECT_THAT(codegen::Compile(both), FailsWith("different targets or numbers of threads"));
}

TEST(CompileTest, LlvmAndAssemblerTextAreShown) {
  const ir::Graph planned = PlanSimply(Read("  input x : f32[64]\n  y = x + 1\n  output y"), BestTarget(), 1);
  const ir::Graph* const graphs[] = {&planned};
  const auto llvm = codegen::ShowLlvm(graphs);
  const auto assembly = codegen::ShowAssembly(graphs);
  ASSERT_THAT(llvm, IsOk());
  ASSERT_THAT(assembly, IsOk());
  EXPECT_THAT(*llvm, testing::HasSubstr("define"));
  EXPECT_THAT(*llvm, testing::HasSubstr("fadd <16 x float>"));
  EXPECT_THAT(*assembly, testing::HasSubstr("gradus_run_0:"));
}

}  // namespace
}  // namespace gradus::testing_support
