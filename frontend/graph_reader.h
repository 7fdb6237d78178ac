// The state behind frontend/read_graph.h; only read_*.cc include this.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "frontend/ast.h"
#include "frontend/diagnostics.h"
#include "frontend/expression_builder.h"
#include "ir/builder.h"
#include "ir/graph.h"

namespace gradus::frontend {

class GraphReader {
 public:
  GraphReader(ir::Graph& graph, Diagnostics& diagnostics);
  void Read(const ast::Graph& ast);

 private:
  // The names of the graph's body, or of a region: a region sees its parameters and its own values alone.
  struct Scope {
    explicit Scope(ir::Region& region) : builder(region) {}
    ir::Builder builder;
    std::map<std::string, ir::Value*> values;
    std::set<std::string> failed;  // their definitions were wrong: using them is no second error
    bool region = false;
  };

  // --- statements (read_graph.cc)
  void ReadHeader(const ast::Graph& ast);
  void ReadStatement(const ast::Statement& s);
  bool ReadNode(const ast::Statement& s);  // false after an error
  bool ReadDim(const ast::Dim& dim);
  bool ReadDeclaration(const ast::Statement& s, const ast::Declaration& declaration);
  bool ReadAssignment(const ast::Statement& s, const ast::Assignment& assignment);
  bool ReadNext(const ast::Statement& s, const ast::Next& next);
  bool ReadOutput(const ast::Output& output);
  bool ReadBarrier(const ast::Statement& s);
  // Names the results, checks the types that are written, adds aliases and the arena.
  bool Finish(const ast::Statement& s, const ast::Assignment& assignment, ir::Statement& statement);
  bool AddArena(const ast::Statement& s, ir::Statement& statement);
  bool Define(const ast::Identifier& name, ir::Value* value);
  std::optional<ir::Type> ReadType(const ast::TypeExpression& type);
  bool Refuse(SourceRange where, absl::string_view what);

  // --- regions and gradients (read_region.cc)
  ir::Statement* ReadRegion(const ast::Expression& e, const ast::Region& region);
  ir::Statement* ReadGrad(const ast::Expression& e, const ast::Call& call);
  // `nexts` are the carries, whose `next` the block has; `until` is yielded first.
  bool ReadRegionBody(const ast::Block& block, bool one_line, ir::Region& region,
                      const std::vector<ast::Carry>& nexts = {}, const ast::Expression* until = nullptr);
  bool ReadYield(const ast::Expression& e, std::vector<ir::Value*>& yields);
  // A parameter of this type, called `name`, that stands for a value defined at `place`.
  void AddParameter(ir::Region& region, std::string name, ir::Type type, SourceRange place);

  // --- loops (read_loop.cc)
  ir::Statement* ReadScan(const ast::Expression& e, const ast::Scan& scan);
  ir::Statement* ReadWhile(const ast::Expression& e, const ast::While& loop);
  bool ReadCarries(const std::vector<ast::Carry>& carries, ir::Statement& statement, std::vector<Operand>& operands);
  bool ReadCaptures(const std::vector<ast::Identifier>& names, ir::Statement& statement,
                    std::vector<Operand>& operands);

  // Appends a statement whose results InferTypes knows.
  ir::Statement* Append(SourceRange where, std::unique_ptr<ir::Statement> statement,
                        const std::vector<Operand>& operands);
  // The argument of this name, a whole number.
  std::optional<int64_t> NamedInteger(SourceRange where, const std::vector<ast::Argument>& arguments,
                                      absl::string_view name);

  // --- expressions (read_expression.cc)
  std::optional<Operand> ReadExpression(const ast::Expression& e);
  // The same where nothing gives a number its type: `true` and `false` have theirs.
  std::optional<Operand> ReadTyped(const ast::Expression& e);
  std::optional<Operand> ReadName(const ast::Expression& e, const ast::Name& name);
  std::optional<Operand> ReadBinary(const ast::Expression& e, const ast::Binary& binary);
  std::optional<Operand> ReadCall(const ast::Expression& e, const ast::Call& call);
  std::optional<Operand> ReadIndex(const ast::Expression& e, const ast::Index& index);
  std::optional<int64_t> ReadInteger(const ast::Expression& e, absl::string_view what);
  // A value by its name alone.
  ir::Value* ReadValue(const ast::Expression& e, absl::string_view what);
  ir::Value* Find(const std::string& name, SourceRange where);
  std::optional<Operand> Result(const ast::Expression& e, ir::Value* value);

  ir::Graph& graph_;
  Diagnostics& diagnostics_;
  Scope body_;
  Scope* scope_;
  ExpressionBuilder expressions_;
  std::map<std::string, int64_t> dims_;
  absl::flat_hash_map<const ir::Value*, SourceRange> places_;
  std::map<std::string, SourceRange> later_;  // where the names of the body are defined, for a use before that
};

// Where a statement comes from, by its note.
ir::Note NoteOf(const std::optional<ast::Note>& note);

}  // namespace gradus::frontend
