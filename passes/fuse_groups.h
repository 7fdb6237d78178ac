// The kernels of a graph while they are being joined: a partition of its statements.
#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ir/graph.h"
#include "ir/region.h"

namespace gradus::passes {

class Groups {
 public:
  explicit Groups(const ir::Graph& graph);

  // Nodes are the statements that are work, in text order: all but declarations, scalar literals, and accesses that
  // only regions read.
  int size() const { return static_cast<int>(nodes_.size()); }
  const ir::Statement& statement(int node) const { return *nodes_[node].statement; }
  bool may_fuse(int node) const { return nodes_[node].may_fuse; }
  // The nodes whose values a node reads, through accesses, in the order of its operands.
  const std::vector<int>& inputs(int node) const { return nodes_[node].inputs; }
  const std::vector<int>& users(int node) const { return nodes_[node].users; }
  int group(int node) const { return group_[node]; }
  const std::vector<int>& members(int group) const { return members_[group]; }  // in text order; empty: joined another

  // Counts up whenever a group changes.
  int version(int group) const { return version_[group]; }
  // The result is min(a, b). No third group may stand between them (fuse_order.h).
  void Join(int a, int b);
  // The one group that reads a value of this node, or -1 where there are several or it is an output.
  int OnlyReader(int node) const;
  int NodeOf(const ir::Statement& s) const;   // -1: it is none
  int GroupOf(const ir::Value& value) const;  // where it is computed; -1: nowhere
  // Into a group that depends on the node's.
  void Move(int node, int group);

  // Statements and yields that these groups together would have, accesses and literals included.
  ir::RegionView View(absl::Span<const int> groups) const;

  // The name of a value, or of the statement that it is nested in.
  std::string DisplayName(const ir::Value& value) const;

 private:
  struct Node {
    const ir::Statement* statement = nullptr;
    int position = 0;
    bool may_fuse = false;
    bool escapes = false;  // an output
    std::vector<int> inputs;
    std::vector<int> users;
  };

  void AddInputs(int node, const ir::Value* operand, bool through_accesses);
  void CollectAccesses(const ir::Value* operand, std::vector<const ir::Statement*>& out,
                       absl::flat_hash_map<const ir::Statement*, bool>& seen) const;

  ir::Uses uses_;
  std::vector<Node> nodes_;
  absl::flat_hash_map<const ir::Statement*, int> position_;  // in the text
  absl::flat_hash_map<const ir::Statement*, int> node_of_;
  absl::flat_hash_map<const ir::Statement*, bool> materialized_;  // accesses that are nodes too
  std::vector<int> group_;
  std::vector<int> version_;
  std::vector<std::vector<int>> members_;
};

// A way to read a value rather than work: a region copies it.
bool IsCheapAccess(const ir::Statement& s);

}  // namespace gradus::passes
