// What a reduction carries from element to element, and how it is joined: the operations of ir/order.h on registers.
#pragma once

#include "codegen/control.h"
#include "ir/graph.h"
#include "ir/target.h"

namespace gradus::codegen {

// One reduction statement. It carries one register (sum, max, min) or two (argmax, argmin: the best element so far and
// its i32 index).
class Reduction {
 public:
  Reduction(const ir::Statement& statement, const ir::Target& target);

  const ir::Statement& statement() const { return *statement_; }
  bool is_arg() const { return is_arg_; }

  // +0, the least or the greatest: what joining changes nothing. lanes 0: scalars.
  Carried Neutral(Builder& b, int lanes) const;
  // An element of the operand as something to join; `index` (i32, for argmax) is its place along the axis.
  Carried Element(llvm::Value* value, llvm::Value* index) const;
  // `left` joined by `right`, where `mask` holds (null: everywhere).
  Carried Join(Builder& b, const Carried& left, const Carried& right, llvm::Value* mask, int lanes) const;
  // The tree over 16 lanes: i takes i + 8, then i + 4, i + 2, i + 1. Gives scalars.
  Carried Tree(Builder& b, const Carried& lanes) const;
  // The result out of what was carried.
  llvm::Value* Result(const Carried& carried) const { return carried.back(); }

 private:
  const ir::Statement* statement_;
  const ir::Target& target_;
  bool is_arg_;
  bool greatest_;  // max or argmax
  ir::DType type_;
};

}  // namespace gradus::codegen
