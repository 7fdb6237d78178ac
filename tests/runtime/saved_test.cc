// What a scan keeps for its gradient, as `gradus` prints it, is what the plan reserves.
#include "passes/saved.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"
#include "tests/matchers.h"
#include "tests/runtime/program.h"

namespace gradus::runtime {
namespace {

constexpr char kLstm[] = R"(layer cell(n, m) {
  s = 1 / sqrt(m)
  param wx : float[n, 4*m] = uniform(-s, s)
  param wh : float[m, 4*m] = uniform(-s, s)
  param b  : float[4*m] = zeros
  apply(x) {
    gates = x @ wx + b
    zero  = fill(0, [x.shape[0], m])
    ys, hT, cT = scan a in gates axis=1 carry h = zero, c = zero CHECKPOINT {
      i, f, g, o = split(a + h @ wh, 4, axis=-1)
      c1 = sigmoid(f) * c + sigmoid(i) * tanh(g)
      h1 = sigmoid(o) * tanh(c1)
      next h = h1; next c = c1; yield h1
    }
    return ys
  }
}
model m {
  dim B = 32, T = 64, E = 64, H = 128
  input x : float[B,T,E]; input y : float[B,T,H]
  lstm = cell(E, H)
  loss = mse(lstm(x), y)
}
train m { minimize loss; optimizer rmsprop(lr=2e-3); batch B; epochs 1 }
)";

ir::Graph At(const frontend::Module& module, const std::string& stage, int64_t threads) {
  ir::Graph graph = *frontend::Lower(module, {}, frontend::Entry::kStep);
  CompileOptions options;
  options.threads = threads;
  EXPECT_THAT(Transform(graph, options, stage), testing_support::IsOk());
  return graph;
}

// The bytes of the arena under some values: places that overlap count once.
int64_t Reserved(const std::vector<const ir::Value*>& values) {
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (const ir::Value* value : values) {
    EXPECT_TRUE(value->arena.has_value()) << value->name;
    if (value->arena) ranges.emplace_back(value->arena->offset, value->arena->offset + value->arena->bytes);
  }
  std::sort(ranges.begin(), ranges.end());
  int64_t bytes = 0, end = 0;
  for (const auto& [from, to] : ranges) {
    bytes += std::max<int64_t>(0, to - std::max(from, end));
    end = std::max(end, to);
  }
  return bytes;
}

// What the part of the forward scan that runs again within the reverse one has stacked for it.
std::vector<const ir::Value*> StackedAgain(const ir::Graph& planned) {
  std::vector<const ir::Value*> values;
  for (const auto& outer : planned.body.statements) {
    if (outer->op != ir::Op::kScan || outer->section != "backward") continue;
    for (const auto& s : outer->region->statements) {
      if (s->op != ir::Op::kScan || !s->note.of.empty()) continue;
      for (const auto& result : s->results) {
        if (result->type.rank() == 3) values.push_back(result.get());
      }
    }
  }
  return values;
}

struct Kept {
  int64_t printed = 0, printed_again = 0;
  int64_t reserved = 0, reserved_again = 0;
  int64_t arena = 0;
};

Kept KeptBy(const std::string& checkpoint, int64_t threads) {
  const frontend::Module module =
      *frontend::ParseProgram("lstm.gr", absl::StrReplaceAll(kLstm, {{"CHECKPOINT", checkpoint}}));
  Kept kept;
  for (const passes::SavedByScan& one : passes::SavedForGradients(At(module, "step", threads))) {
    kept.printed += one.bytes;
    kept.printed_again += one.again;
  }
  const ir::Graph planned = At(module, "", threads);
  for (const passes::SavedByScan& one : passes::SavedForGradients(planned)) {
    EXPECT_EQ(one.bytes, kept.printed) << "the plan says something else";
    kept.reserved += Reserved(one.values);
  }
  kept.reserved_again = Reserved(StackedAgain(planned));
  kept.arena = planned.arena_bytes;
  return kept;
}

TEST(SavedTest, WhatAScanKeepsIsPrintedExactlyAndIsLessThanAThirdWithCheckpoints) {
  for (const int64_t threads : {1, 2}) {
    const Kept all = KeptBy("", threads), some = KeptBy("checkpoint every 8", threads);
    EXPECT_EQ(all.printed, 7'340'032);  // seven values of a cell in 64 steps
    EXPECT_EQ(all.reserved, all.printed);
    EXPECT_EQ(all.reserved_again, 0);
    EXPECT_EQ(some.reserved, some.printed);
    EXPECT_EQ(some.reserved_again, some.printed_again);
    EXPECT_LT(3 * (some.reserved + some.reserved_again), all.reserved);
    EXPECT_LT(some.arena, all.arena);
  }
}

}  // namespace
}  // namespace gradus::runtime
