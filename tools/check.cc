// gradus check: runs the `check` blocks of a program, by the interpreter and by native code.
#include "ir/check.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ir/error.h"
#include "ir/interpreter.h"
#include "ir/printer.h"
#include "passes/backprop.h"
#include "runtime/compile.h"
#include "runtime/memory.h"
#include "runtime/progress.h"
#include "tools/check_gradient.h"
#include "tools/model.h"
#include "tools/verb.h"

namespace gradus::tools {
namespace {

constexpr char kAbout[] =
    "Run the checks of programs.\n"
    "\n"
    "Run every `check` of programs, through the interpreter and through native code:\n"
    "\n"
    "  check regression(x=[1, 0], t=[1]) { loss ~ 0.0526 tol 1e-4 }\n"
    "\n"
    "  gradus check examples/textbook/regression.gr\n"
    "  gradus check examples/*.gr\n"
    "\n"
    "With --grad prove the gradient instead: in f64, at the first batch of the data and at initial parameters moved "
    "by\n"
    "up to 1 % of their size, every parameter along random directions and at its worst elements, against numbers that\n"
    "know no gradient rule. Where a derivative is wrong, the first statement that makes it so is named, and the line "
    "of\n"
    "its vjp.\n"
    "\n"
    "  gradus check --grad examples/digits.gr\n"
    "  gradus check --grad examples/mlp.gr --random --set B=4     without data\n"
    "  gradus check --grad step.gr --random                       a step that `gradus grad` printed, and you edited\n"
    "\n"
    "Exits with 3 where a check does not hold.";

struct CheckOptions {
  ModelOptions model;
  std::vector<std::string> files;
};

// The outputs of a check's graph, by name.
absl::StatusOr<ir::NamedTensors> Interpreted(const frontend::Check& check, const ir::NamedTensors& state) {
  ir::Graph graph = check.graph.Clone();
  RETURN_IF_ERROR(passes::Backprop(graph).status());
  ASSIGN_OR_RETURN(ir::StepValues values, ir::Interpret(graph, state));
  return std::move(values.outputs);
}

absl::StatusOr<ir::NamedTensors> Native(const frontend::Check& check, const ir::NamedTensors& state,
                                        const runtime::CompileOptions& options) {
  ir::Graph graph = check.graph.Clone();
  // What is expected is a literal as a rule: the interpreter's is taken.
  std::erase_if(graph.outputs, [&](const ir::Output& output) {
    return std::none_of(check.expectations.begin(), check.expectations.end(),
                        [&](const auto& e) { return e.value == output.name; });
  });
  ASSIGN_OR_RETURN(const runtime::Compiled compiled, runtime::CompileGraph(std::move(graph), options));
  for (const runtime::NamedType& one : compiled.executable->state())
    compiled.executable->WriteState(one.name, state.at(one.name));
  ir::NamedTensors outputs;
  std::vector<runtime::Fetch> fetches;
  for (const runtime::NamedType& output : compiled.executable->outputs(0))
    outputs.emplace(output.name, ir::Tensor(output.type));
  for (auto& [name, value] : outputs) fetches.push_back({name, value.bytes(), 0});
  RETURN_IF_ERROR(compiled.executable->Run(0, {}, fetches, 1).status());
  return outputs;
}

// The largest difference of two tensors of one type, NaN where one of them is.
double Distance(const ir::Tensor& a, const ir::Tensor& b) {
  return ir::Dispatch(a.type().element, [&](auto tag) {
    using T = decltype(tag);
    const auto x = a.data<T>(), y = b.data<T>();
    double largest = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double difference = x[i] == y[i] ? 0.0 : std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i]));
      if (!(difference <= largest)) largest = difference;
      if (std::isnan(largest)) break;
    }
    return largest;
  });
}

// Prints what does not hold; returns how many.
int Report(const frontend::Check& check, absl::string_view by, const ir::NamedTensors& values,
           const ir::NamedTensors& expectations) {
  int failed = 0;
  for (const frontend::Expectation& expectation : check.expectations) {
    const ir::Tensor &value = values.at(expectation.value), &expected = expectations.at(expectation.expected);
    const double distance = Distance(value, expected);
    if (distance <= expectation.tolerance) continue;
    ++failed;
    std::printf("%s: %s is %s %s, expected %s, off by %g; the tolerance is %g\n", expectation.place.c_str(),
                expectation.text.c_str(), ir::PrintLiteral(value).c_str(), std::string(by).c_str(),
                ir::PrintLiteral(expected).c_str(), distance, expectation.tolerance);
  }
  return failed;
}

