// Where the arena of a planned graph goes: bytes by kind, and what is live when most is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace gradus::passes {

struct MemoryReport {
  struct Entry {
    std::string name;  // of the value; of several that share its place, the first
    int64_t offset = 0;
    int64_t bytes = 0;
  };
  int64_t state_bytes = 0;      // params and states
  int64_t temporary_bytes = 0;  // arena_bytes - state_bytes
  int64_t arena_bytes = 0;
  int64_t scratch_bytes = 0;  // of each thread
  int64_t live_bytes = 0;     // of temporaries, at the peak: no plan can do with less
  std::string peak;           // the statement at which most is live
  std::vector<Entry> live;    // there, by descending size
};
MemoryReport ReportMemory(const ir::Graph& graph);
std::string ToString(const MemoryReport& report);

}  // namespace gradus::passes
