// What random graphs rarely hold prints and reads back too: special numbers in every place, awkward names and notes,
// deep expressions.
#include <gtest/gtest.h>

#include <bit>
#include <functional>
#include <limits>
#include <random>

#include "frontend/read_graph.h"
#include "ir/builder.h"
#include "ir/contraction.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "tests/matchers.h"

namespace gradus {
namespace {

using ir::Builder;
using ir::DType;
using ir::Graph;
using ir::Op;
using ir::Tensor;
using ir::Value;
using testing_support::IsOk;

void ExpectReadsBack(const Graph& graph) {
  const std::string text = ir::Print(graph);
  const absl::StatusOr<Graph> read = frontend::ReadGraph("printed.gr", text);
  ASSERT_TRUE(read.ok()) << read.status() << "\n" << text.substr(0, 4000);
  ASSERT_EQ(ir::Print(*read), text);
  ASSERT_EQ(read->body.statements.size(), graph.body.statements.size());
  for (size_t i = 0; i < graph.body.statements.size(); ++i) {
    const auto &before = graph.body.statements[i], &after = read->body.statements[i];
    ASSERT_EQ(before->op, after->op) << text;
    if (before->op == Op::kConstant) {
      ASSERT_TRUE(ir::SameBits(*before->literal, *after->literal)) << text;
    }
  }
}

// --- numbers

template <typename T>
std::vector<T> SpecialNumbers() {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_same_v<T, bool>) {
    return {false, true};
  } else if constexpr (std::is_floating_point_v<T>) {
    std::vector<T> numbers;
    for (const T magnitude : {T(0),
                              T(1),
                              T(3),
                              T(0.1),
                              T(1e-5),
                              T(1e5),
                              T(123456789),
                              T(1e15),
                              T(1e16),
                              T(1e17),
                              T(1e22),
                              T(1e23),
                              T(0x1p31),
                              T(0x1p53),
                              T(0x1p62),
                              T(0x1p63),
                              T(0x1p64),
                              Limits::denorm_min(),
                              Limits::denorm_min() * 3,
                              Limits::min(),
                              Limits::max(),
                              Limits::epsilon(),
                              std::nextafter(T(1), T(2)),
                              Limits::infinity()}) {
      numbers.push_back(magnitude);
      numbers.push_back(-magnitude);
    }
    numbers.push_back(Limits::quiet_NaN());
    return numbers;
  } else {
    return {Limits::min(), static_cast<T>(Limits::min() + 1), static_cast<T>(-1), 0, 1, Limits::max()};
  }
}

template <typename T>
class NumberTextTest : public ::testing::Test {};
using ElementTypes = ::testing::Types<bool, uint8_t, int32_t, int64_t, float, double>;
TYPED_TEST_SUITE(NumberTextTest, ElementTypes);

TYPED_TEST(NumberTextTest, SpecialNumbersReadBackInEveryPlace) {
  using T = TypeParam;
  const DType type = ir::DTypeOf<T>::value;
  Graph g;
  g.name = "g";
  Builder b(g);
  Value* x = b.Declare(Op::kInput, "x", {type, {2}});
  Value* c = b.Declare(Op::kInput, "c", {DType::kBool, {}});
  std::vector<Value*> states;
  const std::vector<T> numbers = SpecialNumbers<T>();
  for (size_t i = 0; i < numbers.size(); ++i) {
    states.push_back(b.Declare(Op::kState, absl::StrCat("s", i), {type, {}}));
  }
  int count = 0;
  const auto keep = [&](Value* value) {
    value->name = absl::StrCat("y", count++);
    g.outputs.push_back({value->name, value});
  };
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto number = [&] { return b.Constant(Tensor::Scalar<T>(numbers[i])); };
    b.Next(states[i], number());
    keep(number());
    keep(b.Emit(Op::kBroadcast, {number()}, {ir::Ints{2}}));
    keep(b.Emit(Op::kConvert, {number()}, {DType::kI32}));
    keep(b.Emit(Op::kSelect, {c, number(), x}));
    keep(b.Emit(Op::kSelect, {c, number(), number()}));
    keep(b.Emit(Op::kPad, {x, number()}, {ir::Ints{1}, ir::Ints{0}, ir::Ints{0}}));
    keep(b.Emit(Op::kEqual, {x, number()}));
    for (const ir::OpInfo& info : ir::AllOps()) {
      if (!ir::IsElementwise(info.op) || !ir::Contains(info.types, type) || info.op == Op::kConvert) continue;
      if (info.arity == 1) {
        keep(b.Emit(info.op, {number()}));
        keep(b.Emit(info.op, {b.Emit(Op::kStopGradient, {number()})}));
      }
      if (info.arity == 2) {
        keep(b.Emit(info.op, {x, number()}));
        keep(b.Emit(info.op, {number(), x}));
        keep(b.Emit(info.op, {number(), number()}));
      }
    }
    if (ir::IsFloat(type)) {
      keep(b.Emit(Op::kNeg, {b.Emit(Op::kPow, {number(), b.Emit(Op::kNeg, {number()})})}));
      keep(b.Emit(Op::kPow, {b.Emit(Op::kNeg, {x}), number()}));
    }
  }
  ir::NameUnnamed(g);
  ASSERT_THAT(ir::Verify(g), IsOk());
  ExpectReadsBack(g);
}

