#include "codegen/access.h"

#include "ir/check.h"

namespace gradus::codegen {
namespace {

using ir::Op;
using ir::Shape;
using ir::Statement;
using ir::Value;

// The index at which a tensor is read, one form an axis of the tensor.
using Index = std::vector<Linear>;

Linear Zero(size_t axes) {
  Linear zero;
  zero.coefficients.assign(axes, 0);
  return zero;
}

void AddScaled(Linear& sum, const Linear& term, int64_t scale) {
  sum.constant += term.constant * scale;
  for (size_t i = 0; i < sum.coefficients.size(); ++i) sum.coefficients[i] += term.coefficients[i] * scale;
  for (Linear::Gathered g : term.gathered) {
    g.scale *= scale;
    sum.gathered.push_back(std::move(g));
  }
}

Linear RowMajor(const Index& index, const Shape& shape, size_t axes) {
  Linear sum = Zero(axes);
  const Shape strides = ir::RowMajorStrides(shape);
  for (size_t i = 0; i < shape.size(); ++i) AddScaled(sum, index[i], strides[i]);
  return sum;
}

class Resolver {
 public:
  explicit Resolver(size_t axes) : axes_(axes) {}

  std::shared_ptr<const Access> Resolve(const Value* value, const Index& index) const {
    auto access = std::make_shared<Access>();
    access->type = value->type.element;
    const Statement* s = value->definition;
    if (s == nullptr) {
      access->kind = AccessKind::kLoad;
      access->parameter = value->index;
      access->position = RowMajor(index, value->type.shape, axes_);
      return access;
    }
    access->statement = s;
    access->position = Zero(axes_);
    switch (s->op) {
      case Op::kConstant:
        CHECK(value->type.rank() == 0) << "a literal in a region is a scalar";
        access->kind = AccessKind::kLiteral;
        return access;
      case Op::kIota:
        access->kind = AccessKind::kIota;
        access->position = index[s->Int("axis")];
        return access;
      case Op::kOneHot:
        access->kind = AccessKind::kOneHot;
        access->position = index.back();
        access->operands.push_back(Resolve(s->operands[0], Index(index.begin(), index.end() - 1)));
        return access;
      case Op::kRandomBits:
        access->kind = AccessKind::kRandom;
        access->position = RowMajor(index, value->type.shape, axes_);
        for (const Value* operand : s->operands) access->operands.push_back(Resolve(operand, {}));
        return access;
      default:
        return Resolve(s->operands[0], OperandIndex(*s, index));
    }
  }

 private:
  // The index at which a movement statement reads its first operand.
  Index OperandIndex(const Statement& s, const Index& index) const {
    const Shape& shape = s.operands[0]->type.shape;
    Index result(shape.size(), Zero(axes_));
    switch (s.op) {
      case Op::kBroadcast:
        for (size_t i = 0; i < shape.size(); ++i) {
          if (shape[i] != 1) result[i] = index[index.size() - shape.size() + i];
        }
        return result;
      case Op::kReshape: {  // of unit axes alone
        const Shape& from = s.result()->type.shape;
        size_t j = 0;
        for (size_t i = 0; i < shape.size(); ++i) {
          if (shape[i] == 1) continue;
          while (from[j] == 1) ++j;
          result[i] = index[j++];
        }
        return result;
      }
      case Op::kTranspose:
        for (size_t i = 0; i < shape.size(); ++i) result[s.IntList("axes")[i]] = index[i];
        return result;
      case Op::kSlice:
        for (size_t i = 0; i < shape.size(); ++i) {
          AddScaled(result[i], index[i], s.IntList("stride")[i]);
          result[i].constant += s.IntList("start")[i];
        }
        return result;
      case Op::kFlip:
        result = index;
        for (const int64_t axis : s.IntList("axis")) {
          result[axis] = Zero(axes_);
          AddScaled(result[axis], index[axis], -1);
          result[axis].constant += shape[axis] - 1;
        }
        return result;
      case Op::kGather:
        return GatherIndex(s, index);
      case Op::kStopGradient:
        return index;
      default:
        break;
    }
    CHECK(false) << ir::Info(s.op).mnemonic << " is not an access";
    return result;
  }

  // Result axes: x[:axis] (the first `batch` of them shared with i), i[batch:], x[axis + 1:].
  Index GatherIndex(const Statement& s, const Index& index) const {
    const int64_t axis = s.Int("axis");
    const int64_t batch = s.Int("batch");
    const int64_t inserted = s.operands[1]->type.rank() - batch;
    Index where(index.begin(), index.begin() + batch);
    where.insert(where.end(), index.begin() + axis, index.begin() + axis + inserted);
    Linear picked = Zero(axes_);
    picked.gathered.push_back({Resolve(s.operands[1], where), 1, s.operands[0]->type.shape[axis], &s});
    Index result(index.begin(), index.begin() + axis);
    result.push_back(std::move(picked));
    result.insert(result.end(), index.begin() + axis + inserted, index.end());
    return result;
  }

  size_t axes_;
};

}  // namespace

bool IsLeaf(const Value* value) {
  const Statement* s = value->definition;
  if (s == nullptr || s->op == Op::kConstant) return true;
  if (s->op != Op::kBroadcast && s->op != Op::kStopGradient && !ir::IsAccess(s->op)) return false;
  for (const Value* operand : s->operands) {
    if (!IsLeaf(operand)) return false;
  }
  return true;
}

std::shared_ptr<const Access> ResolveAccess(const Value* value, const Shape& aligned, const Shape& space) {
  Index index;
  const Shape& shape = value->type.shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    index.push_back(Zero(space.size()));
    if (shape[i] != 1) index.back().coefficients[aligned[aligned.size() - shape.size() + i]] = 1;
  }
  return Resolver(space.size()).Resolve(value, index);
}

}  // namespace gradus::codegen
