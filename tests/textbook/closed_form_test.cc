// Every derivative of the textbook's network against its closed form, written here by hand from the book's formulas:
// activation, loss, matrix and scalar form, one bias a layer and one a unit, to 1e-12 in f64.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "ir/builder.h"
#include "ir/printer.h"
#include "tests/matchers.h"
#include "tests/textbook/example.h"

namespace gradus::testing_support {
namespace {

// As `dim hidden`, `dim output` and `dim error` count them.
enum Activation { kIdentity = 1, kSigmoid, kRelu, kTanh };
enum ErrorFunction { kLeastSquares = 1, kFromLogits, kWrittenOut };

double Value(Activation f, double z) {
  switch (f) {
    case kIdentity:
      return z;
    case kSigmoid:
      return 1 / (1 + std::exp(-z));
    case kRelu:
      return z > 0 ? z : 0;
    case kTanh:
      return std::tanh(z);
  }
  return NAN;
}

// σ′(z), with a = σ(z).
double Derivative(Activation f, double z, double a) {
  switch (f) {
    case kIdentity:
      return 1;
    case kSigmoid:
      return a * (1 - a);
    case kRelu:
      return z > 0 ? 1 : 0;
    case kTanh:
      return 1 - a * a;
  }
  return NAN;
}

struct Variant {
  Activation hidden, output;
  ErrorFunction error;
  bool shared;  // one bias a layer