TYPED_TEST(NumberTextTest, TensorsOfAnyBitsReadBack) {
  using T = TypeParam;
  std::mt19937_64 random(3);
  std::vector<T> numbers = SpecialNumbers<T>();
  while (numbers.size() < 3000) {
    if constexpr (std::is_same_v<T, float>) {
      numbers.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
    } else if constexpr (std::is_same_v<T, double>) {
      numbers.push_back(std::bit_cast<double>(random()));
    } else {
      numbers.push_back(static_cast<T>(random()));
    }
  }
  Tensor tensor({ir::DTypeOf<T>::value, {10, 1, 300}});
  std::copy(numbers.begin(), numbers.end(), tensor.data<T>().begin());
  Graph g;
  g.name = "g";
  Builder b(g);
  Value* value = b.Constant(tensor);
  value->name = "t";
  g.outputs.push_back({"t", value});
  ExpectReadsBack(g);
}

// --- names and notes

TEST(NoteTextTest, AnyNameAUserMayChooseReadsBackInEveryNote) {
  int names = 0;
  for (const char* word :
       {"of",     "alias",   "arena",   "none", "section", "yield",   "output",  "T",      "inf",        "nan",
        "true",   "axis",    "graph",   "dim",  "input",   "next",    "d",       "d.h",    "h'2",        "frozen",
        "target", "threads", "fused",   "exp",  "f32",     "scratch", "barrier", "order",  "custom_vjp", "vjp",
        "number", "repeat",  "forward", "e",    "x1",      "_",       "l1",      "update", "numerics",   "arguments"}) {
    SCOPED_TRACE(word);
    const auto plain = frontend::ReadGraph("g.gr", absl::StrCat("graph g numerics 1 {\n  input i : f32\n  ", word,
                                                                " : f32 = i + 1\n  output ", word, "\n}\n"));
    if (!plain.ok()) continue;
    ++names;
    for (int form = 0; form < 32; ++form) {
      Graph g = plain->Clone();
      ir::Statement& s = *g.Find(word)->definition;
      if (form & 1) s.note.of = word;
      if (form & 2) s.note.line = 3, s.note.column = 14;
      if ((form & 2) && (form & 4)) s.note.file = "my models/alias of x.gr";
      if (form & 8) s.note.aliases = {"b", word, "arena", "c"};
      if (form & 16) s.result()->arena = ir::ArenaRange{64, 128};
      if ((form & 24) == 24 && (form & 1)) s.note.aliases = {"arena"};
      ir::NameUnnamed(g);
      ExpectReadsBack(g);
    }
  }
  EXPECT_GT(names, 20);
}

TEST(NoteTextTest, StatementsOfARegionKeepNotesOfTheirOwn) {
  for (int form = 0; form < 64; ++form) {
    Graph g;
    g.name = "g";
    Builder b(g);
    Value* x = b.Declare(Op::kInput, "x", {DType::kF32, {4}});
    if (form & 1) b.SetNote({.of = "x", .file = "a b.gr", .line = 7, .column = 2});
    auto fused = std::make_unique<ir::Statement>();
    fused->op = Op::kFused;
    fused->operands = {x};
    fused->note = b.note();
    if (form & 2) fused->note.aliases = {"other"};
    fused->region = std::make_unique<ir::Region>();
    fused->region->parameters.push_back(std::make_unique<Value>(Value{.type = x->type, .name = "x"}));
    Builder inner(*fused->region);
    if (form & 4) inner.SetNote(b.note());
    if (form & 8) inner.SetNote({.line = 9, .column = 9});
    Value* p = fused->region->parameters[0].get();
    Value* first = inner.Emit(Op::kExp, {p});
    if (form & 16) first->name = "first";
    if (form & 32) inner.SetNote({.of = "x"});
    Value* sum = inner.Emit(Op::kAdd, {first, inner.Scalar(DType::kF32, -0.0)});
    fused->region->yields = {sum, inner.Emit(Op::kMul, {p, p})};
    for (int i = 0; i < 2; ++i) {
      fused->results.push_back(std::make_unique<Value>(Value{.type = x->type, .name = absl::StrCat("y", i)}));
    }
    ir::Statement* added = b.Append(std::move(fused));
    for (const auto& result : added->results) g.outputs.push_back({result->name, result.get()});
    ir::NameUnnamed(g);
    ASSERT_THAT(ir::Verify(g), IsOk());
    ExpectReadsBack(g);
  }
}

