// The pipelines: which passes run, in which order, and why.
#pragma once

#include "passes/backprop.h"
#include "passes/cse.h"
#include "passes/dce.h"
#include "passes/fold.h"
#include "passes/freeze.h"
#include "passes/fuse.h"
#include "passes/hoist.h"
#include "passes/loops.h"
#include "passes/pack.h"
#include "passes/plan.h"
#include "passes/run.h"
#include "passes/schedule.h"
#include "passes/simplify.h"

namespace gradus::passes {

// From a lowered entry (a step, an evaluation, a prediction) to what code is generated from. `show --stage` names the
// last column.
inline constexpr Pass kStepPipeline[] = {
    {"backprop", Backprop, "step", Need::kRequired},         // first: later passes shrink forward and backward together
    {"simplify", Simplify},                                  // before cse, so that equal things look equal
    {"fold", Fold},                                          // after simplify has gathered literals
    {"hoist", HoistInvariants},                              // before cse: what leaves a loop may be known outside
    {"cse", EliminateCommonSubexpressions},                  // adjoints repeat what forward computed
    {"simplify", Simplify},                                  // joined values allow more
    {"dce", EliminateDeadCode},                              // last: earlier passes leave named values behind
    {"freeze", FreezeOrder, "simplified", Need::kRequired},  // from here on no pass may change a bit
    {"pack", PackCaptures},                                  // before fusion, which then sees the panels
    {"fuse", Fuse, "fused"},                                 // kernels
    {"schedule", Schedule, "", Need::kRequired},             // after fusion: it orders kernels
    {"plan", PlanMemory, "plan", Need::kRequired},           // last: it needs the order of everything
};

}  // namespace gradus::passes