  Choices choices() const {
    return {{"hidden", absl::StrCat(hidden)},
            {"output", absl::StrCat(output)},
            {"error", absl::StrCat(error)},
            {"biases", shared ? "1" : "2"}};
  }
  std::string text() const {
    return absl::StrCat("hidden=", hidden, " output=", output, " error=", error, shared ? " shared biases" : "");
  }
};

std::vector<Variant> AllVariants() {
  std::vector<Variant> all;
  for (const bool shared : {true, false}) {
    for (const Activation hidden : {kIdentity, kSigmoid, kRelu, kTanh}) {
      for (const Activation output : {kIdentity, kSigmoid, kRelu, kTanh}) {
        all.push_back({hidden, output, kLeastSquares, shared});
      }
      // Cross-entropy stands behind a sigmoid.
      all.push_back({hidden, kSigmoid, kFromLogits, shared});
      all.push_back({hidden, kSigmoid, kWrittenOut, shared});
    }
  }
  return all;
}

// One example and the parameters: w1[j][k] leads from input k to unit j.
struct Point {
  std::array<double, 2> x;
  double t;
  std::array<std::array<double, 2>, 3> w1;
  std::array<double, 3> b1, w2;
  double b2;
};

const Point kPoints[] = {
    {{1, 0}, 1, {{{0.1, 0.4}, {0.2, 0.5}, {0.3, 0.6}}}, {0.1, -0.2, 0.3}, {0.7, 0.8, 0.9}, -0.1},
    {{-1.3, 0.7}, 0.25, {{{1.1, -0.4}, {-0.6, 1.5}, {0.3, -1.6}}}, {-0.9, 0.25, 0.5}, {-0.7, 1.4, -0.3}, 0.8},
    {{0.6, -2.1}, 0, {{{-0.8, -1.2}, {0.05, 0.9}, {1.7, 0.2}}}, {0.4, 0.6, -1.1}, {0.5, -1.9, 1.2}, 0.35},
    // Every z of the hidden layer is 0, where relu's derivative is 0.
    {{0, 0}, 1, {{{0.5, 1}, {-1, 2}, {0.25, -3}}}, {0, 0, 0}, {1, -2, 0.5}, 0},
};

using Derivatives = std::map<std::string, double>;  // `w1_32`, `b1_3` or `b1`, `w2_13`, `b2`

// ∂C/∂w²₁ⱼ = ∂C/∂a³₁ · ∂a³₁/∂z³₁ · a²ⱼ, ∂C/∂w¹ⱼₖ = ∂C/∂a³₁ · ∂a³₁/∂z³₁ · w²₁ⱼ · σ′(z²ⱼ) · xₖ, and the same without
// the last factor for biases, summed over the units that share one.
Derivatives ClosedForm(const Variant& variant, const Point& p) {
  std::array<double, 3> z2, a2, hidden;
  double z3 = p.b2;
  for (int j = 0; j < 3; ++j) {
    z2[j] = p.w1[j][0] * p.x[0] + p.w1[j][1] * p.x[1] + p.b1[variant.shared ? 0 : j];
    a2[j] = Value(variant.hidden, z2[j]);
    hidden[j] = Derivative(variant.hidden, z2[j], a2[j]);
    z3 += p.w2[j] * a2[j];
  }
  const double a3 = Value(variant.output, z3);
  const double by_z3 = variant.error == kLeastSquares ? (a3 - p.t) * Derivative(variant.output, z3, a3)
                       : variant.error == kFromLogits ? a3 - p.t
                                                      : (-p.t / a3 + (1 - p.t) / (1 - a3)) * (a3 * (1 - a3));
  Derivatives d;
  d["b2"] = by_z3;
  for (int j = 0; j < 3; ++j) {
    const std::string unit = absl::StrCat(j + 1);
    d["w2_1" + unit] = by_z3 * a2[j];
    for (int k = 0; k < 2; ++k) d[absl::StrCat("w1_", unit, k + 1)] = by_z3 * p.w2[j] * hidden[j] * p.x[k];
    d[variant.shared ? "b1" : "b1_" + unit] += by_z3 * p.w2[j] * hidden[j];
  }
  return d;
}

void ExpectNear(const std::string& name, double expected, double found) {
  EXPECT_LE(std::abs(expected - found), 1e-12 * std::max(1.0, std::abs(expected)))
      << name << ": expected " << expected << ", found " << found;
}

// Numbers for every declared value of the graph; then the derivatives, which become outputs.
absl::StatusOr<ir::NamedTensors> Evaluate(ir::Graph& graph,
                                          const std::map<std::string, std::vector<double>>& declared) {
  ir::NamedTensors given;
  for (const auto& [name, numbers] : declared) {
    if (graph.Find(name) != nullptr) given.emplace(name, Shaped(graph, name, numbers));
  }
  for (const auto& statement : graph.body.statements) {
    for (const auto& result : statement->results) {
      if (absl::StartsWith(result->name, "d.")) graph.outputs.push_back({result->name, result.get()});
    }
  }
  ASSIGN_OR_RETURN(ir::StepValues values, ir::Interpret(graph, given));
  return std::move(values.outputs);
}

// Each variant of a program of the textbook, at each point.
template <typename Function>
void ForEveryVariant(const char* program, Function check) {
  const auto module = LoadTextbook(program);
  ASSERT_THAT(module, IsOk());
  for (const Variant& variant : AllVariants()) {
    SCOPED_TRACE(variant.text());
    for (const Point& p : kPoints) {
      auto graph = Differentiated(*module, frontend::Entry::kStep, variant.choices());
      ASSERT_THAT(graph, IsOk());
      check(variant, p, *graph);
    }
  }
}

TEST(ClosedFormTest, EveryDerivativeOfTheMatrixForm) {
  ForEveryVariant("network.gr", [](const Variant& variant, const Point& p, ir::Graph& graph) {
    std::vector<double> w1;
    for (int k = 0; k < 2; ++k) {
      for (int j = 0; j < 3; ++j) w1.push_back(p.w1[j][k]);
    }
    const std::vector<double> b1 =
        variant.shared ? std::vector<double>{p.b1[0]} : std::vector<double>(p.b1.begin(), p.b1.end());
    const auto found = Evaluate(graph, {{"x", {p.x[0], p.x[1]}},
                                        {"t", {p.t}},
                                        {"w1", w1},
                                        {"b1", b1},
                                        {"w2", {p.w2.begin(), p.w2.end()}},
                                        {"b2", {p.b2}}});
    ASSERT_THAT(found, IsOk());
    const auto at = [&](const std::string& name, int i) { return found->at(name).data<double>()[i]; };
    for (const auto& [name, expected] : ClosedForm(variant, p)) {
      const int j = name.size() > 3 ? name[name.size() - 2] - '1' : 0, last = name.back() - '1';
      if (absl::StartsWith(name, "w1")) ExpectNear(name, expected, at("d.w1", last * 3 + j));
      if (absl::StartsWith(name, "w2")) ExpectNear(name, expected, at("d.w2", last));
      if (absl::StartsWith(name, "b1")) ExpectNear(name, expected, at("d.b1", variant.shared ? 0 : last));
      if (name == "b2") ExpectNear(name, expected, at("d.b2", 0));
    }
  });
}

TEST(ClosedFormTest, EveryDerivativeOfTheScalarForm) {
  ForEveryVariant("scalar.gr", [](const Variant& variant, const Point& p, ir::Graph& graph) {
    std::map<std::string, std::vector<double>> declared = {
        {"x1", {p.x[0]}}, {"x2", {p.x[1]}}, {"t", {p.t}}, {"b1", {p.b1[0]}}, {"b2", {p.b2}}};
    for (int j = 0; j < 3; ++j) {
      const std::string unit = absl::StrCat(j + 1);
      declared["w2_1" + unit] = {p.w2[j]};
      declared["b1_" + unit] = {p.b1[j]};
      for (int k = 0; k < 2; ++k) declared[absl::StrCat("w1_", unit, k + 1)] = {p.w1[j][k]};
    }
    const auto found = Evaluate(graph, declared);
    ASSERT_THAT(found, IsOk());
    const Derivatives closed = ClosedForm(variant, p);
    EXPECT_EQ(closed.size(), variant.shared ? 11u : 13u);
    for (const auto& [name, expected] : closed) ExpectNear(name, expected, found->at("d." + name).data<double>()[0]);
  });
}

// Softmax and the cross-entropy of the label: δ = a − t, t one for the label and zero for the others.
TEST(ClosedFormTest, EveryDerivativeWithThreeClasses) {
  const auto module = LoadTextbook("classes.gr");
  ASSERT_THAT(module, IsOk());
  const double w1[2][3] = {{0.4, -1.2, 0.9}, {0.3, 0.8, -0.7}}, b1[3] = {0.1, -0.4, 0.2}, b2[3] = {-0.3, 0.6, 0.05};
  const double w2[3][3] = {{0.7, 0.8, -0.9}, {1.1, -0.2, 0.3}, {-0.4, 0.5, -1.6}}, x[2] = {1.5, -0.8};
  for (int label = 0; label < 3; ++label) {
    auto graph = Differentiated(*module, frontend::Entry::kStep);
    ASSERT_THAT(graph, IsOk());
    ir::Value* t = graph->Find("t");
    ASSERT_NE(t, nullptr);
    graph->outputs.clear();
    ir::NamedTensors given = {
        {"x", Shaped(*graph, "x", x)},
        {"t", ir::Tensor::Scalar<int32_t>(label)},
        {"w1", Shaped(*graph, "w1", {&w1[0][0], 6})},
        {"b1", Shaped(*graph, "b1", b1)},
        {"w2", Shaped(*graph, "w2", {&w2[0][0], 9})},
        {"b2", Shaped(*graph, "b2", b2)},
    };
    for (const char* name : {"d.w1", "d.b1", "d.w2", "d.b2"}) graph->outputs.push_back({name, graph->Find(name)});
    const auto values = ir::Interpret(*graph, given);
    ASSERT_THAT(values, IsOk());
    const auto at = [&](const std::string& name, int i) { return values->outputs.at(name).data<double>()[i]; };
    double a2[3], z3[3], sum = 0;
    for (int j = 0; j < 3; ++j) a2[j] = 1 / (1 + std::exp(-(w1[0][j] * x[0] + w1[1][j] * x[1] + b1[j])));
    for (int i = 0; i < 3; ++i) z3[i] = w2[0][i] * a2[0] + w2[1][i] * a2[1] + w2[2][i] * a2[2] + b2[i];
    for (const double z : z3) sum += std::exp(z);
    for (int j = 0; j < 3; ++j) {
      double by_a2 = 0;
      for (int i = 0; i < 3; ++i) {
        const double delta = std::exp(z3[i]) / sum - (i == label ? 1 : 0);
        by_a2 += w2[j][i] * delta;
        ExpectNear("w2", delta * a2[j], at("d.w2", j * 3 + i));
        if (j == 0) ExpectNear("b2", delta, at("d.b2", i));
      }
      const double by_z2 = by_a2 * a2[j] * (1 - a2[j]);
      ExpectNear("b1", by_z2, at("d.b1", j));
      for (int k = 0; k < 2; ++k) ExpectNear("w1", by_z2 * x[k], at("d.w1", k * 3 + j));
    }
  }
}

// The gradient of a batch is the mean of those of its examples.
TEST(ClosedFormTest, EveryDerivativeOfABatch) {
  const auto module = LoadTextbook("training.gr");
  ASSERT_THAT(module, IsOk());
  auto graph = Differentiated(*module, frontend::Entry::kStep, {}, "full_batch");
  ASSERT_THAT(graph, IsOk());
  const Variant variant{kTanh, kSigmoid, kFromLogits, false};
  std::vector<double> x, t;
  Derivatives mean;
  for (const auto& example : std::vector<std::array<double, 3>>{{0, 0, 0}, {0.3, -1, 1}, {1.2, 0.4, 1}, {-1, 2, 0}}) {
    x.insert(x.end(), {example[0], example[1]});
    t.push_back(example[2]);
    Point p = kPoints[1];
    p.x = {example[0], example[1]};
    p.t = example[2];
    for (const auto& [name, derivative] : ClosedForm(variant, p)) mean[name] += derivative / 4;
  }
  const Point& p = kPoints[1];
  const auto found = Evaluate(*graph, {{"x", x},
                                       {"t", t},
                                       {"w1", {p.w1[0][0], p.w1[1][0], p.w1[2][0], p.w1[0][1], p.w1[1][1], p.w1[2][1]}},
                                       {"b1", {p.b1.begin(), p.b1.end()}},
                                       {"w2", {p.w2.begin(), p.w2.end()}},
                                       {"b2", {p.b2}}});
  ASSERT_THAT(found, IsOk());
  for (int j = 0; j < 3; ++j) {
    const std::string unit = absl::StrCat(j + 1);
    ExpectNear("w2", mean["w2_1" + unit], found->at("d.w2").data<double>()[j]);
    ExpectNear("b1", mean["b1_" + unit], found->at("d.b1").data<double>()[j]);
    for (int k = 0; k < 2; ++k) {
      ExpectNear("w1", mean[absl::StrCat("w1_", unit, k + 1)], found->at("d.w1").data<double>()[k * 3 + j]);
    }
  }
  ExpectNear("b2", mean["b2"], found->at("d.b2").data<double>()[0]);
}

// `d.z3 = …` of every statement of the section, without types and notes.
std::vector<std::string> Backward(const ir::Graph& graph) {
  std::vector<std::string> lines;
  bool inside = false;
  for (const absl::string_view line : absl::StrSplit(ir::Print(graph), '\n')) {
    if (absl::StartsWith(line, "section ")) {
      inside = line == "section backward";
    } else if (inside) {
      const std::vector<std::string> sides =
          absl::StrSplit(line.substr(0, line.find("  |")), absl::MaxSplits(" = ", 1));
      const std::vector<std::string> name = absl::StrSplit(sides[0], ' ', absl::SkipEmpty());
      lines.push_back(absl::StrCat(name[0], " = ", absl::StripTrailingAsciiWhitespace(sides[1])));
    }
  }
  return lines;
}

// What is printed for d.z = d.a · σ′(z).
std::string Through(Activation f, const std::string& incoming, const std::string& z, const std::string& a) {
  switch (f) {
    case kIdentity:
      return incoming;
    case kSigmoid:
      return absl::StrCat(incoming, " * (", a, " * (1 - ", a, "))");
    case kRelu:
      return absl::StrCat("where(", z, " > 0, ", incoming, ", 0)");
    case kTanh:
      return absl::StrCat(incoming, " * (1 - ", a, " * ", a, ")");
  }
  return "";
}

// d.z3, d.w2, d.b2, d.a2, d.z2, d.w1, d.b1: the book's derivatives, in its form and its order.
TEST(ClosedFormTest, WhatIsPrintedIsTheBook) {
  const auto module = LoadTextbook("network.gr");
  ASSERT_THAT(module, IsOk());
  for (const Variant& variant : AllVariants()) {
    SCOPED_TRACE(variant.text());
    auto graph = Differentiated(*module, frontend::Entry::kStep, variant.choices());
    ASSERT_THAT(graph, IsOk());
    ir::NameUnnamed(*graph);
    std::vector<std::string> expected;
    if (variant.error == kLeastSquares) {
      expected.push_back("d.z3 = " + Through(variant.output, "e", "z3", "a3"));
    } else if (variant.error == kFromLogits) {
      expected.push_back("d.z3 = sigmoid(z3) - t");
    } else {
      // -t / a + (1 - t) / (1 - a), each 0 where its logarithm has no derivative.
      expected.push_back(
          "d.a3 = where(a3 <= 0, 0, -t / where(a3 <= 0, 1, a3)) - where(C'3 <= 0, 0, -C'2 / where(C'3 <= 0, 1, C'3))");
      expected.push_back("d.z3 = d.a3 * (a3 * (1 - a3))");
    }
    // The identity gives no second name to its argument.
    const bool same = variant.hidden == kIdentity;
    expected.push_back(same ? "d.w2 = z2[:, none] * d.z3" : "d.w2 = a2[:, none] * d.z3");
    expected.push_back(variant.shared ? "d.b2 = reshape(d.z3, [])" : "d.b2 = d.z3");
    if (!same) expected.push_back("d.a2 = w2 @ d.z3");
    expected.push_back(same ? "d.z2 = w2 @ d.z3" : "d.z2 = " + Through(variant.hidden, "d.a2", "z2", "a2"));
    expected.push_back("d.w1 = x[:, none] * d.z2");
    expected.push_back(variant.shared ? "d.b1 = sum(d.z2, axis=0)" : "d.b1 = d.z2");
    EXPECT_THAT(Backward(*graph), testing::ElementsAreArray(expected));
  }
}

// Every weight a parameter: the products of the second block, and shared biases as the sum over units.
TEST(ClosedFormTest, WhatIsPrintedOfTheScalarFormIsTheBook) {
  const auto module = LoadTextbook("scalar.gr");
  ASSERT_THAT(module, IsOk());
  for (const Variant& variant : AllVariants()) {
    if (variant.error == kWrittenOut || variant.hidden == kIdentity) continue;
    SCOPED_TRACE(variant.text());
    auto graph = Differentiated(*module, frontend::Entry::kStep, variant.choices());
    ASSERT_THAT(graph, IsOk());
    ir::NameUnnamed(*graph);
    const std::string by_z3 =
        variant.error == kFromLogits ? "sigmoid(z3) - t" : Through(variant.output, "e", "z3", "a3");
    std::vector<std::string> expected = {"d.z3 = " + by_z3};
    for (const char* j : {"1", "2", "3"}) expected.push_back(absl::StrCat("d.w2_1", j, " = d.z3 * a2_", j));
    expected.push_back("d.b2 = d.z3");
    for (const char* j : {"1", "2", "3"}) expected.push_back(absl::StrCat("d.a2_", j, " = d.z3 * w2_1", j));
    // Backwards, from the last unit.
    for (const std::string j : {"3", "2", "1"}) {
      expected.push_back(absl::StrCat("d.z2_", j, " = ", Through(variant.hidden, "d.a2_" + j, "z2_" + j, "a2_" + j)));
    }
    for (const char* j : {"3", "2", "1"}) {
      for (const char* k : {"1", "2"}) expected.push_back(absl::StrCat("d.w1_", j, k, " = d.z2_", j, " * x", k));
      if (!variant.shared) expected.push_back(absl::StrCat("d.b1_", j, " = d.z2_", j));
    }
    if (variant.shared) expected.push_back("d.b1 = d.z2_3 + d.z2_2 + d.z2_1");
    EXPECT_THAT(Backward(*graph), testing::ElementsAreArray(expected));
  }
}

}  // namespace
}  // namespace gradus::testing_support
