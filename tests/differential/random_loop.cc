#include "tests/differential/random_loop.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "ir/check.h"
#include "ir/control.h"
#include "ir/infer.h"

namespace gradus::testing_support {
namespace {

using ir::Builder;
using ir::DType;
using ir::Op;
using ir::Type;
using ir::Value;

class LoopMaker {
 public:
  LoopMaker(Random& random, const RandomGraphOptions& options, RandomStatements& outside, Builder& builder, int depth)
      : random_(random), options_(options), outside_(outside), builder_(builder), depth_(depth) {
    loop_->region = std::make_unique<ir::Region>();
    loop_->note = builder.note();
    loop_->section = builder.section();
  }

  std::vector<Value*> Run() {
    const int64_t kind = random_.Below(6);
    if (kind == 0) {
      While();
    } else if (kind == 1) {
      Branch();
    } else {
      Scan();
    }
    const absl::StatusOr<std::vector<Type>> types = ir::InferTypes(*loop_);
    CHECK(types.ok()) << types.status();
    for (const Type& type : *types) loop_->results.push_back(std::make_unique<Value>(Value{.type = type}));
    std::vector<Value*> results;
    for (const auto& result : builder_.Append(std::move(loop_))->results) results.push_back(result.get());
    return results;
  }

 private:
  Value* Parameter(const std::string& name, const Type& type) {
    auto& parameters = loop_->region->parameters;
    parameters.push_back(
        std::make_unique<Value>(Value{.index = static_cast<int>(parameters.size()), .type = type, .name = name}));
    return parameters.back().get();
  }

  void Capture(Value* value) {
    if (value->name.empty()) value->name = absl::StrCat("c", random_.Below(1 << 20));
    loop_->operands.push_back(value);
    Parameter(value->name, value->type);
  }

  // Captures of a few values, each once.
  void CaptureSome() {
    std::vector<Value*> captured;
    for (int64_t i = 1 + random_.Below(3); i > 0; --i) {
      Value* value = outside_.Find([](const Value&) { return true; });
      if (value == nullptr || std::find(captured.begin(), captured.end(), value) != captured.end()) continue;
      captured.push_back(value);
      Capture(value);
    }
  }

  // Random statements in the body; what they make is in the pool of `inside`.
  void Fill(RandomStatements& inside, Builder& body) {
    for (const auto& parameter : loop_->region->parameters) inside.pool().push_back(parameter.get());
    for (int64_t i = 1 + random_.Below(6); i > 0; --i) {
      if (depth_ > 0 && random_.OneIn(8)) {
        for (Value* value : AppendRandomLoop(random_, options_, inside, body, depth_ - 1)) {
          inside.pool().push_back(value);
        }
        continue;
      }
      Value* value = inside.Statement();
      if (value->definition->op != Op::kConstant || value->type.rank() != 0) inside.pool().push_back(value);
    }
  }

  // What a carry becomes: a value of the body, itself, or something made of it.
  Value* Next(RandomStatements& inside, Builder& body, Value* carry) {
    Value* found = inside.Find([&](const Value& v) { return v.type == carry->type && &v != carry; });
    if (found != nullptr && !random_.OneIn(4)) return found;
    if (random_.OneIn(6)) return carry;
    const DType type = carry->type.element;
    if (type == DType::kBool) return body.Emit(Op::kNot, {carry});
    return body.Emit(Op::kSub, {ir::IsFloat(type) ? body.Scalar(type, 1) : body.ScalarInt(type, 3), carry});
  }

  void YieldSome(RandomStatements& inside, bool any) {
    ir::Region& region = *loop_->region;
    for (int64_t i = random_.Below(4) + (any ? 1 : 0); i > 0; --i) {
      Value* value = inside.Find([&](const Value& v) {
        return v.type.elements().value() * std::max<int64_t>(length_, 1) <= options_.max_elements;
      });
      if (value == nullptr) value = region.parameters.front().get();
      region.yields.push_back(value);
    }
  }

