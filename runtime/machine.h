// What this process may use of the machine: processors and memory, as the affinity mask and the control groups say.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace gradus::runtime {

// The threads that a step should have: the processors of the affinity mask, at most the cgroup's quota rounded up; at
// least 1.
int64_t UsableThreads();
// The processors of the affinity mask alone: beyond this number threads have to take turns.
int64_t UsableProcessors();

// How many more bytes this process can have: what the system has available and what is left of the cgroups' limits and
// of RLIMIT_AS. Nothing where none of them can be read.
struct MemoryLimit {
  int64_t bytes = 0;
  std::string what;  // `the limit of the control group`
};
absl::optional<MemoryLimit> AvailableMemory();

// The high-water mark of resident memory (VmHWM), in bytes; 0 where it cannot be read.
int64_t PeakResidentBytes();

// Seconds since this process started; negative where it cannot be read.
double SecondsSinceProcessStart();

// Processors of a cgroup v2 `cpu.max` (`200000 100000` is 2); nothing for `max` or something else.
absl::optional<double> ParseCpuMax(absl::string_view text);

}  // namespace gradus::runtime
