// Reverse-mode differentiation of the statements of a graph or a region: what passes/differentiate.h does, and does
// again for the bodies of scans and branches. Only differentiate*.cc include this.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "ir/builder.h"
#include "ir/control.h"
#include "ir/expr.h"
#include "passes/differentiate.h"
#include "passes/gradient_paths.h"

namespace gradus::passes {

WrittenAdjoint Written(const ir::Expr& expr);

class Differentiator {
 public:
  struct Task {
    ir::Region& forward;       // whose values are differentiated
    const ir::Statement* end;  // the first statement that is no part of it; null: all are
    ir::Uses uses;             // of its values
    GradientPaths paths;
    std::vector<const ir::Value*> targets;  // by which is differentiated
    ir::NameTable& names;
    std::string prefix;   // `d`, `d2`
    std::string section;  // of what is written
    size_t limit;         // of statements
    GradientRecord* record = nullptr;
  };
  // A Dot whose contribution to the adjoint of `operand` waits until the loop around it is over.
  struct Waiting {
    const ir::Statement* dot;
    int operand;
    ir::Expr g;
  };

  // Statements are written to `fresh`.
  Differentiator(Task task, ir::Region& fresh);

  ir::Builder& builder() { return builder_; }
  // Contractions with these values wait.
  void WaitFor(absl::flat_hash_set<const ir::Value*> values) { waits_ = std::move(values); }
  void Name(const ir::Value* value, std::string adjoint) { adjoints_[value].name = std::move(adjoint); }
  // The adjoint of a root of the paths has `g` as a part.
  void Seed(const ir::Value* root, ir::Expr g);
  absl::Status Run();
  // The adjoint of a target; the symbolic zero where nothing flowed.
  ir::Expr AdjointOf(const ir::Value* target) { return adjoints_[target].total; }
  const std::vector<Waiting>& waiting() const { return waiting_; }
  bool IsFresh(const ir::Value* value);

 private:
  struct Contribution {
    ir::Expr value;
    ir::Note note;
  };
  // A value of the forward part while its adjoint is collected.
  struct Adjoint {
    std::vector<Contribution> contributions;
    ir::Expr total;         // once all contributions are in
    std::string name;       // of the adjoint; empty for that of an unnamed value
    bool taken = false;     // whether a statement has that name already
    bool finished = false;  // whether total is
  };
  // The edges into named operands, which wait until the whole statement has been walked.
  struct Edge {
    const ir::Statement* statement;
    int operand;
    ir::Expr g;
  };
  // The reverse scan, or the branch, while it is made.
  struct LoopGradient {
    ir::Statement& forward;
    ir::Region& body;          // the forward body: that of `forward`, or a copy of it that runs again
    bool again;                // the latter
    ir::NameTable names = {};  // of the values of both bodies
    std::vector<std::unique_ptr<ir::Value>> sequences = {}, carries = {}, captures = {};  // parameters
    std::vector<ir::Value*> sequence_operands = {}, carry_operands = {}, capture_operands = {};
    ir::ValueMap resolved = {};  // values of the forward body as the backward body sees them
    std::vector<std::unique_ptr<ir::Statement>> computed = {};  // what is computed again
    ir::Region fresh = {};                                      // the gradient of the body
  };

  // --- differentiate.cc
  ir::Note NoteOf(const ir::Value& value) const;
  bool Nests(const ir::Value* value) const;
  void DifferentiateRoot(const ir::Statement& root);
  void Walk(const ir::Statement& s, std::vector<Edge>& edges);
  ir::Expr IncomingGradient(const ir::Statement& s);
  ir::Expr FullAdjoint(const ir::Value* value);
  void Flow(const ir::Statement& s, int operand, ir::Expr g);
  void Contribute(const ir::Statement& s, int operand, ir::Expr contribution, bool waits = false);
  ir::Expr Sum(const ir::Value* value);
  void Finish(const ir::Value* value, ir::Expr total);
  bool ReadsParameter(const ir::Value& value) const;
  void TakeName(const ir::Expr& expr, Adjoint& adjoint);
  void ReserveNames();
  std::string Unique(const std::string& name);
  ir::Value* Nameless(const ir::Expr& expr);
  bool IsTarget(const ir::Value* value) const;

  // --- differentiate_custom.cc
  ir::Expr CustomGradient(const ir::Statement& s, int operand, ir::Expr g);
  ir::Value* InRegion(const ir::Region& region, const ir::Value* value, const ir::Expr& g, ir::ValueMap& map);
  void CopyInto(const ir::Region& region, const ir::Statement& statement, const ir::Expr& g, ir::ValueMap& map);
  bool WithoutLiteral(const ir::Region& region, const ir::Statement& statement, const ir::Expr& g, ir::ValueMap& map);

  // The values of a copied body and those that they are copies of, with what stands in the bodies below.
  struct BodyPairs {
    BodyPairs() = default;
    BodyPairs(const ir::Region& copy, const ir::Region& original) { Add(copy, original); }
    void Add(const ir::Region& copy, const ir::Region& original);
    const ir::Value* Of(const ir::Value* value) const;
    const ir::Statement* Of(const ir::Statement* statement) const;
    absl::flat_hash_map<const ir::Value*, const ir::Value*> values;
    absl::flat_hash_map<const ir::Statement*, const ir::Statement*> statements;
  };

  // --- differentiate_region.cc
  void DifferentiateRegion(ir::Statement& s);
  void DifferentiateScan(ir::Statement& s, const std::vector<bool>& results);
  void DifferentiateBranch(ir::Statement& s, const std::vector<bool>& results);

  // --- differentiate_record.cc
  void RecordBody(GradientRecord record, const ir::Statement& forward, const BodyPairs& pairs,
                  const ir::Statement& backward, const LoopGradient& loop);
  ir::Value* Kept(ir::Statement& scan, ir::Value* inner, ir::NameTable& inner_names);
  ir::Value* Resolve(LoopGradient& loop, ir::Value* value);
  ir::Value* AddParameter(LoopGradient& loop, std::vector<std::unique_ptr<ir::Value>>& to, const ir::Type& type,
                          const std::string& name);
  ir::Statement* AppendRegion(std::unique_ptr<ir::Statement> statement, ir::NameTable& inner_names);

  Task task_;
  ir::Region& forward_;
  GradientPaths& paths_;
  ir::NameTable& names_;
  ir::Region& fresh_;
  ir::Builder builder_;
  absl::flat_hash_map<const ir::Value*, Adjoint> adjoints_;
  std::vector<const ir::Value*> seeded_;
  absl::flat_hash_map<const ir::Statement*, std::vector<ir::Value*>> inlined_;
  absl::flat_hash_set<const ir::Value*> waits_;
  std::vector<Waiting> waiting_;
  absl::flat_hash_set<const ir::Statement*> is_fresh_;
  size_t seen_ = 0;
};

}  // namespace gradus::passes
