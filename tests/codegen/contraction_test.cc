#include "codegen/contraction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "codegen/contraction_loops.h"
#include "tests/codegen/contraction_harness.h"

namespace gradus::codegen {
namespace {

using ir::DType;
using ir::Isa;

ir::Target TargetOf(Isa isa) {
  ir::Target target;
  target.isa = isa;
  return target;
}

float MultiplyAdd(float a, float b, float c) { return std::fma(a, b, c); }
double MultiplyAdd(double a, double b, double c) { return std::fma(a, b, c); }
int32_t MultiplyAdd(int32_t a, int32_t b, int32_t c) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) * static_cast<uint32_t>(b) + static_cast<uint32_t>(c));
}
int64_t MultiplyAdd(int64_t a, int64_t b, int64_t c) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b) + static_cast<uint64_t>(c));
}

int64_t Offset(const AxisStep& s, int64_t i) {
  return s.panel == 0 ? i * s.step : i / s.panel * s.panel_step + i % s.panel * s.step;
}

// Calls f(offset a, offset b, offsets of outputs, sum of sides) for every index of the loops, the last loop fastest.
template <typename F>
void ForEach(const std::vector<ContractionLoop>& loops, size_t depth, int64_t a, int64_t b,
             std::vector<int64_t> outputs, int64_t sides, const F& f) {
  if (depth == loops.size()) return f(a, b, outputs, sides);
  const ContractionLoop& loop = loops[depth];
  for (int64_t i = 0; i < loop.extent; ++i) {
    std::vector<int64_t> next = outputs;
    for (size_t o = 0; o < next.size(); ++o) next[o] += Offset(loop.outputs[o], i);
    ForEach(loops, depth + 1, a + Offset(loop.a, i), b + Offset(loop.b, i), next, sides + loop.side * i, f);
  }
}

