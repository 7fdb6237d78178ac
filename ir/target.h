// What the plan and the code generator may know of the machine. Nothing here may change a bit of a value.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace gradus::ir {

enum class Isa : uint8_t { kBaseline, kAvx2, kAvx512 };

// A target is printed in the header of a scheduled graph as `target avx512 l1 49152 l2 1048576`.
struct Target {
  Isa isa = Isa::kAvx2;
  int64_t l1_bytes = 32 << 10;  // data cache of one core
  int64_t l2_bytes = 1 << 20;

  int64_t vector_bytes() const { return isa == Isa::kAvx512 ? 64 : isa == Isa::kAvx2 ? 32 : 16; }
  int64_t vector_registers() const { return isa == Isa::kAvx512 ? 32 : 16; }
  bool has_fma() const { return isa != Isa::kBaseline; }
  friend bool operator==(const Target&, const Target&) = default;
};

absl::string_view Name(Isa isa);  // `avx512`
absl::optional<Isa> ParseIsa(absl::string_view name);

}  // namespace gradus::ir
