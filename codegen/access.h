// Where a region reads its parameters: every access (ir/region.h) as linear forms over the axes of the region's space.
//
// A statement `y = slice(transpose(x))` read at index (i, j) of the space reads x at an address that is linear in i and
// j. Iota, one_hot and random bits are functions of a linear form too, and a gather adds a term that is itself read
// somewhere. So one small structure says of every leaf of a region's expressions what it depends on, which axes of the
// space may be merged into one loop, and how adjacent lanes lie in memory.
#pragma once

#include <memory>
#include <vector>

#include "ir/region.h"

namespace gradus::codegen {

struct Access;

// constant + sum over axes of the space of coefficient * index + sum of scale * (a gathered index).
struct Linear {
  struct Gathered {
    std::shared_ptr<const Access> index;
    int64_t scale = 1;
    int64_t bound = 0;                         // the index must be in [0, bound)
    const ir::Statement* statement = nullptr;  // the gather, for the report of a bad index
  };
  int64_t constant = 0;
  ir::Shape coefficients;  // one an axis of the space
  std::vector<Gathered> gathered;
};

enum class AccessKind : uint8_t {
  kLoad,     // element `position` of a parameter
  kIota,     // `position` itself, converted to the type
  kOneHot,   // 1 where `position` equals the index read by operands[0], else 0
  kRandom,   // random bits of element `position`; operands: seed, step
  kLiteral,  // a scalar literal
};

struct Access {
  AccessKind kind = AccessKind::kLoad;
  ir::DType type = ir::DType::kF32;
  Linear position;
  int parameter = -1;                                   // kLoad: position among the region's parameters
  const ir::Statement* statement = nullptr;             // the others
  std::vector<std::shared_ptr<const Access>> operands;  // kOneHot, kRandom
};

// Whether `value` is a parameter, or a statement that reads nothing but parameters and accesses: what ResolveAccess
// takes.
bool IsLeaf(const ir::Value* value);

// What reading `value`, a leaf, means at an index of the space. The value has the trailing axes `aligned` of the space
// by NumPy's rule: axis i of the shape to which it broadcasts is axis aligned[i] of the space.
std::shared_ptr<const Access> ResolveAccess(const ir::Value* value, const ir::Shape& aligned, const ir::Shape& space);

// Calls f with every linear form that evaluating the access computes.
template <typename Function>
void ForEachForm(const Access& access, Function f) {
  f(access.position);
  for (const Linear::Gathered& g : access.position.gathered) ForEachForm(*g.index, f);
  for (const auto& operand : access.operands) ForEachForm(*operand, f);
}

}  // namespace gradus::codegen