// --- deep expressions

struct Chain {
  const char* name;
  ir::Type type;
  std::function<Value*(Builder&, Value* x, Value* last)> extend;
};

std::vector<Chain> Chains() {
  const ir::Type scalar{DType::kF32, {}}, matrix{DType::kF32, {2, 2}}, boolean{DType::kBool, {}};
  const auto apply = [](Op op, bool x_first) {
    return [=](Builder& b, Value* x, Value* last) { return x_first ? b.Emit(op, {x, last}) : b.Emit(op, {last, x}); };
  };
  const auto apply_one = [](Op op) { return [=](Builder& b, Value*, Value* last) { return b.Emit(op, {last}); }; };
  return {
      {"exp", scalar, apply_one(Op::kExp)},
      {"neg", scalar, apply_one(Op::kNeg)},
      {"not", boolean, apply_one(Op::kNot)},
      {"sub left", scalar, apply(Op::kSub, false)},
      {"sub right", scalar, apply(Op::kSub, true)},
      {"pow left", scalar, apply(Op::kPow, false)},
      {"pow right", scalar, apply(Op::kPow, true)},
      {"or right", boolean, apply(Op::kOr, true)},
      {"maximum", scalar, apply(Op::kMaximum, true)},
      {"literal", scalar,
       [](Builder& b, Value*, Value* last) { return b.Emit(Op::kMul, {b.Scalar(DType::kF32, -2), last}); }},
      {"neg sub", scalar,
       [](Builder& b, Value* x, Value* last) { return b.Emit(Op::kNeg, {b.Emit(Op::kSub, {x, last})}); }},
      {"transposed product", matrix,
       [](Builder& b, Value* x, Value* last) {
         return b.Emit(Op::kDot, {x, last}, {ir::MatmulSpec(2, 2, false, true)});
       }},
      {"transposition", matrix,
       [](Builder& b, Value* x, Value* last) {
         return b.Emit(Op::kAdd, {x, b.Emit(Op::kTranspose, {last}, {ir::Ints{1, 0}})});
       }},
      {"slice of a list", matrix,
       [](Builder& b, Value* x, Value* last) {
         return b.Emit(Op::kSlice, {b.Emit(Op::kConcat, {x, last}, {int64_t{0}})},
                       {ir::Ints{0, 0}, ir::Ints{2, 2}, ir::Ints{1, 1}});
       }},
      {"new axes", scalar,
       [](Builder& b, Value*, Value* last) {
         return b.Emit(Op::kReduceSum, {b.Emit(Op::kReshape, {last}, {ir::Ints{1, 1}})}, {ir::Ints{0, 1}});
       }},
      {"conversion", scalar,
       [](Builder& b, Value*, Value* last) {
         return b.Emit(Op::kConvert, {b.Emit(Op::kConvert, {last}, {DType::kF64})}, {DType::kF32});
       }},
  };
}

Graph ChainOf(const Chain& chain, int length) {
  Graph g;
  g.name = "g";
  Builder b(g);
  Value* x = b.Declare(Op::kInput, "x", chain.type);
  Value* last = x;
  for (int i = 0; i < length; ++i) last = chain.extend(b, x, last);
  last->name = "y";
  g.outputs.push_back({"y", last});
  return g;
}

TEST(DeepTextTest, ExpressionsThatWouldNestTooDeeplyAreNamedInPieces) {
  for (const Chain& chain : Chains()) {
    SCOPED_TRACE(chain.name);
    Graph g = ChainOf(chain, 300);
    ir::NameUnnamed(g);
    EXPECT_FALSE(ir::NameUnnamed(g));
    ASSERT_THAT(ir::Verify(g), IsOk());
    ExpectReadsBack(g);
  }
}

TEST(DeepTextTest, AChainOf100000UnnamedValuesNeedsNoStack) {
  Graph g = ChainOf(Chains()[4], 100000);
  ir::NameUnnamed(g);
  ASSERT_THAT(ir::Verify(g), IsOk());
  int named = 0;
  for (const auto& s : g.body.statements) named += s->result()->name.empty() ? 0 : 1;
  EXPECT_GT(named, 100000 / 70);
  EXPECT_LT(named, 100000 / 60);
  ExpectReadsBack(g);
}

}  // namespace
}  // namespace gradus