  void Scan() {
    loop_->op = Op::kScan;
    Value* first = outside_.Find([](const Value& v) { return v.type.rank() > 0 && v.type.shape[0] <= 17; });
    length_ = first == nullptr || random_.OneIn(4) ? 1 + random_.Below(5) : first->type.shape[0];
    int64_t sequences = 0, carries = 0;
    for (int64_t i = random_.Below(3); i > 0; --i) {
      Value* value = outside_.Find([&](const Value& v) { return v.type.rank() > 0 && v.type.shape[0] == length_; });
      if (value == nullptr) continue;
      loop_->operands.push_back(value);
      Parameter(absl::StrCat("slice", depth_, "_", ++sequences), ir::SliceOf(value->type));
    }
    for (int64_t i = random_.Below(4); i > 0; --i) {
      Value* value = outside_.Find([](const Value&) { return true; });
      loop_->operands.push_back(value);
      Parameter(absl::StrCat("carry", depth_, "_", ++carries), value->type);
    }
    CaptureSome();
    if (loop_->region->parameters.empty()) Capture(outside_.pool().front());
    loop_->attributes = {length_, sequences, carries, random_.Below(2), int64_t{0}};
    Builder body(*loop_->region);
    body.SetNote(builder_.note());
    RandomStatements inside(random_, options_, body);
    Fill(inside, body);
    YieldSome(inside, carries == 0);
    for (int64_t i = 0; i < carries; ++i) {
      Value* carry = loop_->region->parameters[sequences + i].get();
      loop_->region->yields.push_back(Next(inside, body, carry));
    }
  }

  // Counts up to a few passes; the count is compared as it is or after the addition.
  void While() {
    loop_->op = Op::kWhile;
    loop_->operands.push_back(
        builder_.Emit(Op::kConvert, {builder_.ScalarInt(DType::kI32, random_.Below(3))}, {DType::kI64}));
    Value* count = Parameter(absl::StrCat("count", depth_), Type{DType::kI64, {}});
    int64_t carries = 1;
    for (int64_t i = random_.Below(3); i > 0; --i) {
      Value* value = outside_.Find([](const Value&) { return true; });
      loop_->operands.push_back(value);
      Parameter(absl::StrCat("carry", depth_, "_", ++carries), value->type);
    }
    CaptureSome();
    loop_->attributes = {carries};
    Builder body(*loop_->region);
    body.SetNote(builder_.note());
    RandomStatements inside(random_, options_, body);
    Value* more = body.Emit(Op::kAdd, {count, body.ScalarInt(DType::kI64, 1)});
    Value* compared = random_.OneIn(2) ? count : more;
    Value* predicate = body.Emit(Op::kGreater, {compared, body.ScalarInt(DType::kI64, 1 + random_.Below(4))});
    Fill(inside, body);
    loop_->region->yields = {predicate, more};
    for (int64_t i = 1; i < carries; ++i) {
      loop_->region->yields.push_back(Next(inside, body, loop_->region->parameters[i].get()));
    }
  }

  void Branch() {
    loop_->op = Op::kBranch;
    Value* some = outside_.Find([](const Value& v) { return ir::IsFloat(v.type.element); });
    if (some == nullptr) {
      some = builder_.Scalar(DType::kF64, 1);
    } else if (some->type.rank() > 0) {
      ir::Ints axes;
      for (int64_t axis = 0; axis < some->type.rank(); ++axis) axes.push_back(axis);
      some = builder_.Emit(Op::kReduceSum, {some}, {axes});
    }
    loop_->operands.push_back(builder_.Emit(Op::kGreater, {some, builder_.Scalar(some->type.element, 0)}));
    CaptureSome();
    if (loop_->region->parameters.empty()) Capture(outside_.pool().front());
    Builder body(*loop_->region);
    body.SetNote(builder_.note());
    RandomStatements inside(random_, options_, body);
    Fill(inside, body);
    YieldSome(inside, true);
  }

  Random& random_;
  const RandomGraphOptions& options_;
  RandomStatements& outside_;
  Builder& builder_;
  int depth_;
  int64_t length_ = 1;
  std::unique_ptr<ir::Statement> loop_ = std::make_unique<ir::Statement>();
};

}  // namespace

std::vector<Value*> AppendRandomLoop(Random& random, const RandomGraphOptions& options, RandomStatements& outside,
                                     Builder& builder, int depth) {
  return LoopMaker(random, options, outside, builder, depth).Run();
}

}  // namespace gradus::testing_support
