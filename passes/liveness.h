// When the values of a scheduled graph are written and read.
//
// Positions count the statements of the body. Statements between two barriers run at the same time, but for those that
// thread 0 runs alone; so a position is not enough to say that one thing happens before another.
#pragma once

#include <limits>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ir/graph.h"

namespace gradus::passes {

struct Moment {
  int position = 0;    // in the body
  int phase = 0;       // barriers before it
  bool alone = false;  // on thread 0, or there is no other thread
  int strip = -1;      // the run of a scan in strips (ir/strips.h) that it belongs to

  static Moment Start() { return {-1, -1, false}; }
  static Moment End() { return {std::numeric_limits<int>::max(), std::numeric_limits<int>::max(), false}; }
};

// Whether a is over, on every thread, when b begins on any.
inline bool HappensBefore(const Moment& a, const Moment& b) {
  return a.phase < b.phase || (a.phase == b.phase && a.alone && b.alone && a.position < b.position);
}

// The same of two things that happen to the same bytes, where these are a value of the same type: in a scan in strips
// its rows there are the same thread's.
inline bool HappensBeforeInPlace(const Moment& a, const Moment& b) {
  return HappensBefore(a, b) || (a.strip >= 0 && a.strip == b.strip && a.position < b.position);
}

// One a statement of the body (that of the graph, or a lent one). Where threads go through it in strips they are at
// different statements at a time.
std::vector<Moment> Timeline(const ir::Graph& graph, bool in_strips = false);

// The life of a value that the plan places, views of it included: it is written once, by its definition.
struct Life {
  const ir::Value* value = nullptr;
  Moment written;
  std::vector<Moment> reads;  // in text order; an output is read at the End
};

// Every result of an executed statement that has a place, in text order. `next s = v` reads v where it copies; where v
// is computed in the place of s is not known here: the plan leaves such values out.
std::vector<Life> Liveness(const ir::Graph& graph, const std::vector<Moment>& timeline);

}  // namespace gradus::passes