// The canonical order, written down once more in the plainest way.
template <typename T>
T SumOf(const std::vector<std::pair<T, T>>& terms, const ContractionSpec& spec) {
  const int64_t k = static_cast<int64_t>(terms.size());
  if (spec.lanes16) {
    T lanes[16] = {};
    for (int64_t i = 0; i < k; ++i) lanes[i % 16] = MultiplyAdd(terms[i].first, terms[i].second, lanes[i % 16]);
    for (int half = 8; half >= 1; half /= 2) {
      for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
    return lanes[0];
  }
  const int64_t length = (k + spec.slices - 1) / spec.slices;
  T sum = 0;
  for (int64_t slice = 0; slice < spec.slices; ++slice) {
    T chain = 0;
    for (int64_t i = slice * length; i < std::min(k, (slice + 1) * length); ++i) {
      chain = MultiplyAdd(terms[i].first, terms[i].second, chain);
    }
    sum = slice == 0 ? chain : sum + chain;
  }
  return sum;
}

template <typename T>
void Reference(const ContractionSpec& spec, const T* a, const T* b, T* c, const T* second) {
  std::vector<ContractionLoop> free = spec.batch;
  free.insert(free.end(), spec.rows.begin(), spec.rows.end());
  free.insert(free.end(), spec.columns.begin(), spec.columns.end());
  const std::vector<int64_t> origin(spec.outputs, 0);
  ForEach(free, 0, 0, 0, origin, 0, [&](int64_t ia, int64_t ib, const auto& outputs, int64_t sides) {
    std::vector<std::pair<T, T>> terms;
    ForEach(spec.contracted, 0, ia, ib, {}, sides, [&](int64_t ka, int64_t kb, const auto&, int64_t difference) {
      if (spec.lower <= difference && difference <= spec.upper) terms.emplace_back(a[ka], b[kb]);
    });
    T sum = SumOf(terms, spec);
    if (second != nullptr) sum += second[outputs[1]];
    c[outputs[0]] = sum;
  });
}

// What no term reads becomes not a number.
template <typename T>
void Spoil(const ContractionSpec& spec, T* a, int64_t a_size, T* b, int64_t b_size) {
  std::vector<bool> read_a(a_size), read_b(b_size);
  std::vector<ContractionLoop> all;
  for (const auto* group : {&spec.batch, &spec.rows, &spec.columns, &spec.contracted}) {
    all.insert(all.end(), group->begin(), group->end());
  }
  ForEach(all, 0, 0, 0, {}, 0, [&](int64_t ia, int64_t ib, const auto&, int64_t difference) {
    if (spec.lower <= difference && difference <= spec.upper) read_a[ia] = read_b[ib] = true;
  });
  const T nan = std::numeric_limits<T>::quiet_NaN();
  for (int64_t i = 0; i < a_size; ++i) a[i] = read_a[i] ? a[i] : nan;
  for (int64_t i = 0; i < b_size; ++i) b[i] = read_b[i] ? b[i] : nan;
}

int64_t Reach(const std::vector<const ContractionLoop*>& loops,
              const std::function<AxisStep(const ContractionLoop&)>& which) {
  int64_t reach = 1;
  for (const ContractionLoop* loop : loops) {
    const AxisStep s = which(*loop);
    // The last panel is as wide as the others.
    reach += s.panel == 0 ? (loop->extent - 1) * s.step
                          : (loop->extent - 1) / s.panel * s.panel_step + (s.panel - 1) * s.step;
  }
  return reach;
}

template <typename T>
void Check(const ContractionSpec& spec, Isa isa, TestEpilogue epilogue, absl::Span<const int64_t> threads) {
  std::vector<const ContractionLoop*> loops;
  for (const auto* group : {&spec.batch, &spec.rows, &spec.columns, &spec.contracted}) {
    for (const ContractionLoop& loop : *group) loops.push_back(&loop);
  }
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  auto filled = [&](int64_t elements) {
    auto bytes = std::make_unique<GuardedBytes>(elements * sizeof(T));
    for (int64_t i = 0; i < elements; ++i) {
      static_cast<T*>(bytes->data())[i] =
          std::is_integral_v<T> ? static_cast<T>(random()) : static_cast<T>(normal(random));
    }
    return bytes;
  };
  const int64_t a_size = Reach(loops, [](const auto& l) { return l.a; });
  const int64_t b_size = Reach(loops, [](const auto& l) { return l.b; });
  const auto a = filled(a_size), b = filled(b_size);
  if (spec.banded()) Spoil(spec, static_cast<T*>(a->data()), a_size, static_cast<T*>(b->data()), b_size);
  auto output = [](int o) {
    return
        [o](const ContractionLoop& l) { return o < static_cast<int>(l.outputs.size()) ? l.outputs[o] : AxisStep(0); };
  };
  const int64_t elements = Reach(loops, output(0));
  const auto second = filled(spec.outputs > 1 ? Reach(loops, output(1)) : 1);
  const T* second_data = epilogue == TestEpilogue::kNone ? nullptr : static_cast<const T*>(second->data());
  std::vector<T> expected(elements, T(77));
  Reference<T>(spec, static_cast<T*>(a->data()), static_cast<T*>(b->data()), expected.data(), second_data);
  const CompiledContraction compiled(spec, TargetOf(isa), epilogue);
  for (int64_t count : threads) {
    GuardedBytes c(elements * sizeof(T));
    std::fill_n(static_cast<T*>(c.data()), elements, T(77));
    compiled.Run(a->data(), b->data(), c.data(), second_data, count);
    ASSERT_EQ(std::memcmp(c.data(), expected.data(), elements * sizeof(T)), 0)
        << "threads " << count << " " << ir::Name(isa) << ": first " << static_cast<T*>(c.data())[0] << " expected "
        << expected[0];
  }
}

// One contraction of m x k by k x n, operands and result row-major, transposed where said.
ContractionSpec Matmul(DType type, int64_t m, int64_t n, int64_t k, bool a_transposed, bool b_transposed) {
  ContractionSpec spec;
  spec.type = type;
  spec.rows = {{m, a_transposed ? 1 : k, 0, {n}}};
  spec.columns = {{n, 0, b_transposed ? k : 1, {1}}};
  spec.contracted = {{k, a_transposed ? m : 1, b_transposed ? 1 : n, {0}}};
  return spec;
}

// Adds a second output that is broadcast along the rows: a bias.
void AddBias(ContractionSpec& spec) {
  spec.outputs = 2;
  for (auto* loops : {&spec.batch, &spec.rows, &spec.columns, &spec.contracted}) {
    for (ContractionLoop& loop : *loops) loop.outputs.push_back(loops == &spec.columns ? loop.outputs[0] : AxisStep(0));
  }
}

constexpr Isa kIsas[] = {Isa::kAvx512, Isa::kAvx2, Isa::kBaseline};

TEST(Contraction, SmallShapesHaveTheCanonicalBits) {
  std::mt19937 random(1);
  for (int turn = 0; turn < 60; ++turn) {
    auto extent = [&] { return static_cast<int64_t>(1 + random() % 70); };
    ContractionSpec spec =
        Matmul(turn % 2 ? DType::kF32 : DType::kF64, extent(), extent(), extent(), random() % 2, random() % 2);
    const TestEpilogue epilogue = turn % 3 == 0 ? TestEpilogue::kAddSecond : TestEpilogue::kNone;
    if (epilogue == TestEpilogue::kAddSecond) AddBias(spec);
    for (Isa isa : {kIsas[turn % 2], kIsas[turn % 3]}) {
      SCOPED_TRACE(testing::Message() << turn << ": " << spec.rows[0].extent << "x" << spec.contracted[0].extent << "x"
                                      << spec.columns[0].extent);
      if (turn % 2) {
        ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, epilogue, {1, 2, 3, 7}));
      } else {
        ASSERT_NO_FATAL_FAILURE(Check<double>(spec, isa, epilogue, {1, 2, 3, 7}));
      }
    }
  }
}

