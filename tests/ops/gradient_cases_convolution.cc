// Convolutions and windows with every pair of their attributes' values.
#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ir/convolution.h"
#include "tests/ops/gradient_cases.h"

namespace gradus::testing_support {
namespace {

using ir::AttributeValue;
using ir::DType;
using ir::Ints;
using ir::Op;
using ir::Shape;
using ir::Value;

constexpr size_t kFactors = 8;
using Row = std::array<int64_t, kFactors>;
enum Factor : size_t { kRank, kTaps, kStride, kLow, kHigh, kDilation, kInterior, kGroups };

// Rows in which every two factors take every two of their values, found greedily; the same on every machine.
std::vector<Row> PairwiseRows(const std::array<std::vector<int64_t>, kFactors>& values) {
  struct Pair {
    size_t a, b;
    int64_t of_a, of_b;
  };
  std::vector<Pair> missing;
  for (size_t a = 0; a < kFactors; ++a) {
    for (size_t b = a + 1; b < kFactors; ++b) {
      for (const int64_t of_a : values[a]) {
        for (const int64_t of_b : values[b]) missing.push_back({a, b, of_a, of_b});
      }
    }
  }
  const auto covers = [](const Row& row, const Pair& pair) {
    return row[pair.a] == pair.of_a && row[pair.b] == pair.of_b;
  };
  std::vector<Row> rows;
  while (!missing.empty()) {
    const Pair first = missing.front();
    Row row;
    for (size_t f = 0; f < kFactors; ++f) row[f] = values[f][rows.size() % values[f].size()];
    row[first.a] = first.of_a;
    row[first.b] = first.of_b;
    for (size_t f = 0; f < kFactors; ++f) {
      if (f == first.a || f == first.b) continue;
      int64_t best = -1;
      Row chosen = row;
      for (const int64_t value : values[f]) {
        Row trial = row;
        trial[f] = value;
        const int64_t covered =
            std::count_if(missing.begin(), missing.end(), [&](const Pair& pair) { return covers(trial, pair); });
        if (covered > best) chosen = trial;
        best = std::max(best, covered);
      }
      row = chosen;
    }
    std::erase_if(missing, [&](const Pair& pair) { return covers(row, pair); });
    rows.push_back(row);
  }
  return rows;
}

// Elements enough for two windows along the first axis, one along the others.
int64_t Input(const Row& row, int64_t windows) {
  int64_t input = 1;
  const int64_t needed = (row[kTaps] - 1) * row[kDilation] + 1 + (windows - 1) * row[kStride];
  while ((input - 1) * (row[kInterior] + 1) + 1 + row[kLow] + row[kHigh] < needed) ++input;
  return input;
}

struct Case {
  std::string name;
  Shape x;
  Ints taps;
  std::vector<AttributeValue> geometry;
};

Case MakeCase(const Row& row, absl::string_view operation) {
  const auto rank = static_cast<size_t>(row[kRank]);
  Case c;
  c.name = absl::StrCat(operation, " ", absl::StrJoin(row, " "));
  c.x = {row[kRank] == 1 ? 2 : 1};
  std::vector<ir::WindowAxis> axes(rank);
  for (size_t i = 0; i < rank; ++i) {
    c.x.push_back(Input(row, i == 0 ? 3 : 2));
    c.taps.push_back(row[kTaps]);
    axes[i] = {.stride = row[kStride],
               .low = row[kLow],
               .high = row[kHigh],
               .dilation = row[kDilation],
               .interior = row[kInterior]};
  }
  c.x.push_back(2);
  c.geometry = ir::GeometryAttributes(axes);
  return c;
}

GradientCase ConvolutionCase(const Row& row, DType element, size_t seed) {
  Case c = MakeCase(row, "convolution");
  CaseMaker make(c.name, element, seed);
  Shape windows = c.taps;
  windows.insert(windows.end(), {c.x.back() / row[kGroups], 2});
  Value* x = make.Input("x", c.x);
  Value* w = make.Input("w", windows);
  std::vector<AttributeValue> attributes = c.geometry;
  attributes.emplace_back(row[kGroups]);
  return make.Finish(make.Emit(Op::kConvolution, {make.Emit(Op::kTanh, {x}), w}, attributes));
}

GradientCase WeightsCase(const Row& row, DType element, size_t seed) {
  Case c = MakeCase(row, "convolution_weights");
  CaseMaker make(c.name, element, seed);
  Value* x = make.Input("x", c.x);
  Shape outputs = {c.x.front()};
  for (size_t i = 1; i + 1 < c.x.size(); ++i) {
    const int64_t places = (c.x[i] - 1) * (row[kInterior] + 1) + 1 + row[kLow] + row[kHigh];
    outputs.push_back((places - (row[kTaps] - 1) * row[kDilation] - 1) / row[kStride] + 1);
  }
  outputs.push_back(2);
  Value* g = make.Input("g", outputs);
  std::vector<AttributeValue> attributes = c.geometry;
  attributes.insert(attributes.begin(), c.taps);
  attributes.emplace_back(row[kGroups]);
  attributes.emplace_back(std::string());
  return make.Finish(make.Emit(Op::kConvolutionWeights, {x, make.Emit(Op::kTanh, {g})}, attributes));
}

GradientCase WindowCase(Op op, const Row& row, DType element, size_t seed) {
  Case c = MakeCase(row, ir::Info(op).mnemonic);
  CaseMaker make(c.name, element, seed);
  std::vector<AttributeValue> attributes = c.geometry;
  attributes.insert(attributes.begin(), c.taps);
  if (op == Op::kWindowSum) {
    Value* x = make.Input("x", c.x);
    return make.Finish(make.Emit(Op::kSin, {make.Emit(op, {make.Emit(Op::kMul, {x, x})}, attributes)}));
  }
  attributes.pop_back();
  // Elements 0.05 apart, through a function that keeps their order, so that no difference changes which is the largest.
  c.x.back() = 1;
  const int64_t count = ir::ElementCount(c.x).value();
  std::vector<double> numbers;
  for (int64_t i = 0; i < count; ++i) numbers.push_back(0.05 * static_cast<double>((i * 37 + 11) % 151 - 75));
  Value* x = make.Input("x", c.x, numbers);
  Value* u = make.Emit(Op::kAdd, {x, make.Emit(Op::kMul, {make.Emit(Op::kMul, {x, x}), make.Literal(0.0625)})});
  Value* places = make.Emit(Op::kConvert, {make.Emit(Op::kWindowArgMax, {u}, attributes)}, {element});
  return make.Finish(make.Emit(Op::kSin, {make.Emit(Op::kAdd, {make.Emit(op, {u}, attributes), places})}));
}

}  // namespace

std::vector<GradientCase> ConvolutionCases(DType element) {
  std::vector<GradientCase> cases;
  for (const Row& row :
       PairwiseRows({{{1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {-1, 0, 2}, {-1, 0, 1}, {1, 2}, {0, 1}, {1, 2}}})) {
    cases.push_back(ConvolutionCase(row, element, cases.size()));
    cases.push_back(WeightsCase(row, element, cases.size()));
    cases.push_back(WindowCase(Op::kWindowSum, row, element, cases.size()));
  }
  // A maximum has no holes, no groups, and no window of padding alone.
  for (const Row& row : PairwiseRows({{{1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {-1, 0}, {-1, 0}, {1, 2}, {0}, {1}}})) {
    cases.push_back(WindowCase(Op::kWindowMax, row, element, cases.size()));
  }
  for (const Row& row : {Row{2, 3, 2, 1, 1, 1, 0, 1}, Row{1, 3, 1, 2, 2, 1, 0, 1}, Row{2, 2, 1, 1, 0, 2, 0, 1}}) {
    cases.push_back(WindowCase(Op::kWindowMax, row, element, cases.size()));
  }
  return cases;
}

}  // namespace gradus::testing_support
