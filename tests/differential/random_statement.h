// One random statement after another, on operands from a pool of values.
#pragma once

#include <algorithm>
#include <vector>

#include "ir/builder.h"
#include "tests/differential/random_graph.h"
#include "tests/differential/random_numbers.h"

namespace gradus::testing_support {

class RandomStatements {
 public:
  RandomStatements(Random& random, const RandomGraphOptions& options, ir::Builder& builder)
      : random_(random), options_(options), builder_(builder) {}

  // What statements may read, in text order.
  std::vector<ir::Value*>& pool() { return pool_; }

  // Appends a statement of any operation, and the operands that had to be made for it; not added to the pool.
  ir::Value* Statement();
  ir::Shape AnyShape(int64_t max_rank = 4);
  ir::DType AnyType();

  // Some value of the pool that fits, or null.
  template <typename Predicate>
  ir::Value* Find(Predicate fits) {
    std::vector<ir::Value*> found;
    for (ir::Value* value : pool_) {
      if (fits(*value)) found.push_back(value);
    }
    if (found.empty()) return nullptr;
    // Later values more often, so that graphs grow deep.
    const size_t a = static_cast<size_t>(random_.Below(static_cast<int64_t>(found.size())));
    const size_t b = static_cast<size_t>(random_.Below(static_cast<int64_t>(found.size())));
    return found[std::max(a, b)];
  }

 private:
  ir::Value* Literal(ir::DType type);
  ir::Value* Make(const ir::Type& type);
  ir::Value* Beside(const ir::Shape& shape, ir::DType element);
  ir::Value* NumericOfRank(int64_t rank);
  ir::Ints SomeAxes(int64_t rank);
  ir::Value* Indices(const ir::Shape& batch, int64_t extent);
  // A value, or null where the pool has nothing for the operation.
  ir::Value* Elementwise(const ir::OpInfo& info);
  ir::Value* Structural(ir::Op op);
  ir::Value* Broadcast();
  ir::Value* Reshape();
  ir::Value* Movement(ir::Op op);
  std::string SomeBand(const std::string& spec);
  ir::Value* Dot();
  ir::Value* Window(ir::Op op);
  ir::Value* Indexing(ir::Op op);

  Random& random_;
  const RandomGraphOptions& options_;
  ir::Builder& builder_;
  std::vector<ir::Value*> pool_;
};

}  // namespace gradus::testing_support
