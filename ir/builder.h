// Appends statements to a region, typed by ir/infer.h.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ir/graph.h"

namespace gradus::ir {

class Builder {
 public:
  // Appends at the end of `region`, or before the position that InsertBefore set.
  explicit Builder(Region& region) : region_(&region) {}
  explicit Builder(Graph& graph) : Builder(graph.body) {}

  // New statements go before `statement` (which must stand in the region); null: to the end.
  void InsertBefore(const Statement* statement);
  void SetNote(Note note) { note_ = std::move(note); }
  void SetSection(std::string section) { section_ = std::move(section); }
  const Note& note() const { return note_; }
  const std::string& section() const { return section_; }
  Region& region() { return *region_; }

  // A statement of one result. Fails with the sentence of InferTypes. `attributes` as the schema of the operation
  // orders them; missing optional ones at the end are filled.
  absl::StatusOr<Value*> Add(Op op, std::vector<Value*> operands, std::vector<AttributeValue> attributes = {});
  // The same for compilers' passes, where a failure is our bug.
  Value* Emit(Op op, std::vector<Value*> operands, std::vector<AttributeValue> attributes = {});
  // A literal. The scalar overload rounds once to `type`; an integer type needs an integral value in range.
  Value* Constant(Tensor value);
  Value* Scalar(DType type, double value);
  Value* ScalarInt(DType type, int64_t value);
  // Declarations.
  Value* Declare(Op op, std::string name, Type type, std::string initializer = "");
  // next state = value.
  Statement* Next(Value* state, Value* value);
  // Any statement, complete but for its position; returns it. Its results must be typed.
  Statement* Append(std::unique_ptr<Statement> statement);

 private:
  Region* region_;
  const Statement* before_ = nullptr;
  Note note_;
  std::string section_;
};

// Names. Unused names are `base`, then `base'2`, `base'3`, …
class NameTable {
 public:
  NameTable() = default;
  explicit NameTable(const Region& region);
  std::string Unique(absl::string_view base);
  bool Contains(absl::string_view name) const { return names_.contains(std::string(name)); }

 private:
  absl::flat_hash_map<std::string, int> names_;
};

// Restores the invariant of ir/graph.h after a pass: names every unnamed value that may not print nested after its
// origin (`d.h` for a value noted `of h` in the backward section, else the name of the first named statement that it
// feeds, with `'2`, …), the same from run to run, and so does what would nest more than 64 deep; splits shared scalar
// literals. Returns whether anything changed. The pass runner calls it after every pass.
bool NameUnnamed(Graph& graph);

// The name that NameUnnamed would give an unnamed value, before it is made unique.
std::string NameAfterOrigin(const Value& value, const Uses& uses);

// Whether an unnamed value with these uses may print nested in its one user; `yield_note` is the note of the statement
// that holds the region, which a nested yield inherits.
bool MayNest(const Value& value, absl::Span<const Use> uses, const Note& yield_note);

}  // namespace gradus::ir
