#include "tests/differential/random_graph.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/verifier.h"
#include "passes/gradient_paths.h"
#include "tests/differential/random_loop.h"
#include "tests/differential/random_numbers.h"
#include "tests/differential/random_statement.h"

namespace gradus::testing_support {
namespace {

using ir::Builder;
using ir::DType;
using ir::Ints;
using ir::Op;
using ir::Shape;
using ir::Statement;
using ir::Type;
using ir::Value;

class Generator {
 public:
  Generator(uint64_t seed, const RandomGraphOptions& options)
      : random_(seed), options_(options), builder_(graph_), statements_(random_, options_, builder_) {
    graph_.name = absl::StrCat("random", seed);
  }

  ir::Graph Run() {
    Declare();
    if (options_.gradient) builder_.SetSection("forward");
    for (int i = 0; i < options_.statements; ++i) {
      NextLine();
      if (options_.loops > 0 && random_.OneIn(options_.loops)) {
        for (Value* result : AppendRandomLoop(random_, options_, statements_, builder_, 2)) Keep(result);
        continue;
      }
      Keep(statements_.Statement());
    }
    if (options_.gradient) AddGradient();
    NextStates();
    AddOutputs();
    EraseUnread();
    ir::NameUnnamed(graph_);
    const absl::Status status = ir::Verify(graph_);
    CHECK(status.ok()) << status;
    return std::move(graph_);
  }

 private:
  void NextLine() {
    ir::Note note;
    note.line = ++line_;
    note.column = 3;
    builder_.SetNote(note);
  }

  void Keep(Value* value) {
    if (value->definition->op != Op::kConstant || value->type.rank() != 0) statements_.pool().push_back(value);
    const std::string name = absl::StrCat("v", line_, value->index > 0 ? absl::StrCat("_", value->index) : "");
    if (value->name.empty() && !random_.OneIn(3)) value->name = name;
  }

  void Declare() {
    const int64_t inputs = 2 + random_.Below(3), params = 1 + random_.Below(3), states = random_.Below(3);
    for (int64_t i = 0; i < inputs; ++i) {
      statements_.pool().push_back(
          builder_.Declare(Op::kInput, absl::StrCat("x", i), Type{statements_.AnyType(), statements_.AnyShape()}));
    }
    for (int64_t i = 0; i < params; ++i) {
      const DType type = random_.OneIn(2) && !options_.float_only ? DType::kF32 : DType::kF64;
      statements_.pool().push_back(
          builder_.Declare(Op::kParam, absl::StrCat("w", i), Type{type, statements_.AnyShape(3)}, "zeros"));
    }
    for (int64_t i = 0; i < states; ++i) {
      statements_.pool().push_back(builder_.Declare(Op::kState, absl::StrCat("s", i),
                                                    Type{statements_.AnyType(), statements_.AnyShape(3)}, "zeros"));
    }
  }

  // The sum of some floating-point values, differentiated by the declarations from which a path leads to it.
  void AddGradient() {
    NextLine();
    std::vector<Value*> terms;
    for (Value* value : statements_.pool()) {
      if (ir::IsFloat(value->type.element) && value->definition->operands.size() > 0 && random_.OneIn(2)) {
        terms.push_back(value);
      }
    }
    if (terms.empty()) return;
    Value* scalar = nullptr;
    for (Value* term : terms) {
      Ints axes;
      for (int64_t axis = 0; axis < term->type.rank(); ++axis) axes.push_back(axis);
      if (!axes.empty()) term = builder_.Emit(Op::kReduceSum, {term}, {axes});
      if (scalar != nullptr && term->type.element != scalar->type.element) {
        term = builder_.Emit(Op::kConvert, {term}, {scalar->type.element});
      }
      scalar = scalar == nullptr ? term : builder_.Emit(Op::kAdd, {scalar, term});
    }
    if (scalar->definition->operands.empty()) return;
    if (scalar->name.empty()) scalar->name = "loss";
    NextLine();
    auto grad = std::make_unique<ir::Statement>();
    grad->op = Op::kGrad;
    grad->attributes = {int64_t{1}};
    grad->section = "backward";
    grad->note = builder_.note();
    for (const auto& s : graph_.body.statements) {
      if (!ir::IsDeclaration(s->op) || !ir::IsFloat(s->result()->type.element)) continue;
      grad->operands = {scalar, s->result()};
      if (passes::GradientObstacles(graph_.body, *grad).empty()) by_.push_back(s->result());
    }
    if (by_.empty()) return;
    grad->operands = {scalar};
    for (Value* value : by_) {
      grad->operands.push_back(value);
      grad->results.push_back(std::make_unique<Value>(Value{.type = value->type, .name = "d." + value->name}));
    }
    ir::Statement* added = builder_.Append(std::move(grad));
    for (const auto& result : added->results) statements_.pool().push_back(result.get());
  }

