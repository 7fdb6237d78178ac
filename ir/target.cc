#include "ir/target.h"

namespace gradus::ir {

absl::string_view Name(Isa isa) {
  switch (isa) {
    case Isa::kBaseline:
      return "baseline";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      break;
  }
  return "avx512";
}

absl::optional<Isa> ParseIsa(absl::string_view name) {
  for (Isa isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512}) {
    if (Name(isa) == name) return isa;
  }
  return absl::nullopt;
}

}  // namespace gradus::ir
