// Whether two kernels may join: not where a third one stands on a way between them, for the two would then wait for
// each other.
//
// Groups keep a topological order while they join, a label each (Pearce and Kelly, A dynamic topological sort algorithm
// for directed acyclic graphs, ACM JEA 11, 2006, with labels that have gaps between them). A search sees only what lies
// between its two ends in that order, goes from both ends at once and ends with the smaller side: what a join costs
// does not grow with the program. Where there is a way, as from a layer to its gradient through all layers behind it, a
// tree of the ways that a walk through the program finds first mostly knows one, and nothing is searched.
#pragma once

#include <cstdint>
#include <vector>

#include "passes/fuse_groups.h"

namespace gradus::passes {

class GroupOrder {
 public:
  static constexpr int kNone = -1;
  // Neither side of a search ended within kMaxSteps: the kernels are taken for ones that cannot join.
  static constexpr int kTooFar = -2;

  // `name` asks for the blocking group that is first in the text, where it is near, and not just for one.
  GroupOrder(const Groups& groups, bool name);

  // A third group on a way from a to b or from b to a, kNone or kTooFar.
  int Between(int a, int b);
  // Whether b reads what a computes, or a what b computes, directly or through others; true where it is too far to see.
  bool AreOrdered(int a, int b);
  // Before groups.Join(a, b), where Between is kNone.
  void Join(int a, int b);

  // Readers and operands looked at so far: what tests hold against the size of the program.
  int64_t steps() const { return steps_; }

 private:
  static constexpr int kMaxSteps = 4096;
  static constexpr int kMaxNameSteps = 1024;
  static constexpr int kMaxLooks = 256;  // in the tree
  static constexpr int kTurn = 32;       // neighbours that one side looks at before it is the other's turn
  static constexpr int64_t kGap = int64_t{1} << 32;

  // One direction of a search: the groups after `start`, or before it.
  struct Side {
    bool forward = true;
    int start = 0;
    std::vector<int> found;  // without the start
    std::vector<int64_t>* marks = nullptr;
    // The group that is being looked at, and how far: one may have as many readers as there are groups.
    int group = 0;
    size_t member = 0, neighbour = 0;
    size_t expanded = 0;  // of `found`
    bool exhausted = false;
    int steps = 0;
  };
  struct Meeting {
    int group = kNone;  // on a way, or kTooFar
    bool direct = false;
  };

  // What the tree of ways that were found first knows: the nodes of its branch above a node are those in [first, last].
  struct Branch {
    int first = 0, last = 0;
  };
  void GrowTree();
  bool Leads(int from, int to) const {
    return branch_[from].first <= branch_[to].first && branch_[to].first <= branch_[from].last;
  }
  int BetweenInTree(int a, int b);
  Side MakeSide(bool forward, int start) { return {forward, start, {}, forward ? &after_ : &before_, start}; }
  // Looks at the next few neighbours of a side. Returns a group on a way to the start of the other side, or kNone.
  int Expand(Side& side, const Side& other, bool stop_at_meeting, bool& direct);
  Meeting Search(Side& forward, Side& backward);
  int FirstBetween(int from, int to, int otherwise);
  void Place(const std::vector<int>& moved, int behind);
  void Unlink(int group);
  void Relabel();

  const Groups& groups_;
  const bool name_;
  std::vector<int64_t> label_;
  std::vector<int> next_, previous_;     // by label; the last place is a sentinel before the first and behind the last
  std::vector<int64_t> after_, before_;  // the search that last saw a group
  std::vector<Branch> branch_;
  int64_t search_ = 0;
  int64_t steps_ = 0;
};

}  // namespace gradus::passes