  void NextStates() {
    builder_.SetSection(options_.gradient ? "update" : "");
    std::vector<Value*> carried;
    for (const auto& s : graph_.body.statements) {
      if (s->op == Op::kParam || s->op == Op::kState) carried.push_back(s->result());
    }
    for (Value* state : carried) {
      NextLine();
      if (random_.OneIn(4)) continue;
      Value* update = statements_.Find([&](const Value& v) { return v.type == state->type && &v != state; });
      Value* gradient = graph_.Find("d." + state->name);
      if (gradient != nullptr) {
        Value* scaled = builder_.Emit(Op::kMul, {builder_.Scalar(state->type.element, 0.125), gradient});
        update = builder_.Emit(Op::kSub, {state, scaled});
      }
      if (update != nullptr) builder_.Next(state, update);
    }
  }

  void AddOutputs() {
    const ir::Uses uses(graph_);
    for (Value* value : statements_.pool()) {
      if (ir::IsDeclaration(value->definition->op)) continue;
      if (!uses.of(value).empty() && !random_.OneIn(6)) continue;
      if (value->name.empty()) value->name = absl::StrCat("o", graph_.outputs.size());
      graph_.outputs.push_back({value->name, value});
    }
  }

  // Literals and helpers that were drawn and then not needed.
  void EraseUnread() {
    bool erased = true;
    while (erased) {
      const ir::Uses uses(graph_);
      erased = ir::EraseIf(graph_.body, [&](const ir::Statement& s) {
        return s.results.size() == 1 && !ir::IsDeclaration(s.op) && s.result()->name.empty() &&
               uses.of(s.result()).empty();
      });
    }
  }

  Random random_;
  RandomGraphOptions options_;
  ir::Graph graph_;
  Builder builder_;
  RandomStatements statements_;
  std::vector<Value*> by_;
  int line_ = 0;
};

template <typename T>
T Element(Random& random) {
  if constexpr (std::is_same_v<T, bool>) {
    return random.OneIn(2);
  } else if constexpr (std::is_integral_v<T>) {
    if (random.OneIn(40)) return random.OneIn(2) ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min();
    return static_cast<T>(random.Below(16) - (std::is_signed_v<T> ? 6 : 0));
  } else {
    if (random.OneIn(12)) return static_cast<T>(random.Below(5) - 2);  // zeros, ties, integers
    if (random.OneIn(60)) return static_cast<T>((random.Unit() - 0.5) * 1e4);
    return static_cast<T>((random.Unit() - 0.4) * 4);
  }
}

}  // namespace

ir::Graph RandomGraph(uint64_t seed, const RandomGraphOptions& options) { return Generator(seed, options).Run(); }

ir::Tensor RandomTensor(uint64_t seed, const Type& type) {
  Random random(seed);
  ir::Tensor tensor(type);
  ir::Dispatch(type.element, [&](auto tag) {
    using T = decltype(tag);
    for (T& element : tensor.data<T>()) element = Element<T>(random);
  });
  return tensor;
}

std::vector<ir::Tensor> RandomDeclarations(uint64_t seed, const ir::Graph& graph) {
  std::vector<ir::Tensor> tensors;
  for (const auto& s : graph.body.statements) {
    if (ir::IsDeclaration(s->op)) tensors.push_back(RandomTensor(seed * 1000 + tensors.size(), s->result()->type));
  }
  return tensors;
}

}  // namespace gradus::testing_support