// An einsum with axes of every kind in random order in every operand.
ContractionSpec RandomEinsum(std::mt19937& random, DType type, int64_t largest) {
  ContractionSpec spec;
  spec.type = type;
  auto fill = [&](std::vector<ContractionLoop>& loops, int most, int least) {
    const int count = least + static_cast<int>(random() % (most - least + 1));
    for (int i = 0; i < count; ++i) {
      loops.push_back({static_cast<int64_t>(1 + random() % largest), 0, 0, {0}});
    }
  };
  fill(spec.batch, 2, 0);
  fill(spec.rows, 2, 0);
  fill(spec.columns, 2, 0);
  fill(spec.contracted, 2, 1);
  auto lay_out = [&](std::vector<std::vector<ContractionLoop>*> groups,
                     const std::function<AxisStep&(ContractionLoop&)>& which) {
    std::vector<ContractionLoop*> loops;
    for (auto* group : groups) {
      for (ContractionLoop& loop : *group) loops.push_back(&loop);
    }
    if (random() % 3 != 0) std::shuffle(loops.begin(), loops.end(), random);
    int64_t step = random() % 8 == 0 ? 2 : 1;
    for (size_t i = loops.size(); i-- > 0;) {
      which(*loops[i]).step = step;
      step *= loops[i]->extent;
      if (random() % 4 == 0) step += 3;
    }
  };
  lay_out({&spec.batch, &spec.rows, &spec.contracted}, [](ContractionLoop& l) -> AxisStep& { return l.a; });
  lay_out({&spec.batch, &spec.columns, &spec.contracted}, [](ContractionLoop& l) -> AxisStep& { return l.b; });
  lay_out({&spec.batch, &spec.rows, &spec.columns}, [](ContractionLoop& l) -> AxisStep& { return l.outputs[0]; });
  return spec;
}

TEST(Contraction, EveryEinsumHasTheCanonicalBits) {
  std::mt19937 random(2);
  for (int turn = 0; turn < 100; ++turn) {
    ContractionSpec spec = RandomEinsum(random, DType::kF32, 12);
    if (turn >= 80) spec.slices = 2 + turn % 3;
    const TestEpilogue epilogue = turn % 3 == 0 ? TestEpilogue::kAddSecond : TestEpilogue::kNone;
    if (epilogue == TestEpilogue::kAddSecond) AddBias(spec);
    SCOPED_TRACE(testing::Message() << "turn " << turn);
    ASSERT_NO_FATAL_FAILURE(Check<float>(spec, kIsas[turn % 2], epilogue, {1, 3}));
  }
}

// Bounds two of the loops.
void AddBand(std::mt19937& random, ContractionSpec& spec) {
  std::vector<ContractionLoop*> loops;
  for (auto* group : {&spec.batch, &spec.rows, &spec.columns, &spec.contracted}) {
    for (ContractionLoop& loop : *group) loops.push_back(&loop);
  }
  if (loops.size() < 2) return;
  std::shuffle(loops.begin(), loops.end(), random);
  loops[0]->side = 1;
  loops[1]->side = -1;
  const int64_t longest = std::max(loops[0]->extent, loops[1]->extent);
  auto bound = [&] { return static_cast<int64_t>(random() % (longest + 2)) - longest / 2; };
  const int64_t x = bound(), y = bound();
  if (random() % 3 != 0) spec.upper = std::max(x, y);
  if (random() % 3 == 0 || spec.upper == ir::kNoBound) spec.lower = std::min(x, y);
}

