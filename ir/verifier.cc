#include "ir/verifier.h"

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ir/builder.h"
#include "ir/control.h"
#include "ir/error.h"
#include "ir/infer.h"
#include "ir/printer.h"
#include "ir/region.h"

namespace gradus::ir {
namespace {

constexpr size_t kMaxStatements = size_t{1} << 20;

std::string Describe(const Statement& s) {
  if (s.op == Op::kNext) return "next";
  for (const auto& result : s.results) {
    if (!result->name.empty()) return result->name;
  }
  return absl::StrCat("an unnamed ", Info(s.op).mnemonic);
}

template <typename... Parts>
absl::Status Wrong(const Statement& s, const Parts&... parts) {
  std::string at;
  if (s.note.line != 0)
    at = absl::StrCat(" (", s.note.file, s.note.file.empty() ? "" : ":", s.note.line, ":", s.note.column, ")");
  return absl::InternalError(absl::StrCat("the graph is malformed at ", Describe(s), at, ": ", parts...));
}

class RegionVerifier {
 public:
  RegionVerifier(const Region& region, const Statement* holder) : region_(region), holder_(holder), uses_(region) {}

  absl::Status Run(absl::Span<const Output> outputs) {
    for (const auto& parameter : region_.parameters) {
      RETURN_IF_ERROR(Define(*holder_, *parameter));
      if (parameter->definition != nullptr) return Wrong(*holder_, "a parameter of its region has a definition");
    }
    bool declarations = holder_ == nullptr;
    for (const auto& statement : region_.statements) {
      if (IsDeclaration(statement->op)) {
        if (!declarations) return Wrong(*statement, "declarations stand first, and only in the body of a graph");
      } else if (statement->op != Op::kConstant) {
        declarations = false;
      }
      RETURN_IF_ERROR(VerifyStatement(*statement));
    }
    for (const Value* yield : region_.yields) {
      if (!defined_.contains(yield)) return Wrong(*holder_, "its region yields a value from outside");
    }
    for (const Output& output : outputs) {
      if (!defined_.contains(output.value))
        return absl::InternalError(absl::StrCat("output ", output.name, " is not defined"));
      if (output.value->name.empty())
        return absl::InternalError(absl::StrCat("output ", output.name, " is an unnamed value"));
    }
    return VerifyNesting();
  }

 private:
  absl::Status Define(const Statement& s, const Value& value) {
    if (!value.name.empty() && !names_.insert(value.name).second) return Wrong(s, "the name ", value.name, " is taken");
    defined_.insert(&value);
    return absl::OkStatus();
  }

  absl::Status VerifyStatement(const Statement& s) {
    for (size_t i = 0; i < s.operands.size(); ++i) {
      if (!defined_.contains(s.operands[i])) return Wrong(s, "operand ", i, " is used before it is defined");
    }
    const absl::StatusOr<std::vector<Type>> types = InferTypes(s);
    if (!types.ok()) return Wrong(s, types.status().message());
    if (types->size() != s.results.size()) return Wrong(s, "has ", s.results.size(), " results, not ", types->size());
    for (size_t i = 0; i < types->size(); ++i) {
      const Value& result = *s.results[i];
      if (result.type != (*types)[i]) {
        return Wrong(s, "is typed ", ToString(result.type), " but computes ", ToString((*types)[i]));
      }
      if (result.definition != &s || result.index != static_cast<int>(i))
        return Wrong(s, "its result points elsewhere");
      RETURN_IF_ERROR(Define(s, result));
    }
    if (s.op == Op::kNext && !next_.insert(s.operands[0]).second)
      return Wrong(s, s.operands[0]->name, " has two nexts");
    if (holder_ != nullptr && !s.section.empty()) return Wrong(s, "sections are for the body of a graph");
    if (s.region != nullptr) {
      absl::flat_hash_set<const Value*> captures;
      for (size_t i = RegionOperandsOf(s).first_capture; i < s.operands.size(); ++i) {
        if (!captures.insert(s.operands[i]).second)
          return Wrong(s, "the operand ", s.operands[i]->name, " is repeated");
        const Value& parameter = *ParameterOf(s, i);
        if (parameter.name != s.operands[i]->name) {
          return Wrong(s, "its parameter ", parameter.name, " stands for ", s.operands[i]->name);
        }
      }
      for (const auto& parameter : s.region->parameters) {
        if (parameter->name.empty()) return Wrong(s, "a parameter of its region has no name");
      }
      RETURN_IF_ERROR(RegionVerifier(*s.region, &s).Run({}));
      if (s.op == Op::kFused) {
        const absl::StatusOr<RegionForm> form = ClassifyRegion(*s.region);
        if (!form.ok()) return Wrong(s, form.status().message());
      }
    }
    return absl::OkStatus();
  }

  absl::Status VerifyNesting() const {
    for (const auto& statement : region_.statements) {
      for (const auto& result : statement->results) {
        if (!result->name.empty()) continue;
        if (!MayNest(*result, uses_.of(result.get()), holder_ != nullptr ? holder_->note : Note())) {
          return Wrong(*statement, "an unnamed value needs one use of the same origin");
        }
      }
    }
    return absl::OkStatus();
  }

  const Region& region_;
  const Statement* holder_;
  Uses uses_;
  absl::flat_hash_set<const Value*> defined_, next_;
  absl::flat_hash_set<std::string> names_;
};

}  // namespace

absl::Status Verify(const Graph& graph) {
  if (graph.body.statements.size() > kMaxStatements) {
    return ErrorStatus(absl::StatusCode::kResourceExhausted, ErrorKind::kStatementLimit, "the program has ",
                       graph.body.statements.size(), " statements, above the limit of ", kMaxStatements,
                       " (statement limit)");
  }
  absl::flat_hash_set<std::string> outputs;
  for (const Output& output : graph.outputs) {
    if (!outputs.insert(output.name).second) {
      return absl::InternalError(absl::StrCat("output ", output.name, " is named twice"));
    }
  }
  return RegionVerifier(graph.body, nullptr).Run(graph.outputs);
}

}  // namespace gradus::ir
