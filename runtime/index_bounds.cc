#include "runtime/index_bounds.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ir/error.h"

namespace gradus::runtime {
namespace {

// `mlp.gr:14:15: error: `, or nothing.
std::string PlaceOf(const ir::Note& note, const std::string& program_path) {
  if (note.line == 0) return "";
  return absl::StrCat(note.file.empty() ? program_path : note.file, ":", note.line, ":", note.column, ": error: ");
}

}  // namespace

absl::Status CheckIndices(const std::vector<ir::IndexBound>& bounds, const std::string& program_path,
                          const Dataset& data) {
  for (const ir::IndexBound& bound : bounds) {
    const DataColumn* column = data.Find(bound.input);
    if (column == nullptr || !ir::IsInteger(column->values.type().element)) continue;
    absl::Status status;
    ir::Dispatch(column->values.type().element, [&](auto tag) {
      const auto values = column->values.data<decltype(tag)>();
      const int64_t each = column->sampled ? column->values.size() / data.examples : column->values.size();
      for (size_t i = 0; i < values.size(); ++i) {
        const int64_t value = static_cast<int64_t>(values[i]);
        if (value >= 0 && value < bound.limit) continue;
        const std::string where =
            column->sampled ? absl::StrCat("example ", static_cast<int64_t>(i) / each, " of") : "an element of";
        // Labels that count from 1 reach the number of classes and never 0.
        const auto [least, most] = std::minmax_element(values.begin(), values.end());
        const bool from_one = static_cast<int64_t>(*least) >= 1 && static_cast<int64_t>(*most) == bound.limit;
        status = ir::ErrorStatus(
            absl::StatusCode::kOutOfRange, ir::ErrorKind::kLabelRange, PlaceOf(bound.note, program_path), where,
            " the input ", bound.input, " is ", value, ", but ", absl::string_view(ir::Info(bound.op).mnemonic),
            " needs at least 0 and below ", bound.limit,
            from_one ? absl::StrCat(": do they count from 1? ", bound.input, " = … - 1 makes them count from 0") : "");
        return;
      }
    });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace gradus::runtime