TEST(Contraction, BandsOfEveryEinsumHaveTheCanonicalBits) {
  std::mt19937 random(3);
  for (int turn = 0; turn < 120; ++turn) {
    ContractionSpec spec = RandomEinsum(random, turn % 4 == 3 ? DType::kF64 : DType::kF32, 12);
    AddBand(random, spec);
    const TestEpilogue epilogue = turn % 3 == 0 ? TestEpilogue::kAddSecond : TestEpilogue::kNone;
    if (epilogue == TestEpilogue::kAddSecond) AddBias(spec);
    SCOPED_TRACE(testing::Message() << "turn " << turn);
    if (spec.type == DType::kF64) {
      ASSERT_NO_FATAL_FAILURE(Check<double>(spec, kIsas[turn / 4 % 3], epilogue, {1, 3}));
    } else {
      ASSERT_NO_FATAL_FAILURE(Check<float>(spec, kIsas[turn % 2], epilogue, {1, 2, 7}));
    }
  }
}

// einsum "a,b->result", operands and result row-major, with the band lower <= k - q <= upper.
ContractionSpec Banded(DType type, const std::string& a, const std::string& b, const std::string& result,
                       const std::map<char, int64_t>& extents, int64_t lower, int64_t upper) {
  auto step = [&](const std::string& letters, char letter) {
    int64_t elements = 1;
    const size_t at = letters.find(letter);
    if (at == std::string::npos) return int64_t{0};
    for (size_t i = at + 1; i < letters.size(); ++i) elements *= extents.at(letters[i]);
    return elements;
  };
  auto loop = [&](char letter) {
    const int64_t side = letter == 'k' ? 1 : letter == 'q' ? -1 : 0;
    return ContractionLoop{extents.at(letter), step(a, letter), step(b, letter), {step(result, letter)}, side};
  };
  auto has = [](const std::string& letters, char letter) { return letters.find(letter) != std::string::npos; };
  ContractionSpec spec;
  spec.type = type;
  spec.lower = lower;
  spec.upper = upper;
  for (char letter : result) {
    auto& group = !has(b, letter) ? spec.rows : !has(a, letter) ? spec.columns : spec.batch;
    group.push_back(loop(letter));
  }
  for (char letter : a) {
    if (!has(result, letter)) spec.contracted.push_back(loop(letter));
  }
  return spec;
}

struct Product {
  const char *a, *b, *result;
};
// Scores, output, and the gradients by probabilities, values, queries and keys, of plain and of grouped heads.
constexpr Product kAttention[] = {
    {"nqhd", "nkhd", "nhqk"},   {"nhqk", "nkhd", "nqhd"},   {"nhqk", "nqhd", "nkhd"},
    {"nqhgd", "nkhd", "nhgqk"}, {"nhgqk", "nkhd", "nqhgd"}, {"nhgqk", "nqhgd", "nkhd"},
};

TEST(Contraction, TheProductsOfAttentionAreTiles) {
  for (const Product& p : kAttention) {
    for (int64_t t : {64, 256, 1024}) {
      for (int64_t d : {32, 64}) {
        const ContractionSpec spec =
            Banded(DType::kF32, p.a, p.b, p.result, {{'n', 2}, {'h', 3}, {'g', 2}, {'q', t}, {'k', t}, {'d', d}},
                   -ir::kNoBound, 0);
        for (Isa isa : kIsas) {
          const ContractionLoops loops = Normalize(spec, TargetOf(isa), false);
          EXPECT_EQ(loops.method, ContractionMethod::kTiles) << p.a << " " << p.b;
          EXPECT_EQ(loops.banded, std::string(p.result).back() == 'k' ? BandedAxis::kColumns : BandedAxis::kTerms);
          EXPECT_NE(loops.row.side, 0);
        }
      }
    }
  }
}

