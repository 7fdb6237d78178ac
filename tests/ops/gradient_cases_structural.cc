#include <functional>

#include "absl/strings/str_cat.h"
#include "tests/ops/gradient_cases.h"

namespace gradus::testing_support {
namespace {

using ir::AttributeValue;
using ir::DType;
using ir::Ints;
using ir::Op;
using ir::Shape;
using ir::Value;

class Cases {
 public:
  explicit Cases(DType element) : element_(element) {}

  // y = op(x), squared in between so that a second order exists, and once bare.
  void Unary(Op op, Shape shape, std::vector<AttributeValue> attributes) {
    for (bool squared : {false, true}) {
      CaseMaker make(absl::StrCat(ir::Info(op).mnemonic, " of ", ir::ToString(shape), squared ? " squared" : "", " #",
                                  cases.size()),
                     element_, cases.size());
      Value* x = make.Input("x", shape);
      Value* y = make.Emit(op, {squared ? make.Emit(Op::kMul, {x, x}) : x}, attributes);
      if (squared) y = make.Emit(Op::kTanh, {y});
      cases.push_back(make.Finish(y));
    }
  }

  void Dot(std::string spec, Shape a_shape, Shape b_shape, std::string band = "") {
    for (bool squared : {false, true}) {
      CaseMaker make(absl::StrCat("einsum ", spec, band.empty() ? "" : " with ", band, squared ? " of squares" : ""),
                     element_, cases.size());
      Value* a = make.Input("a", a_shape);
      Value* b = make.Input("b", b_shape);
      Value* left = squared ? make.Emit(Op::kMul, {a, a}) : a;
      cases.push_back(make.Finish(make.Emit(Op::kDot, {left, b}, {spec, std::string(), band})));
    }
  }

  void Make(std::string name, const std::function<Value*(CaseMaker&)>& build) {
    CaseMaker make(std::move(name), element_, cases.size());
    Value* y = build(make);
    cases.push_back(make.Finish(y));
  }

  std::vector<GradientCase> cases;

