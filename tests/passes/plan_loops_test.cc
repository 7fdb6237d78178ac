// Memory plans of loops and branches: the verifier accepts a sound one and finds what is planted in it.
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "frontend/read_graph.h"
#include "passes/verify_plan.h"
#include "tests/matchers.h"

namespace gradus::passes {
namespace {

using testing_support::FailsWith;
using testing_support::IsOk;

// On two threads. The carries h, q and v are read where the next one is written, so h and v have two places.
constexpr char kPlanned[] =
    R"(graph g numerics 1 frozen target avx512 l1 49152 l2 1048576 threads 2 arena 524288 scratch 0 {
  input xs : f32[4,128,64]
  input p  : bool
  state s  : f32[128,64] = zeros  | arena 0+32768
section forward
  ys : f32[4,128,64], kept : f32[4,128,64], hT : f32[128,64] = scan x in xs carry h = s {
    a = fused(x, h) { yield exp(x + h) }                                  | arena 327680+32768
    barrier
    b, flip = fused(a) { b = flip(a, axis=0); yield b, flip(b, axis=1) }  | arena 32768+32768* 425984+32768/294912
    result = fused(h) { yield h }                                         | arena 163840+32768*
    barrier
    next h = flip
    yield b, result
  }  | arena 32768+131072 163840+131072 425984+32768
  barrier
  zs : f32[4,128,64], g : f32[128,64] = scan y, k in ys, kept reverse carry q = hT capture s {
    t'2 = q * y                                                              | arena 491520+32768
    barrier
    t, add = fused(t'2, s, k) { t = flip(t'2, axis=0); yield t, t + s * k }  | arena 294912+32768* 458752+32768
    barrier
    next q = add
    yield t
  }  | arena 294912+131072 458752+32768
  barrier
  w : f32[128,64] = while carry v = g until less {
    less = fused(v) { yield sum(v, axis=[0, 1]) < 1 }  | arena 65536+1
    barrier
    mul = fused(v) { yield 0.5 * flip(v, axis=0) }     | arena 65600+32768/32768
    barrier
    next v = mul
  }  | arena 65600+32768
  next s = hT
  barrier
  c : f32[128,64] = branch(p, w) {
    mul = fused(w) { u = flip(w, axis=1); yield exp(u) * w }  | arena 32768+32768
    yield mul
  }  | arena 32768+32768
  output zs, c
}
)";

absl::Status Verified(absl::string_view from, absl::string_view to) {
  EXPECT_TRUE(from.empty() || absl::StrContains(kPlanned, from)) << from;
  const std::string text = from.empty() ? kPlanned : absl::StrReplaceAll(kPlanned, {{from, to}});
  const absl::StatusOr<ir::Graph> graph = frontend::ReadGraph("g.gr", text);
  if (!graph.ok()) return graph.status();
  return VerifyPlan(*graph);
}

TEST(VerifyLoopPlanTest, ASoundPlanIsAccepted) { EXPECT_THAT(Verified("", ""), IsOk()); }

struct Plant {
  const char* what;
  const char* from;
  const char* to;
  const char* found;
};

TEST(VerifyLoopPlanTest, PlantedConflictsAreFound) {
  for (const Plant& plant : std::vector<Plant>{
           {"a value of the body in a stack that holds earlier steps", "327680+32768", "32768+32768", ""},
           {"the next carry where the carry is read", "425984+32768/294912", "425984+32768", ""},
           {"the other place of a carry where the body works", "/294912", "/327680", "reads a"},
           {"the other place of a carry in a stack", "/294912", "/65536", ""},
           {"two stacks in one place", "163840", "131072", ""},
           {"what is stacked lies elsewhere", "163840+32768*", "229376+32768*", "does not lie in kept"},
           {"what is stacked has one place for all steps", "163840+32768*", "163840+32768", "does not lie in kept"},
           {"a value of the body over a carry that is read afterwards", "491520", "425984", "next s reads"},
           {"a value of the body where the result of an earlier loop lies", "491520", "163840", "t'2 may overwrite"},
           {"a predicate in a carry", "65536+1", "65600+1", ""},
           {"a while that has one place for what it reads and writes", "65600+32768/32768", "65600+32768", "mul"},
           {"a while that writes where it begins", "65600", "458752", "g"},
           {"a branch that writes where it reads", "| arena 32768+32768\n    yield mul\n  }  | arena 32768+32768",
            "| arena 65600+32768\n    yield mul\n  }  | arena 65600+32768", ""},
           {"a branch over a state, whether it is taken or not",
            "| arena 32768+32768\n    yield mul\n  }  | arena 32768+32768",
            "| arena 0+32768\n    yield mul\n  }  | arena 0+32768", "reads s"},
           {"a branch that computes elsewhere", "yield mul\n  }  | arena 32768+32768",
            "yield mul\n  }  | arena 65536+32768", "does not lie in c"},
           {"an arena that is too small for a body", "arena 524288", "arena 491520", "of an arena of 491520"},
           {"a stack of the wrong size", "294912+131072", "294912+98304", "lies at 294912+98304"}}) {
    EXPECT_THAT(Verified(plant.from, plant.to), FailsWith("the memory plan is wrong")) << plant.what;
    EXPECT_THAT(Verified(plant.from, plant.to), FailsWith(plant.found)) << plant.what;
  }
}

TEST(VerifyLoopPlanTest, MissingBarriersAreFound) {
  for (const char* before :
       {"    b, flip = ", "    next h", "    t, add = ", "    next q", "    mul = fused(v)", "    next v"}) {
    EXPECT_THAT(Verified(absl::StrCat("    barrier\n", before), before), FailsWith("the memory plan is wrong"))
        << before;
  }
}

}  // namespace
}  // namespace gradus::passes
