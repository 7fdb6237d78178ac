#include "codegen/contraction_pack.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "codegen/control.h"
#include "codegen/index_arithmetic.h"
#include "codegen/target_machine.h"
#include "llvm/IR/Module.h"

namespace gradus::codegen {
namespace {

using llvm::Value;

// Terms of the source that are transposed before the next columns: source and copy stay in the L1 cache.
constexpr int64_t kTransposedTerms = 64;
constexpr int64_t kLargestTransposition = 8;  // 16 x 16 in registers would double the time to compile

class PackEmitter {
 public:
  PackEmitter(llvm::Function* function, const ir::Target& target, ir::DType type, PackSource source,
              int64_t panel_columns)
      : builder_(llvm::BasicBlock::Create(function->getContext(), "", function)),
        source_(source),
        panel_columns_(panel_columns),
        element_(ElementType(builder_, type)),
        align_(ir::ByteWidth(type)),
        lanes_(target.vector_bytes() / ir::ByteWidth(type)),
        to_(function->getArg(0)),
        from_(function->getArg(1)),
        contracted_(function->getArg(2)),
        columns_(function->getArg(3)),
        from_k_(function->getArg(4)),
        from_column_(function->getArg(5)) {}

  void Emit() {
    Value* zero = Int(0);
    if (source_ == PackSource::kRows) {
      Value* whole = WholeMultiple(columns_, lanes_);
      CopyRows(whole);
      CopyElements(zero, contracted_, whole, columns_);
    } else if (source_ == PackSource::kTransposed) {
      block_ = std::min(lanes_, kLargestTransposition);
      Value* whole_columns = WholeMultiple(columns_, block_);
      Value* whole_terms = WholeMultiple(contracted_, block_);
      Transpose(whole_terms, whole_columns);
      CopyElements(zero, contracted_, whole_columns, columns_);
      CopyElements(whole_terms, contracted_, zero, whole_columns);
    } else {
      CopyElements(zero, contracted_, zero, columns_);
    }
    EmitIf(builder_, builder_.CreateICmpSLT(columns_, Int(panel_columns_)), [&] {
      EmitFor(builder_, zero, contracted_, 1, [&](Value* k) {
        EmitFor(builder_, columns_, Int(panel_columns_), 1, [&](Value* column) {
          builder_.CreateAlignedStore(llvm::Constant::getNullValue(element_), To(k, column), align_);
        });
      });
    });
    builder_.CreateRetVoid();
  }

 private:
  Value* Int(int64_t value) { return builder_.getInt64(static_cast<uint64_t>(value)); }
  Value* WholeMultiple(Value* value, int64_t unit) {
    return IndexMultiply(builder_, IndexDivide(builder_, value, unit), unit);
  }
  Value* To(Value* k, Value* column) {
    return ElementAt(builder_, element_, to_, IndexAdd(builder_, IndexMultiply(builder_, k, panel_columns_), column));
  }
  Value* From(Value* k, Value* column) {
    return ByteAt(builder_, ByteAt(builder_, from_, builder_.CreateNSWMul(k, from_k_)),
                  builder_.CreateNSWMul(column, from_column_));
  }

  void CopyElements(Value* first_k, Value* end_k, Value* first_column, Value* end_column) {
    EmitIf(builder_, builder_.CreateICmpSLT(first_column, end_column), [&] {
      EmitFor(builder_, first_k, end_k, 1, [&](Value* k) {
        EmitFor(builder_, first_column, end_column, 1, [&](Value* column) {
          builder_.CreateAlignedStore(builder_.CreateAlignedLoad(element_, From(k, column), align_), To(k, column),
                                      align_);
        });
      });
    });
  }