TEST(Contraction, TheProductsOfAttentionHaveTheCanonicalBits) {
  std::mt19937 random(5);
  int turn = 0;
  for (const Product& p : kAttention) {
    for (int round = 0; round < 8; ++round, ++turn) {
      const int64_t q = 1 + random() % 100, k = round % 2 == 0 ? q : 1 + random() % 100;
      const std::map<char, int64_t> extents = {{'n', 2}, {'h', 2}, {'g', 2},
                                               {'q', q}, {'k', k}, {'d', 1 + random() % 80}};
      const int64_t upper = round < 3 ? 0 : static_cast<int64_t>(random() % 40) - 20;
      ContractionSpec spec = Banded(turn % 4 == 3 ? DType::kF64 : DType::kF32, p.a, p.b, p.result, extents,
                                    round % 4 == 2 ? upper - static_cast<int64_t>(random() % 30) : -ir::kNoBound,
                                    round == 7 ? ir::kNoBound : upper);
      if (round == 7) spec.lower = -3;
      const TestEpilogue epilogue = turn % 3 == 0 ? TestEpilogue::kAddSecond : TestEpilogue::kNone;
      if (epilogue == TestEpilogue::kAddSecond) AddBias(spec);
      SCOPED_TRACE(testing::Message() << turn << ": " << p.a << "," << p.b << " q " << q << " k " << k << " band "
                                      << spec.lower << " to " << spec.upper);
      const Isa isa = kIsas[turn % 7 == 0 ? 2 : turn % 2];
      if (spec.type == DType::kF64) {
        ASSERT_NO_FATAL_FAILURE(Check<double>(spec, isa, epilogue, {1, 2, 3, 7}));
      } else {
        ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, epilogue, {1, 2, 3, 7}));
      }
    }
  }
}

TEST(Contraction, SharesOfABandAreOfEqualWork) {
  const int64_t t = 500, d = 32;
  for (const Product& p : {Product{"qd", "kd", "qk"}, {"qk", "kd", "qd"}, {"qk", "qd", "kd"}}) {
    const ContractionSpec spec =
        Banded(DType::kF32, p.a, p.b, p.result, {{'q', t}, {'k', t}, {'d', d}}, -ir::kNoBound, 0);
    const std::vector<float> a(t * t, 1), b(t * t, 1);
    const CompiledContraction compiled(spec, TargetOf(Isa::kAvx512), TestEpilogue::kNone);
    std::vector<uint8_t> scratch(compiled.scratch_bytes() + 64);
    void* aligned = scratch.data() + (64 - reinterpret_cast<uintptr_t>(scratch.data()) % 64) % 64;
    for (const int64_t threads : {2, 3, 7}) {
      const double mean = static_cast<double>(d * t * (t + 1) / 2) / static_cast<double>(threads);
      for (int64_t thread = 0; thread < threads; ++thread) {
        std::vector<float> c(t * t, -1);
        compiled.function()(a.data(), b.data(), c.data(), nullptr, aligned, thread, threads);
        // Of ones, an element is the number of its terms.
        double work = 0;
        for (const float element : c) work += std::max(0.0f, element);
        EXPECT_NEAR(work / mean, 1, 0.15) << p.result << ", thread " << thread << " of " << threads;
      }
    }
  }
}

TEST(Contraction, BandsReachOverBlocksOfTheContractedAxis) {
  for (Isa isa : {Isa::kAvx512, Isa::kAvx2}) {
    for (const auto& [lower, upper] : {std::pair<int64_t, int64_t>{-ir::kNoBound, 0}, {-5, 2}, {-3, ir::kNoBound}}) {
      for (const auto& [q, k, b] : {std::tuple{60, 2300, "kd"}, {2300, 60, "dk"}, {1100, 1100, "kd"}}) {
        const std::map<char, int64_t> extents = {{'q', q}, {'k', k}, {'d', 10}};
        ContractionSpec spec = Banded(DType::kF32, "qk", b, "qd", extents, lower, upper);
        ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kNone, {2}));
        AddBias(spec);
        ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kAddSecond, {3}));
      }
    }
  }
}

TEST(Contraction, IntegersWrap) {
  Check<int32_t>(Matmul(DType::kI32, 13, 37, 20, false, true), Isa::kAvx512, TestEpilogue::kNone, {1, 2});
  Check<int64_t>(Matmul(DType::kI64, 13, 37, 20, true, false), Isa::kAvx2, TestEpilogue::kNone, {1, 2});
  Check<int64_t>(Matmul(DType::kI64, 3, 7, 70, false, false), Isa::kBaseline, TestEpilogue::kNone, {1});
}

