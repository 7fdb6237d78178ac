#include "ir/reference.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace gradus::ir {
namespace {

std::vector<Formulas> ElementwiseFormulas() {
  const auto where = [](absl::string_view singular) {
    return singular == "kNever" ? std::string() : std::string(singular);
  };
  return {
#define UNARY(name, mnemonic, types, y, dx, singular, ...) {Op::k##name, #y, {#dx}, where(#singular)},
#define BINARY(name, mnemonic, infix, types, y, da, db, singular, ...) {Op::k##name, #y, {#da, #db}, where(#singular)},
#define TERNARY(name, mnemonic, types, y, da, db, dc, ...) {Op::k##name, #y, {#da, #db, #dc}, ""},
#define COMPARE(name, mnemonic, infix, types, y, ...) {Op::k##name, #y, {}, ""},
#define PREDICATE(name, mnemonic, types, y, ...) {Op::k##name, #y, {}, ""},
#define LOGIC(name, mnemonic, infix, arity, y, ...) {Op::k##name, #y, {}, ""},
#include "ir/ops.def"
  };
}

// A cell of a Markdown table.
std::string Cell(absl::string_view text) { return absl::StrReplaceAll(text, {{"|", "\\|"}}); }
std::string Code(absl::string_view text) { return text.empty() ? "" : absl::StrCat("`", Cell(text), "`"); }

std::string Types(const OpInfo& info) {
  switch (info.types) {
    case TypeSet::kAnyType:
      return "all";
    case TypeSet::kNumeric:
      return "numbers";
    case TypeSet::kFloating:
      return "floats";
    case TypeSet::kBoolean:
      return "bool";
  }
  return "";
}

std::string Attributes(const OpInfo& info) {
  return absl::StrJoin(info.attributes, ", ", [](std::string* out, const AttributeSchema& attribute) {
    absl::string_view kind;
    switch (attribute.kind) {
      case AttributeKind::kInt:
        kind = "integer";
        break;
      case AttributeKind::kInts:
        kind = "integers";
        break;
      case AttributeKind::kText:
        kind = "text";
        break;
      case AttributeKind::kType:
        kind = "type";
        break;
      case AttributeKind::kKey:
        kind = "key";
        break;
    }
    absl::StrAppend(out, "`", attribute.name, "` ", kind);
    if (attribute.form == AttributeForm::kPositional) absl::StrAppend(out, " (by position)");
    if (attribute.form == AttributeForm::kOptional) absl::StrAppend(out, " (optional)");
    if (attribute.form == AttributeForm::kZero) absl::StrAppend(out, " (0)");
    if (attribute.form == AttributeForm::kOne) absl::StrAppend(out, " (1)");
  });
}

std::string Operands(const OpInfo& info) { return info.arity == kVariadic ? "any" : absl::StrCat(info.arity); }

}  // namespace

const Formulas* FindFormulas(Op op) {
  static const auto& rows = *new std::vector<Formulas>(ElementwiseFormulas());
  for (const Formulas& row : rows) {
    if (row.op == op) return &row;
  }
  return nullptr;
}

std::string OperationsReference() {
  std::string text =
      "# Operations\n\n"
      "What a compiled program is made of. This page is written from `ir/ops.def`; a test keeps it so.\n\n"
      "## Elementwise\n\n"
      "Operands `x`, or `a`, `b`, `c`, broadcast as in NumPy; `y` is the result and `g` the gradient that comes in. "
      "`0` in a "
      "gradient column: the derivative is zero wherever it exists. Where a row is singular the derivative is 0.\n\n"
      "| operation | written | operands | y = | gradient of each operand | singular | |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const Formulas& row : ElementwiseFormulas()) {
    const OpInfo& info = Info(row.op);
    const std::string gradients = absl::StrJoin(row.derivatives, ", ", [](std::string* out, const std::string& d) {
      absl::StrAppend(out, Code(d == "kNone" ? "0" : d));
    });
    absl::StrAppend(&text, "| `", info.mnemonic, "` | ", Code(info.infix), " | ", Types(info), " | ", Code(row.value),
                    " | ", gradients, " | ", Code(row.singular), " | ", Cell(info.doc), " |\n");
  }
  for (const OpInfo& info : AllOps()) {
    if (info.family != OpFamily::kSelect && info.family != OpFamily::kConvert) continue;
    absl::StrAppend(&text, "| `", info.mnemonic, "` | | ", Types(info), " | | | | ", Cell(info.doc), " |\n");
  }
  absl::StrAppend(&text,
                  "\nIntegers wrap. The order in which sums are made is defined in `ir/order.h`, the transcendental "
                  "functions and their bounds in `ir/math*.h`.\n");
  for (const OpFamily family : {OpFamily::kStructural, OpFamily::kSpecial}) {
    absl::StrAppend(
        &text, family == OpFamily::kStructural ? "\n## Structural\n\n" : "\n## Declarations, regions and markers\n\n",
        "| operation | operands | attributes | |\n|---|---|---|---|\n");
    for (const OpInfo& info : AllOps()) {
      if (info.family != family) continue;
      absl::StrAppend(&text, "| `", info.mnemonic, "` | ", Operands(info), " | ", Attributes(info), " | ",
                      Cell(info.doc), " |\n");
    }
  }
  return text;
}

}  // namespace gradus::ir
