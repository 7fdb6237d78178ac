#include "ir/threads.h"

#include <algorithm>

#include "ir/blocking.h"
#include "ir/check.h"
#include "ir/contraction.h"
#include "ir/convolution.h"
#include "ir/cost.h"
#include "ir/region.h"
#include "ir/storage.h"

namespace gradus::ir {
namespace {

constexpr int64_t kElements = 8192;
constexpr int64_t kSteps = 65536;

bool IsBelow(Size count, int64_t limit) { return count.ok() && count.value() < limit; }
bool IsSmall(Size elements) { return IsBelow(elements, kElements); }

// The arithmetic of an elementwise statement; none of others.
Size StepsOf(const Statement& s) {
  return IsElementwise(s.op) ? s.results[0]->type.elements() * Size(Steps(s.op)) : Size(0);
}

bool HasFewSteps(const Region& region) {
  Size steps(0);
  for (const auto& s : region.statements) steps = steps + StepsOf(*s);
  return IsBelow(steps, kSteps);
}

}  // namespace

bool RunsOnThreadZero(const Statement& statement) {
  if (statement.op == Op::kDot) return RunsOnOneThread(MultiplyAdds(statement));
  if (statement.op == Op::kConvolution || statement.op == Op::kConvolutionWeights) {
    return RunsOnOneThread(ConvolutionOf(statement).multiply_adds());
  }
  if (statement.region != nullptr && statement.op == Op::kFused) {
    const auto form = ClassifyRegion(*statement.region);
    CHECK(form.ok()) << form.status();
    if (form->dot != nullptr) return RunsOnOneThread(MultiplyAdds(*form->dot)) && IsSmall(ElementCount(form->space));
    return IsSmall(ElementCount(form->space)) && HasFewSteps(*statement.region);
  }
  if (HasBody(statement.op)) {
    const auto& body = statement.region->statements;
    return std::all_of(body.begin(), body.end(), [](const auto& s) { return !IsExecuted(*s) || RunsOnThreadZero(*s); });
  }
  if (!IsBelow(StepsOf(statement), kSteps)) return false;
  for (const auto& result : statement.results) {
    if (!IsSmall(result->type.elements())) return false;
  }
  // What a reduction, a scatter or a `next` reads; a gather reads no more than it writes.
  const bool reads_all = statement.op != Op::kGather && statement.op != Op::kSlice;
  for (const Value* operand : statement.operands) {
    if (reads_all && !IsSmall(operand->type.elements())) return false;
  }
  return true;
}

}  // namespace gradus::ir
