#include "passes/fuse_order.h"

#include <algorithm>
#include <utility>

#include "ir/check.h"

namespace gradus::passes {

GroupOrder::GroupOrder(const Groups& groups, bool name)
    : groups_(groups),
      name_(name),
      label_(groups.size() + 1),
      next_(groups.size() + 1),
      previous_(groups.size() + 1),
      after_(groups.size(), 0),
      before_(groups.size(), 0),
      branch_(groups.size()) {
  const int size = groups.size();
  for (int i = 0; i <= size; ++i) {
    next_[i] = i == size ? 0 : i + 1;
    previous_[i] = i == 0 ? size : i - 1;
  }
  Relabel();
  GrowTree();
}

// Depth first along the readers of every node, numbered as they are met.
void GroupOrder::GrowTree() {
  std::vector<bool> met(branch_.size(), false);
  std::vector<std::pair<int, size_t>> open;  // a node, and how many of its readers were looked at
  int number = 0;
  const auto meet = [&](int node) {
    met[node] = true;
    branch_[node].first = number++;
    open.emplace_back(node, 0);
  };
  for (int root = 0; root < groups_.size(); ++root) {
    if (!met[root]) meet(root);
    while (!open.empty()) {
      const int node = open.back().first;
      const std::vector<int>& users = groups_.users(node);
      if (open.back().second == users.size()) {
        branch_[node].last = number - 1;
        open.pop_back();
      } else if (const int user = users[open.back().second++]; !met[user]) {
        meet(user);
      }
    }
  }
}

// A third group that a leads to and that leads to b, where the tree knows of one; groups that have joined since have
// only added ways.
int GroupOrder::BetweenInTree(int a, int b) {
  int looks = 0;
  for (const int node : groups_.members(a)) {
    for (const int user : groups_.users(node)) {
      const int group = groups_.group(user);
      if (group == a || group == b) continue;
      for (const int end : groups_.members(b)) {
        ++steps_;
        if (Leads(user, end)) return group;
        if (++looks == kMaxLooks) return kNone;
      }
    }
  }
  return kNone;
}

void GroupOrder::Relabel() {
  const int end = groups_.size();
  int64_t label = 0;
  for (int g = next_[end]; g != end; g = next_[g]) label_[g] = label += kGap;
  label_[end] = label + kGap;
}

int GroupOrder::Expand(Side& side, const Side& other, bool stop_at_meeting, bool& direct) {
  int meeting = kNone;
  for (int turn = 0; turn < kTurn;) {
    const std::vector<int>& members = groups_.members(side.group);
    if (side.member == members.size()) {
      side.exhausted = side.expanded == side.found.size();
      if (side.exhausted) break;
      side.group = side.found[side.expanded++];
      side.member = side.neighbour = 0;
      continue;
    }
    const int node = members[side.member];
    const std::vector<int>& neighbours = side.forward ? groups_.users(node) : groups_.inputs(node);
    if (side.neighbour == neighbours.size()) {
      ++side.member;
      side.neighbour = 0;
      continue;
    }
    const int next = groups_.group(neighbours[side.neighbour++]);
    ++side.steps;
    ++turn;
    if (next == side.group) continue;
    if (next == other.start) {
      if (side.group == side.start) {
        direct = true;
      } else {
        meeting = side.group;
        if (stop_at_meeting) break;
      }
      continue;
    }
    const bool outside = side.forward ? label_[next] > label_[other.start] : label_[next] < label_[other.start];
    if (outside || (*side.marks)[next] == search_) continue;
    (*side.marks)[next] = search_;
    side.found.push_back(next);
    if ((*other.marks)[next] == search_) meeting = next;
    if (stop_at_meeting && meeting != kNone) break;
  }
  return meeting;
}

GroupOrder::Meeting GroupOrder::Search(Side& forward, Side& backward) {
  ++search_;
  Meeting result;
  while (!forward.exhausted && !backward.exhausted) {
    Side& side = forward.steps < backward.steps ? forward : backward;
    result.group = Expand(side, &side == &forward ? backward : forward, true, result.direct);
    if (result.group == kNone && forward.steps + backward.steps > kMaxSteps) result.group = kTooFar;
    if (result.group != kNone) break;
  }
  steps_ += forward.steps + backward.steps;
  return result;
}

// The first group in the text that both sides see in full, `otherwise` where that is too far.
int GroupOrder::FirstBetween(int from, int to, int otherwise) {
  ++search_;
  Side forward = MakeSide(true, from), backward = MakeSide(false, to);
  bool direct = false;
  while (!forward.exhausted && forward.steps <= kMaxNameSteps) Expand(forward, backward, false, direct);
  while (!backward.exhausted && backward.steps <= kMaxNameSteps) Expand(backward, forward, false, direct);
  steps_ += forward.steps + backward.steps;
  if (!forward.exhausted || !backward.exhausted) return otherwise;
  int first = otherwise;
  for (int g : forward.found) {
    if (before_[g] == search_) first = std::min(first, g);
  }
  return first;
}

int GroupOrder::Between(int a, int b) {
  if (label_[a] > label_[b]) std::swap(a, b);
  Side forward = MakeSide(true, a), backward = MakeSide(false, b);
  int group = BetweenInTree(a, b);
  if (group == kNone) group = Search(forward, backward).group;
  return group < 0 || !name_ ? group : FirstBetween(a, b, group);
}

bool GroupOrder::AreOrdered(int a, int b) {
  if (label_[a] > label_[b]) std::swap(a, b);
  if (BetweenInTree(a, b) != kNone) return true;
  Side forward = MakeSide(true, a), backward = MakeSide(false, b);
  const Meeting meeting = Search(forward, backward);
  return meeting.group != kNone || meeting.direct;
}

void GroupOrder::Unlink(int group) {
  next_[previous_[group]] = next_[group];
  previous_[next_[group]] = previous_[group];
}

// Puts groups, in this order, behind another one.
void GroupOrder::Place(const std::vector<int>& moved, int behind) {
  for (int g : moved) {
    Unlink(g);
    const int after = next_[behind];
    next_[behind] = previous_[after] = g;
    previous_[g] = behind;
    next_[g] = after;
    behind = g;
  }
  if (moved.empty()) return;
  const int end = groups_.size(), last = next_[behind];
  const int first = previous_[moved.front()];
  const int64_t low = first == end ? 0 : label_[first];
  const int64_t step = (label_[last] - low) / static_cast<int64_t>(moved.size() + 1);
  if (step == 0) return Relabel();
  int64_t label = low;
  for (int g : moved) label_[g] = label += step;
}

void GroupOrder::Join(int a, int b) {
  const int kept = std::min(a, b), gone = std::max(a, b);
  if (label_[a] > label_[b]) std::swap(a, b);
  Side forward = MakeSide(true, a), backward = MakeSide(false, b);
  CHECK(Search(forward, backward).group == kNone) << "two groups join around a third one";
  // Where all that follows a is known, it goes behind b, and the two are one at b's place; else what b waits for goes
  // before a.
  Side& known = forward.exhausted ? forward : backward;
  const int place = known.forward ? b : a;
  std::vector<int> moved = std::move(known.found);
  std::sort(moved.begin(), moved.end(), [&](int g, int h) { return label_[g] < label_[h]; });
  if (place != kept) {
    // The smaller number goes on, at the place of the other.
    Unlink(kept);
    next_[previous_[place]] = kept;
    previous_[kept] = previous_[place];
    next_[kept] = next_[place];
    previous_[next_[place]] = kept;
    label_[kept] = label_[place];
  } else {
    Unlink(gone);
  }
  Place(moved, known.forward ? kept : previous_[kept]);
}

}  // namespace gradus::passes