 private:
  DType element_;
};

void AddShapes(Cases& c) {
  c.Unary(Op::kBroadcast, {}, {Ints{2, 3}});
  c.Unary(Op::kBroadcast, {3}, {Ints{2, 3}});
  c.Unary(Op::kBroadcast, {2, 1}, {Ints{2, 3}});
  c.Unary(Op::kBroadcast, {1, 3, 1}, {Ints{2, 4, 3, 2}});
  c.Unary(Op::kBroadcast, {2}, {Ints{2}});
  c.Unary(Op::kReshape, {2, 3}, {Ints{6}});
  c.Unary(Op::kReshape, {6}, {Ints{3, 1, 2}});
  c.Unary(Op::kReshape, {1, 1}, {Ints{}});
  c.Unary(Op::kReshape, {}, {Ints{1}});
  c.Unary(Op::kTranspose, {2, 3}, {Ints{1, 0}});
  c.Unary(Op::kTranspose, {2, 3, 4}, {Ints{1, 2, 0}});
  c.Unary(Op::kTranspose, {2, 1, 3, 2}, {Ints{3, 1, 0, 2}});
  c.Unary(Op::kSlice, {5}, {Ints{1}, Ints{4}, Ints{1}});
  c.Unary(Op::kSlice, {7}, {Ints{1}, Ints{6}, Ints{2}});
  c.Unary(Op::kSlice, {4, 5}, {Ints{0, 2}, Ints{4, 5}, Ints{3, 1}});
  c.Unary(Op::kSlice, {4, 6}, {Ints{3, 1}, Ints{4, 6}, Ints{1, 4}});
  c.Unary(Op::kFlip, {4}, {Ints{0}});
  c.Unary(Op::kFlip, {2, 3, 2}, {Ints{0, 2}});
  for (int64_t axis : {0, 1}) {
    c.Make(absl::StrCat("concat along ", axis), [axis](CaseMaker& make) {
      Value* a = make.Input("a", {2, 2});
      Value* b = make.Input("b", axis == 0 ? Shape{1, 2} : Shape{2, 3});
      Value* square = make.Emit(Op::kMul, {b, b});
      return make.Emit(Op::kConcat, {a, square, a}, {axis});
    });
  }
  struct Padding {
    Shape shape;
    Ints low, high, interior;
  };
  for (const Padding& p : {Padding{{3}, {1}, {2}, {0}}, Padding{{3}, {0}, {0}, {2}},
                           Padding{{2, 3}, {1, 0}, {0, 2}, {1, 0}}, Padding{{2, 1}, {0, 0}, {0, 0}, {0, 0}}}) {
    c.Make(absl::StrCat("pad of ", ir::ToString(p.shape)), [&](CaseMaker& make) {
      Value* x = make.Input("x", p.shape);
      Value* v = make.Input("v", {});
      return make.Emit(Op::kPad, {make.Emit(Op::kMul, {x, x}), make.Emit(Op::kMul, {v, v})},
                       {p.low, p.high, p.interior});
    });
  }
}

void AddReductions(Cases& c) {
  for (Op op : {Op::kReduceSum, Op::kReduceMax, Op::kReduceMin}) {
    c.Unary(op, {5}, {Ints{0}});
    c.Unary(op, {3, 4}, {Ints{0}});
    c.Unary(op, {3, 4}, {Ints{1}});
    c.Unary(op, {3, 4}, {Ints{0, 1}});
    c.Unary(op, {2, 3, 4}, {Ints{1}});
    c.Unary(op, {2, 3, 4}, {Ints{0, 2}});
    c.Unary(op, {2, 3, 4}, {Ints{0, 1}});
    c.Unary(op, {2, 3, 4}, {Ints{1, 2}});
    c.Unary(op, {2, 2, 2, 3}, {Ints{1, 3}});
    c.Unary(op, {1, 3}, {Ints{0}});
  }
}

void AddContractions(Cases& c) {
  c.Dot("ab,bc->ac", {2, 3}, {3, 4});
  c.Dot("ab,cb->ac", {2, 3}, {4, 3});
  c.Dot("ab,ac->bc", {3, 2}, {3, 4});
  c.Dot("ab,ca->bc", {3, 2}, {4, 3});
  c.Dot("ab,bc->ca", {2, 3}, {3, 4});
  c.Dot("a,a->", {4}, {4});
  c.Dot("a,ab->b", {3}, {3, 2});
  c.Dot("ab,b->a", {3, 2}, {2});
  c.Dot("ab,a->b", {3, 2}, {3});
  c.Dot("ab,ab->", {3, 2}, {3, 2});
  c.Dot("ab,ab->a", {3, 2}, {3, 2});
  c.Dot("ab,ba->b", {3, 2}, {2, 3});
  c.Dot("abc,cd->abd", {2, 3, 2}, {2, 3});
  c.Dot("abc,abd->cd", {2, 3, 2}, {2, 3, 2});
  c.Dot("abc,acd->abd", {2, 3, 2}, {2, 2, 3});
  c.Dot("abc,dac->bad", {2, 3, 2}, {2, 2, 2});
  c.Dot("abcd,abed->abce", {2, 1, 3, 2}, {2, 1, 2, 2});
  c.Dot("abcd,cbae->de", {2, 2, 3, 2}, {3, 2, 2, 2});
  c.Dot("ab,b->a", {3, 1}, {1});
  // Bands over axes of every two kinds, with every form of a bound.
  c.Dot("abc,abc->ab", {3, 3, 2}, {3, 3, 2}, "b<=a");
  c.Dot("abc,ac->ab", {3, 2, 2}, {3, 2}, "b<=a-1");
  c.Dot("abc,ac->ab", {2, 2, 3}, {2, 3}, "c<=a+1");
  c.Dot("abc,ac->ab", {2, 3, 3}, {2, 3}, "c<=b");
  c.Dot("ab,acb->ac", {3, 2}, {3, 2, 2}, "a<=c");
  c.Dot("ab,acb->ac", {2, 3}, {2, 3, 3}, "c-1<=b<=c");
  c.Dot("ab,acb->ac", {3, 3}, {3, 2, 3}, "a-2<=b<=a-1");
  c.Dot("abc,c->ab", {3, 3, 2}, {2}, "a-1<=b<=a");
  c.Dot("a,bca->bc", {2}, {3, 2, 2}, "b<=c");
  c.Dot("ab,cb->ac", {3, 2}, {3, 2}, "c<=a");
  c.Dot("ab,cb->ac", {2, 2}, {4, 2}, "c<=a+1");
  c.Dot("ab,cb->ca", {3, 2}, {3, 2}, "a-1<=c<=a");
  c.Dot("ab,ab->", {3, 2}, {3, 2}, "b<=a");
  c.Dot("abc,abc->a", {2, 3, 3}, {2, 3, 3}, "c<=b-1");
  c.Dot("a,b->ab", {3}, {3}, "a<=b");
  c.Dot("ab,bc->ac", {2, 2}, {2, 3}, "b<=a-2");
}

void AddIndexing(Cases& c) {
  struct Case {
    Shape x;
    int64_t axis, batch;
    Shape indices;
    std::vector<int32_t> numbers;
  };
  const Case kGathers[] = {
      {{4, 3}, 0, 0, {5}, {3, 0, 0, 2, 3}},
      {{4, 3}, 1, 0, {2, 2}, {2, 0, 1, 2}},
      {{4, 3}, 0, 0, {}, {2}},
      {{2, 3}, 1, 1, {2}, {2, 0}},
      {{2, 3, 2}, 1, 1, {2, 2}, {2, 2, 0, 1}},
      {{2, 3, 2}, 2, 0, {3}, {1, 0, 1}},
      {{2, 2, 3}, 2, 1, {2, 2}, {0, 2, 1, 1}},
      {{2, 2, 3}, 2, 2, {2, 2, 1}, {0, 2, 1, 1}},
  };
  for (const Case& g : kGathers) {
    c.Make(absl::StrCat("gather of ", ir::ToString(g.x), " axis ", g.axis, " batch ", g.batch), [&](CaseMaker& make) {
      Value* x = make.Input("x", g.x);
      Value* i = make.Indices("i", g.indices, g.numbers);
      return make.Emit(Op::kGather, {make.Emit(Op::kMul, {x, x}), i}, {g.axis, g.batch});
    });
  }
  const Case kScatters[] = {
      {{5, 3}, 0, 0, {5}, {3, 0, 0, 2, 3}}, {{4, 2, 2}, 1, 0, {2, 2}, {2, 0, 1, 2}}, {{3}, 0, 0, {}, {2}},
      {{2, 2}, 1, 1, {2, 2}, {2, 0, 1, 1}}, {{2, 2, 2}, 1, 1, {2, 2}, {2, 2, 0, 1}},
  };
  for (const Case& s : kScatters) {
    c.Make(absl::StrCat("scatter_add of ", ir::ToString(s.x), " axis ", s.axis, " batch ", s.batch),
           [&](CaseMaker& make) {
             Value* u = make.Input("u", s.x);
             Value* i = make.Indices("i", s.indices, s.numbers);
             return make.Emit(Op::kScatterAdd, {make.Emit(Op::kMul, {u, u}), i}, {int64_t{4}, s.axis, s.batch});
           });
  }
}

// Operations through which nothing flows stand beside ones through which something does.
void AddConstants(Cases& c) {
  c.Make("iota, one_hot, argmax and a constant are constants", [](CaseMaker& make) {
    Value* x = make.Input("x", {3, 4});
    Value* iota = make.Emit(Op::kIota, {}, {Ints{3, 4}, int64_t{1}, make.element()});
    Value* winner = make.Emit(Op::kArgMax, {x}, {int64_t{1}});
    Value* loser = make.Emit(Op::kArgMin, {x}, {int64_t{0}});
    Value* mask = make.Emit(Op::kOneHot, {winner}, {int64_t{4}, make.element()});
    Value* others = make.Emit(Op::kOneHot, {loser}, {int64_t{4}, make.element()});
    Value* masked = make.Emit(Op::kMul, {make.Emit(Op::kMul, {x, x}), make.Emit(Op::kAdd, {mask, iota})});
    return make.Emit(Op::kAdd, {masked, make.Emit(Op::kReduceSum, {others}, {Ints{0}})});
  });
  c.Make("sorted rows and columns, by their indices", [](CaseMaker& make) {
    Value* x = make.Input("x", {3, 4});
    Value* squares = make.Emit(Op::kMul, {x, x});
    Value* rows = make.Emit(Op::kArgSort, {x}, {int64_t{1}, int64_t{0}});
    Value* order = make.Emit(Op::kArgSort, {make.Emit(Op::kReduceSum, {x}, {Ints{1}})}, {int64_t{0}, int64_t{1}});
    Value* sorted = make.Emit(Op::kGather, {squares, rows}, {int64_t{1}, int64_t{1}});
    Value* ramp = make.Emit(Op::kIota, {}, {Ints{3, 4}, int64_t{1}, make.element()});
    return make.Emit(Op::kGather, {make.Emit(Op::kMul, {sorted, ramp}), order}, {int64_t{0}, int64_t{0}});
  });
  c.Make("an adjoint that repeats itself meets every kind of reader", [](CaseMaker& make) {
    Value* x = make.Input("x", {2, 3});
    Value* w = make.Input("w", {3, 2});
    Value* product = make.Emit(Op::kDot, {make.Emit(Op::kTanh, {x}), w}, {std::string("ab,bc->ac")});
    Value* moved = make.Emit(Op::kTranspose, {make.Emit(Op::kExp, {x})}, {Ints{1, 0}});
    Value* joined = make.Emit(
        Op::kConcat, {make.Emit(Op::kReshape, {product}, {Ints{4}}), make.Emit(Op::kReshape, {moved}, {Ints{6}})},
        {int64_t{0}});
    Value* wide = make.Emit(Op::kBroadcast, {make.Emit(Op::kFlip, {joined}, {Ints{0}})}, {Ints{2, 10}});
    return make.Emit(Op::kReduceSum, {make.Emit(Op::kSin, {wide})}, {Ints{0, 1}});
  });
}

}  // namespace

std::vector<GradientCase> StructuralCases(DType element) {
  Cases c(element);
  AddShapes(c);
  AddReductions(c);
  AddContractions(c);
  AddIndexing(c);
  AddConstants(c);
  return std::move(c.cases);
}

}  // namespace gradus::testing_support
