#include "ir/builder.h"

#include <cmath>
#include <limits>

#include "ir/check.h"
#include "ir/infer.h"

namespace gradus::ir {

void Builder::InsertBefore(const Statement* statement) { before_ = statement; }

Statement* Builder::Append(std::unique_ptr<Statement> statement) {
  Statement* added = statement.get();
  for (size_t i = 0; i < added->results.size(); ++i) {
    added->results[i]->definition = added;
    added->results[i]->index = static_cast<int>(i);
  }
  auto& statements = region_->statements;
  auto at = statements.end();
  if (before_ != nullptr) {
    at = std::find_if(statements.begin(), statements.end(), [&](const auto& s) { return s.get() == before_; });
    CHECK(at != statements.end()) << "the insertion point left the region";
  }
  statements.insert(at, std::move(statement));
  return added;
}

absl::StatusOr<Value*> Builder::Add(Op op, std::vector<Value*> operands, std::vector<AttributeValue> attributes) {
  auto statement = std::make_unique<Statement>();
  statement->op = op;
  statement->operands = std::move(operands);
  const auto schema = Info(op).attributes;
  while (attributes.size() < schema.size() && schema[attributes.size()].form == AttributeForm::kOptional) {
    attributes.push_back(std::string());
  }
  statement->attributes = std::move(attributes);
  statement->note = note_;
  statement->section = section_;
  ASSIGN_OR_RETURN(std::vector<Type> types, InferTypes(*statement));
  CHECK(types.size() == 1) << Info(op).mnemonic << " has " << types.size() << " results";
  statement->results.push_back(std::make_unique<Value>(Value{.type = std::move(types[0])}));
  return Append(std::move(statement))->result();
}

Value* Builder::Emit(Op op, std::vector<Value*> operands, std::vector<AttributeValue> attributes) {
  absl::StatusOr<Value*> value = Add(op, std::move(operands), std::move(attributes));
  CHECK(value.ok()) << value.status();
  return *value;
}

Value* Builder::Constant(Tensor value) {
  auto statement = std::make_unique<Statement>();
  statement->op = Op::kConstant;
  statement->results.push_back(std::make_unique<Value>(Value{.type = value.type()}));
  statement->literal = std::move(value);
  statement->note = note_;
  statement->section = section_;
  return Append(std::move(statement))->result();
}

Value* Builder::Scalar(DType type, double value) {
  return Constant(Dispatch(type, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (!std::is_floating_point_v<T>) {
      CHECK(std::nearbyint(value) == value && value >= static_cast<double>(std::numeric_limits<T>::min()) &&
            value < std::ldexp(1.0, std::numeric_limits<T>::digits))
          << value << " as " << Name(type);
    }
    return Tensor::Scalar<T>(static_cast<T>(value));
  }));
}

Value* Builder::ScalarInt(DType type, int64_t value) {
  return Constant(Dispatch(type, [&](auto tag) {
    using T = decltype(tag);
    return Tensor::Scalar<T>(static_cast<T>(value));
  }));
}

Value* Builder::Declare(Op op, std::string name, Type type, std::string initializer) {
  auto statement = std::make_unique<Statement>();
  statement->op = op;
  statement->results.push_back(std::make_unique<Value>(Value{.type = std::move(type), .name = std::move(name)}));
  statement->initializer = std::move(initializer);
  statement->note = note_;
  return Append(std::move(statement))->result();
}

Statement* Builder::Next(Value* state, Value* value) {
  auto statement = std::make_unique<Statement>();
  statement->op = Op::kNext;
  statement->operands = {state, value};
  statement->note = note_;
  statement->section = section_;
  return Append(std::move(statement));
}

}  // namespace gradus::ir