  void CopyRows(Value* columns) {
    auto* vector = llvm::FixedVectorType::get(element_, static_cast<unsigned>(lanes_));
    auto copy = [&](Value* k, Value* column) {
      Value* from = ElementAt(builder_, element_, ByteAt(builder_, from_, builder_.CreateNSWMul(k, from_k_)), column);
      builder_.CreateAlignedStore(builder_.CreateAlignedLoad(vector, from, align_), To(k, column), align_);
    };
    Value* full = builder_.CreateICmpEQ(columns, Int(panel_columns_));
    EmitIf(builder_, full, [&] {
      EmitFor(builder_, Int(0), contracted_, 1, [&](Value* k) {
        for (int64_t column = 0; column < panel_columns_; column += lanes_) copy(k, Int(column));
      });
    });
    EmitIf(builder_, builder_.CreateNot(full), [&] {
      EmitFor(builder_, Int(0), contracted_, 1,
              [&](Value* k) { EmitFor(builder_, Int(0), columns, lanes_, [&](Value* column) { copy(k, column); }); });
    });
  }

  void Transpose(Value* terms, Value* columns) {
    EmitFor(builder_, Int(0), terms, kTransposedTerms, [&](Value* first) {
      Value* end = IndexMin(builder_, IndexAdd(builder_, first, Int(kTransposedTerms)), terms);
      EmitFor(builder_, Int(0), columns, block_, [&](Value* column) {
        EmitFor(builder_, first, end, block_, [&](Value* k) { TransposeBlock(k, column); });
      });
    });
  }

  // block x block elements: rows at distance d exchange their off-diagonal halves, d = block / 2, ..., 1.
  void TransposeBlock(Value* k, Value* column) {
    auto* vector = llvm::FixedVectorType::get(element_, static_cast<unsigned>(block_));
    std::vector<Value*> rows;
    Value* from = From(k, column);
    for (int64_t i = 0; i < block_; ++i) {
      rows.push_back(builder_.CreateAlignedLoad(vector, from, align_));
      from = ByteAt(builder_, from, from_column_);
    }
    for (int64_t distance = block_ / 2; distance >= 1; distance /= 2) {
      llvm::SmallVector<int, 8> upper, lower;
      for (int64_t lane = 0; lane < block_; ++lane) {
        const bool high = (lane & distance) != 0;
        upper.push_back(static_cast<int>(high ? block_ + lane - distance : lane));
        lower.push_back(static_cast<int>(high ? block_ + lane : lane + distance));
      }
      for (int64_t i = 0; i < block_; ++i) {
        if ((i & distance) != 0) continue;
        Value *x = rows[i], *y = rows[i + distance];
        rows[i] = builder_.CreateShuffleVector(x, y, upper);
        rows[i + distance] = builder_.CreateShuffleVector(x, y, lower);
      }
    }
    for (int64_t i = 0; i < block_; ++i) {
      builder_.CreateAlignedStore(rows[i], To(IndexAdd(builder_, k, Int(i)), column), align_);
    }
  }

  llvm::IRBuilder<> builder_;
  const PackSource source_;
  const int64_t panel_columns_;
  llvm::Type* element_;
  const llvm::Align align_;
  const int64_t lanes_;
  int64_t block_ = 1;
  Value *to_, *from_, *contracted_, *columns_, *from_k_, *from_column_;
};

}  // namespace

llvm::Function* PackFunction(llvm::Module& module, const ir::Target& target, ir::DType type, PackSource source,
                             int64_t panel_columns) {
  const char* kind = source == PackSource::kRows         ? "rows"
                     : source == PackSource::kTransposed ? "transposed"
                                                         : "strided";
  const std::string name =
      absl::StrCat("contraction_pack_", std::string(ir::Name(type)), "_", kind, "_", panel_columns);
  if (llvm::Function* existing = module.getFunction(name)) return existing;
  llvm::IRBuilder<> builder(module.getContext());
  llvm::SmallVector<llvm::Type*, 6> parameters(2, builder.getPtrTy());
  parameters.append(4, builder.getInt64Ty());
  auto* function = llvm::Function::Create(llvm::FunctionType::get(builder.getVoidTy(), parameters, false),
                                          llvm::Function::InternalLinkage, name, &module);
  SetTargetAttributes(target, *function);
  PackEmitter(function, target, type, source, panel_columns).Emit();
  return function;
}

}  // namespace gradus::codegen