TEST(Contraction, LanesAndSlicesAreAddedInTheirOrder) {
  for (Isa isa : kIsas) {
    for (int64_t k : {64, 65, 100, 1000}) {
      for (auto [m, n] : {std::pair<int64_t, int64_t>{1, 1}, {1, 33}, {4, 20}, {50, 3}}) {
        for (bool transposed : {false, true}) {
          ContractionSpec spec = Matmul(DType::kF32, m, n, k, transposed, !transposed);
          spec.lanes16 = true;
          ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kNone, {1, 2}));
        }
      }
    }
  }
  for (Isa isa : {Isa::kAvx512, Isa::kAvx2}) {
    for (int64_t slices : {2, 3, 16}) {
      ContractionSpec spec = Matmul(DType::kF32, 13, 70, 2100, slices == 3, slices == 2);
      spec.slices = slices;
      ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kNone, {1, 2, 3}));
      AddBias(spec);
      ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kAddSecond, {1, 7}));
    }
  }
}

TEST(Contraction, BlocksOfTheContractedAxisDoNotChangeBits) {
  for (Isa isa : {Isa::kAvx512, Isa::kAvx2}) {
    ContractionSpec spec = Matmul(DType::kF32, 40, 130, 2500, false, isa == Isa::kAvx2);
    ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kNone, {2}));
    AddBias(spec);
    ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kAddSecond, {3}));
    spec = Matmul(DType::kF32, 150, 70, 2100, true, true);  // more rows than wait for a panel of the last block
    spec.slices = 16;
    ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kNone, {2}));
  }
}

// Batch and time, which a has in one order and b in the other; slices end within a turn of the outer one.
TEST(Contraction, ContractedAxesInTwoOrdersHaveTheCanonicalBits) {
  const int64_t batch = 5, time = 44, m = 70, n = 130;
  for (Isa isa : {Isa::kAvx512, Isa::kAvx2}) {
    for (int64_t slices : {1, 2, 3}) {
      ContractionSpec spec;
      spec.slices = slices;
      spec.rows = {{m, 1, 0, {n}}};
      spec.columns = {{n, 0, 1, {1}}};
      spec.contracted = {{batch, time * m, n, {0}}, {time, m, batch * n, {0}}};
      ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kNone, {1, 2, 3}));
      AddBias(spec);
      ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kAddSecond, {1, 3}));
    }
  }
}

// Rows of two loops that do not collapse, of which b, transposed, has neither: one panel serves all turns of the outer.
TEST(Contraction, APackedPanelServesEveryTurnOfTheRows) {
  const int64_t outer = 6, rows = 9, n = 70, k = 33;
  for (Isa isa : {Isa::kAvx512, Isa::kAvx2}) {
    ContractionSpec spec;
    spec.rows = {{outer, k, 0, {n}}, {rows, outer * k, 0, {outer * n}}};
    spec.columns = {{n, 0, k, {1}}};
    spec.contracted = {{k, 1, 1, {0}}};
    ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kNone, {1, 2, 5, 7}));
    spec.batch = {{3, outer * rows * k, n * k, {outer * rows * n}}};
    ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kNone, {1, 2, 5, 7}));
  }
}

TEST(Contraction, OperandsAndResultsMayLieInPanels) {
  for (Isa isa : {Isa::kAvx512, Isa::kAvx2}) {
    for (int64_t n : {10, 64, 80, 130}) {
      const int64_t m = 23, k = 40;
      const int64_t panel = ir::PackedPanelColumns(DType::kF32, n, TargetOf(isa));
      ContractionSpec spec = Matmul(DType::kF32, m, n, k, false, false);
      spec.columns[0].b = AxisStep(1, panel, panel * k);  // a packed right operand
      spec.contracted[0].b = panel;
      ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kNone, {1, 3}));
      spec = Matmul(DType::kF32, m, k, n, false, true);  // the same weight, transposed
      spec.columns[0].b = panel;
      spec.contracted[0].b = AxisStep(1, panel, panel * k);
      ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kNone, {1, 3}));
      spec = Matmul(DType::kF32, k, n, m, true, false);  // its gradient, written where it lies
      spec.rows[0].outputs[0] = panel;
      spec.columns[0].outputs[0] = AxisStep(1, panel, panel * k);
      AddBias(spec);
      ASSERT_NO_FATAL_FAILURE(Check<float>(spec, isa, TestEpilogue::kAddSecond, {1, 3}));
    }
  }
}

}  // namespace
}  // namespace gradus::codegen
