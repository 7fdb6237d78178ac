// Every function of the library, found in its text, so that a new one is covered on the day it is written: derivatives
// of both orders at points of any kind, and at kinks the derivative that its comment promises.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "frontend/library_docs.h"
#include "passes/backprop.h"
#include "tests/library/library_cases.h"

namespace gradus::testing_support {
namespace {

using frontend::LibraryDefinition;

// Statements that use a definition, the last one binding what is to be seen: its example, else the first argument over
// points that hold every usual kink, and zeros for the others. The reference shows the same.
std::vector<std::string> Statements(const LibraryDefinition& definition) {
  if (!definition.example.empty()) {
    return absl::StrSplit(absl::StripSuffix(definition.example, "\n"), absl::ByAnyChar("\n;"));
  }
  std::vector<std::string> statements, names;
  for (const frontend::LibraryParameter& parameter : definition.parameters) {
    if (!parameter.default_text.empty()) continue;
    statements.push_back(
        absl::StrCat("input ", parameter.name, " : float[7] = ", names.empty() ? "[-6, -3, -1, 0, 1, 3, 6]" : "zeros"));
    names.push_back(parameter.name);
  }
  statements.push_back(absl::StrCat("result = ", definition.name, "(", absl::StrJoin(names, ", "), ")"));
  return statements;
}

// A graph whose output is y, and the example's values of what it declares.
struct Usage {
  ir::Graph graph;
  ir::NamedTensors declared;
  std::string first;  // the first floating-point input; empty: none
  std::string text;   // of the program, without its end
  std::string last;   // what it computes
  frontend::LowerOptions options;
};

absl::StatusOr<Usage> UsageOf(const LibraryDefinition& definition) {
  const std::vector<std::string> statements = Statements(definition);
  const std::string text = absl::StrCat("model m {\n  ", absl::StrJoin(statements, "\n  "), "\n");
  const std::vector<std::string> sides = absl::StrSplit(statements.back(), absl::MaxSplits('=', 1));
  Usage usage;
  usage.last = std::string(absl::StripAsciiWhitespace(sides[0]));
  std::string outputs;
  frontend::LowerOptions& options = usage.options;
  options.set = {{"float", "f64"}};
  for (const std::string& statement : statements) {
    const std::vector<std::string> words = absl::StrSplit(statement, ' ', absl::SkipEmpty());
    if (words.empty() || words[0] != "input") continue;
    const std::string& name = words[1];
    absl::StrAppend(&outputs, "  output ", name, "\n");
    options.fed.insert(name);
    if (usage.first.empty() && absl::StrContains(statement, "float")) usage.first = name;
  }
  const auto run = [&](const std::string& program, frontend::Entry entry,
                       const frontend::LowerOptions& lower) -> absl::StatusOr<ir::NamedTensors> {
    ASSIGN_OR_RETURN(const frontend::Module module, frontend::ParseProgram("example.gr", program));
    ASSIGN_OR_RETURN(const ir::Graph graph, frontend::Lower(module, lower, entry));
    ir::NamedTensors given = usage.declared;
    given["seed"] = given["step"] = ir::Tensor::Scalar<int64_t>(1);
    ASSIGN_OR_RETURN(ir::StepValues values, ir::Interpret(graph, given));
    return std::move(values.outputs);
  };
  const std::string program = absl::StrCat(text, "  output ", usage.last, "\n}\n");
  ASSIGN_OR_RETURN(usage.declared, run(program, frontend::Entry::kInitialize, options));
  if (!outputs.empty()) {
    frontend::LowerOptions drawn = options;
    drawn.fed.clear();
    ASSIGN_OR_RETURN(const ir::NamedTensors inputs,
                     run(absl::StrCat(text, outputs, "}\n"), frontend::Entry::kPredict, drawn));
    usage.declared.insert(inputs.begin(), inputs.end());
  }
  ASSIGN_OR_RETURN(const frontend::Module module, frontend::ParseProgram("example.gr", program));
  options.keep_rules = true;
  ASSIGN_OR_RETURN(usage.graph, frontend::Lower(module, options, frontend::Entry::kPredict));
  const auto& body = usage.graph.body.statements;
  if (std::any_of(body.begin(), body.end(), [](const auto& s) { return s->op == ir::Op::kGrad; })) {
    RETURN_IF_ERROR(passes::Backprop(usage.graph).status());
  }
  usage.graph.outputs[0].name = std::string("y");
  usage.text = text;
  return usage;
}

// Functions and layers that a gradient may go through: all but what draws numbers, counts steps, and the optimizers.
std::vector<LibraryDefinition> Differentiable() {
  std::vector<LibraryDefinition> all;
  for (const frontend::LibraryChapter& chapter : frontend::LibraryChapters()) {
    if (chapter.file == "init" || chapter.file == "random" || chapter.file == "schedule") continue;
    for (const LibraryDefinition& definition : chapter.definitions) {
      if (chapter.file == "optim" && definition.layer) continue;
      all.push_back(definition);
    }
  }
  return all;
}

// Derivatives that are none, by intent.
bool IsStraightThrough(const LibraryDefinition& definition) {
  return definition.name == "straight_through" || absl::EndsWith(definition.name, "_straight");
}

TEST(EveryFunctionTest, DerivativesOfBothOrdersAreProven) {
  const auto all = Differentiable();
  EXPECT_GE(all.size(), 60u);
  for (const LibraryDefinition& definition : all) {
    if (IsStraightThrough(definition)) continue;
    auto usage = UsageOf(definition);
    ASSERT_TRUE(usage.ok()) << definition.name << ": " << usage.status();
    if (!ir::IsFloat(usage->graph.outputs[0].value->type.element)) continue;  // a mask
    EXPECT_THAT(Prove(definition.name, usage->graph.Clone(), usage->declared), IsOk());
  }
}

// At the points of the example, which are kinks more often than not.
TEST(EveryFunctionTest, DerivativesOfBothOrdersAreProvenAtTheExamplesPoints) {
  for (const LibraryDefinition& definition : Differentiable()) {
    // Its comment: dp is bounded where p is 0 or 1.
    if (IsStraightThrough(definition) || definition.name == "binary_cross_entropy") continue;
    auto usage = UsageOf(definition);
    ASSERT_TRUE(usage.ok()) << definition.name << ": " << usage.status();
    if (!ir::IsFloat(usage->graph.outputs[0].value->type.element)) continue;  // a mask
    EXPECT_THAT(Prove(definition.name, usage->graph.Clone(), usage->declared, /*at_given=*/true), IsOk());
  }
}

// What a function of one element after the other chooses where the slopes from the left and the right differ. The
// comment of the function says the same.
const std::map<std::string, std::map<double, double>> kKinks = {
    {"relu", {{0, 0}}},
    {"leaky_relu", {{0, 0.01}}},
    {"prelu", {{0, 0.25}}},
    {"relu6", {{0, 0}, {6, 0}}},
    {"selu", {{0, 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717}}},
    {"hard_sigmoid", {{-3, 0}, {3, 0}}},
    {"hard_swish", {{-3, 0}, {3, 1}}},
    {"hard_tanh", {{-1, 0}, {1, 0}}},
    {"soft_shrink", {{-0.5, 0}, {0.5, 0}}},
    {"absolute_error", {{0, 0}}},
    {"hinge", {{1, 0}}},
    {"by_value", {{-1, 0}, {1, 0}}},
    {"clamp", {{-1, 0}, {1, 0}}},
};

TEST(EveryFunctionTest, AtEveryKinkTheDerivativeIsTheDocumentedOne) {
  std::set<std::string> found;
  for (const LibraryDefinition& definition : Differentiable()) {
    auto usage = UsageOf(definition);
    ASSERT_TRUE(usage.ok()) << definition.name << ": " << usage.status();
    // In `sort` every tie is one: TiesAndEdgesOfVectorsAreAsDocumented.
    if (usage->first.empty() || IsStraightThrough(definition) || definition.name == "sort") continue;
    const ir::Tensor given = usage->declared.at(usage->first);
    if (usage->graph.outputs[0].value->type != given.type()) continue;
    const std::string first = absl::StrJoin(ir::Ints(given.type().shape.size(), 0), ", ");
    const auto module = frontend::ParseProgram(
        "gradient.gr", absl::StrCat(usage->text, "  slope = grad(", usage->last, "[", first, "], ", usage->first,
                                    ")\n  output slope, ", usage->last, "\n}\n"));
    ASSERT_THAT(module, IsOk());
    auto graph = frontend::Lower(*module, usage->options, frontend::Entry::kPredict);
    if (!graph.ok()) continue;  // no gradient leads there
    ASSERT_THAT(passes::Backprop(*graph), IsOk());
    // Element 0 of what is computed and its derivative, where the argument's is x + h and the others are x.
    const auto at = [&](double x, double h) {
      ir::NamedTensors declared = usage->declared;
      for (double& element : declared.at(usage->first).data<double>()) element = x;
      declared.at(usage->first).data<double>()[0] = x + h;
      const auto values = ir::Interpret(*graph, declared);
      CHECK(values.ok()) << definition.name << ": " << values.status();
      return std::pair<double, double>(values->outputs.at(usage->last).data<double>()[0],
                                       values->outputs.at("slope").data<double>()[0]);
    };
    const auto kinks = kKinks.find(definition.name);
    for (double x = -6; x <= 6; x += 0.5) {
      constexpr double h = 1e-6;
      const auto [y, slope] = at(x, 0);
      const double left = (y - at(x, -h).first) / h, right = (at(x, h).first - y) / h;
      if (!std::isfinite(left) || !std::isfinite(right)) continue;  // outside of its domain
      if (std::abs(left) > 1e4) continue;  // a block at equal elements, where h is not small beside √eps
      const double scale = std::max({1.0, std::abs(left), std::abs(right)});
      if (std::abs(left - right) < 1e-3 * scale) {
        EXPECT_NEAR(slope, (left + right) / 2, 2e-6 * scale) << definition.name << " at " << x;
        continue;
      }
      const bool known = kinks != kKinks.end() && kinks->second.contains(x);
      EXPECT_TRUE(known) << definition.name << " has a kink at " << x << ", left " << left << ", right " << right;
      if (!known) continue;
      EXPECT_EQ(slope, kinks->second.at(x)) << definition.name << " at " << x;
      EXPECT_TRUE(absl::StrContains(definition.doc, "derivative") || absl::StrContains(definition.doc, "slope"))
          << "the comment of " << definition.name << " does not say what its derivative is at the kink " << x;
      found.insert(absl::StrCat(definition.name, " at ", x));
    }
  }
  for (const auto& [name, points] : kKinks) {
    for (const auto& [x, slope] : points)
      EXPECT_TRUE(found.contains(absl::StrCat(name, " at ", x))) << name << " " << x;
  }
}

// Functions of whole vectors, where they have kinks; each comment says what is chosen.
TEST(EveryFunctionTest, TiesAndEdgesOfVectorsAreAsDocumented) {
  struct Edge {
    const char* expression;
    std::vector<double> x, gradient;
  };
  const Edge edges[] = {
      {"maxout(x, 3)", {2, 2, 2, 1, 3, 3}, {1, 0, 0, 0, 1, 0}},
      {"max(x, axis=-1)", {1, 3, 3}, {0, 1, 0}},
      {"min(x, axis=-1)", {1, 1, 3}, {1, 0, 0}},
      {"sort(x) * [1, 2, 3]", {2, 1, 1}, {3, 1, 2}},
      {"sort(x, descending=true) * [1, 2, 3]", {2, 2, 3}, {2, 3, 1}},
      {"top_k(x, 1)[0]", {3, 1, 3}, {1, 0, 0}},
      {"distance(x, [1, 2, 3], eps=0)", {1, 2, 3}, {0, 0, 0}},
      {"mae(x, [1, 2])", {1, 3}, {0, 0.5}},
      // margin + |x - p| - |x - n| = 0, and the distances go on.
      {"triplet(x, [0, 0], [0, 6], margin=2, eps=0)", {0, 2}, {0, 2}},
      // cos = 0 = margin, and cos goes on.
      {"cosine_embedding(x, [1.0, 0.0], -1)", {0, 1}, {1 / (1 + 1e-12), 0}},
  };
  for (const Edge& edge : edges) {
    const auto n = static_cast<int64_t>(edge.x.size());
    const std::string program =
        absl::StrCat("model m { input x : f64[", n, "]; y = sum(", edge.expression, "); d = grad(y, x); output d }");
    auto graph = LowerText(program, frontend::Entry::kPredict);
    ASSERT_THAT(graph, IsOk()) << program;
    ASSERT_THAT(passes::Backprop(*graph), IsOk());
    const auto values = ir::Interpret(*graph, {{"x", ir::Tensor::Of<double>({n}, edge.x)}});
    ASSERT_THAT(values, IsOk());
    EXPECT_EQ(Difference(edge.gradient, values->outputs.at("d")), "") << edge.expression;
  }
}

// What a file of PyTorch's numbers lacks. A function that another one of the library calls is tried with that one.
TEST(EveryFunctionTest, EveryActivationAndEveryLossHasNumbersOfPyTorch) {
  std::string library, tried;
  const auto chapters = frontend::LibraryChapters();
  for (const frontend::LibraryChapter& chapter : chapters) {
    for (const LibraryDefinition& definition : chapter.definitions) {
      absl::StrAppend(&library, absl::string_view(definition.source).substr(definition.source.find('(')), "\n");
    }
  }
  for (const char* file : {"activations.json", "losses.json"}) {
    for (const ReferenceCase& c : ReadCases(file)) absl::StrAppend(&tried, " ", c.text, " ", c.setup, "\n");
  }
  const auto calls = [](absl::string_view text, const std::string& name) {
    for (const char* before : {" ", "(", "-", ","}) {
      if (absl::StrContains(text, absl::StrCat(before, name, "("))) return true;
    }
    return false;
  };
  int count = 0;
  for (const frontend::LibraryChapter& chapter : chapters) {
    if (chapter.file != "activation" && chapter.file != "loss") continue;
    for (const LibraryDefinition& definition : chapter.definitions) {
      ++count;
      EXPECT_TRUE(calls(tried, definition.name) || calls(library, definition.name))
          << definition.name << " has no case in tests/library/reference.py";
    }
  }
  EXPECT_GE(count, 50);
}

}  // namespace
}  // namespace gradus::testing_support