absl::StatusOr<int> Run(const ModelOptions& options, bool one_of_several) {
  ASSIGN_OR_RETURN(const frontend::Module module, frontend::LoadProgram(options.file));
  Model model;
  model.threads = std::max<int64_t>(options.threads, 1);
  ASSIGN_OR_RETURN(model.lower.set, ParseSet(options.set));
  ASSIGN_OR_RETURN(const std::vector<frontend::Check> checks, frontend::LowerChecks(module, model.lower));
  if (checks.empty()) {
    if (!one_of_several) return ir::ErrorStatus(ir::ErrorKind::kNoCheck, options.file, ": has no `check`");
    std::printf("%s: has no `check`\n", options.file.c_str());
    return kSuccess;
  }
  int failed = 0;
  size_t expectations = 0;
  for (const frontend::Check& check : checks) {
    const ir::NamedTensors seeded = {{"seed", ir::Tensor::Scalar<int64_t>(options.seed.value_or(0))},
                                     {"step", ir::Tensor::Scalar<int64_t>(0)},
                                     {"epoch", ir::Tensor::Scalar<int64_t>(0)}};
    for (const ir::Graph* graph : {&check.initialize, &check.graph}) {
      RETURN_IF_ERROR(runtime::CheckMemory(ir::InterpreterBytes(*graph), absl::StrCat("interpreting ", graph->name)));
    }
    ASSIGN_OR_RETURN(ir::StepValues initial, ir::Interpret(check.initialize, seeded));
    ir::NamedTensors state = std::move(initial.outputs);
    state.emplace("seed", seeded.at("seed"));
    state.emplace("step", ir::Tensor::Scalar<int64_t>(1));
    state.emplace("epoch", ir::Tensor::Scalar<int64_t>(1));
    ASSIGN_OR_RETURN(const ir::NamedTensors by_interpreter, Interpreted(check, state));
    ASSIGN_OR_RETURN(const ir::NamedTensors by_code, Native(check, state, CompileOptionsOf(options, model)));
    failed += Report(check, "by the interpreter", by_interpreter, by_interpreter) +
              Report(check, "by native code", by_code, by_interpreter);
    expectations += check.expectations.size();
  }
  if (failed == 0)
    std::printf("%s: %s, %zu expectations, all hold\n", options.file.c_str(),
                absl::StrCat(checks.size(), checks.size() == 1 ? " check" : " checks").c_str(), expectations);
  return failed == 0 ? kSuccess : kCheckFailed;
}

}  // namespace

void AddCheck(CLI::App& gradus, Action& action) {
  auto options = std::make_shared<CheckOptions>();
  auto gradient = std::make_shared<CheckGradientOptions>();
  auto of_gradient = std::make_shared<bool>(false);
  CLI::App* verb = gradus.add_subcommand("check", kAbout);
  verb->add_option("files", options->files, "Programs (.gr)")->required();
  AddSet(*verb, options->model);
  CLI::Option* grad = verb->add_flag("--grad", *of_gradient, "Prove the gradient");
  verb->add_flag("--random", gradient->random, "With --grad: random inputs instead of data, labels in range")
      ->needs(grad);
  verb->add_option("--data", gradient->data, "With --grad: take every input from the array of its name instead")
      ->type_name("FILE.npz")
      ->needs(grad);
  verb->add_option("--load", gradient->load, "With --grad: at these parameters (.safetensors or .npz), unmoved")
      ->type_name("FILE")
      ->needs(grad);
  verb->add_option("--trust", gradient->trust,
                   "With --grad: the vjp of this function counts as right; it is not meant to be the derivative of the "
                   "value, as that of straight_through")
      ->type_name("NAME")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->needs(grad);
  verb->add_flag("--json", options->model.json, "With --grad: print one JSON object instead of text, for each file")
      ->needs(grad);
  AddSeed(*verb, options->model);
  AddCompileOptions(*verb, options->model);
  verb->callback([options, gradient, of_gradient, verb, &action] {
    // The interpreter checks a gradient, so nothing of these has a say in it.
    for (const char* option : {"--threads", "--target", "--fuse", "--interpret", "--bisect", "--timings"}) {
      if (*of_gradient && verb->count(option) > 0)
        throw CLI::ValidationError(option, "has nothing to change about --grad, which the interpreter computes in f64");
    }
    if (gradient->random && !gradient->data.empty())
      throw CLI::ValidationError("--random", "takes the place of --data");
    action = [options, gradient, of_gradient] {
      int worst = kSuccess;
      for (const std::string& file : options->files) {
        options->model.file = file;
        const absl::StatusOr<int> code =
            *of_gradient ? CheckGradient(options->model, *gradient) : Run(options->model, options->files.size() > 1);
        // Something wrong is worse than a check that does not hold.
        if (!code.ok()) worst = Fail(code.status());
        if (code.ok() && worst == kSuccess) worst = *code;
      }
      return worst;
    };
  });
}

}  // namespace gradus::tools
