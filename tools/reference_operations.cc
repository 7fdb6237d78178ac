// The operations' part of the reference: the table of ir/ops.def, the functions that the compiler knows beside it, and
// for each of them what backprop prints and the interpreter computes.
#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "frontend/builtins.h"
#include "ir/check.h"
#include "ir/op.h"
#include "ir/reference.h"
#include "tools/reference.h"
#include "tools/reference_example.h"
#include "tools/reference_plot.h"

namespace gradus::tools {
namespace {

// Where the statements that show an operation do not follow from its row.
constexpr std::pair<absl::string_view, absl::string_view> kStatements[] = {
    {"sqrt", "input x : float[5] = [-1, 0, 1, 2, 4]\ny = sqrt(x)"},
    {"rsqrt", "input x : float[5] = [-1, 0, 0.25, 1, 4]\ny = rsqrt(x)"},
    {"log", "input x : float[5] = [-1, 0, 0.5, 1, 4]\ny = log(x)"},
    {"reciprocal", "input x : float[5] = [-2, 0, 0.5, 1, 4]\ny = reciprocal(x)"},
    {"round", "input x : float[6] = [-1.5, -0.5, 0.4, 0.5, 1.5, 2.5]\ny = round(x)"},
    {"floor", "input x : float[5] = [-1.5, -1, 0.5, 1, 1.5]\ny = floor(x)"},
    {"ceil", "input x : float[5] = [-1.5, -1, 0.5, 1, 1.5]\ny = ceil(x)"},
    {"isnan", "input x : float[3] = [1, nan, inf]\ny = isnan(x)"},
    {"pow", "input a : float[6] = [-2, 0, 0, 2, 2, 3]; input b : float[6] = [2, 0, 2, 0.5, -1, 3]\ny = a ** b"},
    {"where",
     "input c : bool[3] = [true, false, true]; input a : float[3] = [1, 2, 3]; input b : float[3] = [-1, -2, -3]\n"
     "y = where(c, a, b)"},
    {"arange", "y = arange(2, 6)"},
    {"argmax", "input x : float[2,3] = [[1, 5, 5], [nan, 9, 0]]\ny = argmax(x, axis=1)"},
    {"argmin", "input x : float[2,3] = [[1, 1, 5], [nan, 9, 0]]\ny = argmin(x, axis=1)"},
    {"argsort", "input x : float[2,4] = [[3, 1, 2, 1], [nan, 9, 0, 9]]\ny = argsort(x, axis=1)"},
    {"broadcast", "input x : float[2,1] = [[1], [2]]\ny = broadcast(x, [2, 3])"},
    {"concat", "input a : float[2] = [1, 2]; input b : float[1] = [3]\ny = concat([a, b], axis=0)"},
    {"channels_first", "input x : float[1,2,3] = [[[1, 2, 3], [4, 5, 6]]]\ny = channels_first(x, \"ncw\")"},
    {"channels_last", "input x : float[1,3,2] = [[[1, 4], [2, 5], [3, 6]]]\ny = channels_last(x, \"ncw\")"},
    {"convolution",
     "input x : float[1,4,1] = [[[1], [2], [3], [4]]]; input w : float[2,1,1] = [[[10]], [[1]]]\n"
     "y = convolution(x, w, stride=2, pad=1)"},
    {"count", "input x : float[2,3] = [[1, 2, 3], [4, 5, 6]]\ny = count(x, axis=-1)"},
    {"einsum",
     "input q : float[2,2] = [[1, 2], [3, 4]]; input k : float[2,2] = [[1, 0], [1, 1]]\ny = einsum(\"id,jd->ij\", q, "
     "k)"},
    {"fill", "y = fill(0.5, [2, 3])"},
    {"flip", "input x : float[2,3] = [[1, 2, 3], [4, 5, 6]]\ny = flip(x, axis=1)"},
    {"gather",
     "input x : float[3,2] = [[1, 2], [3, 4], [5, 6]]; input i : i32[4] = [2, 0, 2, 1]\ny = gather(x, i, axis=0)"},
    {"grad", "input x : float[2] = [3, 4]\nloss = sum(x * x * x)\ny = grad(loss, x)"},
    {"len", "y = len([4, 5, 6])"},
    {"max", "input x : float[2,3] = [[1, 5, 5], [7, 2, 3]]\ny = max(x, axis=1)"},
    {"min", "input x : float[2,3] = [[1, 1, 5], [7, 2, 3]]\ny = min(x, axis=1)"},
    {"one_hot", "input i : i32[3] = [0, 2, 5]\ny = one_hot(i, 3)"},
    {"pad", "input x : float[1,3] = [[1, 2, 3]]\ny = pad(x, axis=1, low=[1], high=[2], value=9)"},
    {"per_axis", "input x : float[1,3,3,1] = zeros\ny = window_sum(x + 1, per_axis(2, 2))"},
    {"product", "y = product([2, 3, 4])"},
    {"random_bits", "y = random_bits([3], type=i32)"},
    {"range", "y = 0.0\nfor i in range(4) { y = y + i }"},
    {"reshape", "input x : float[2,3] = [[1, 2, 3], [4, 5, 6]]\ny = reshape(x, [3, -1])"},
    {"scatter_add", "input u : float[3] = [1, 2, 3]; input i : i32[3] = [0, 2, 0]\ny = scatter_add(u, i, 4)"},
    {"slice", "input x : float[2,4] = [[1, 2, 3, 4], [5, 6, 7, 8]]\ny = x[:, 1:4:2]"},
    {"split", "input x : float[6] = [1, 2, 3, 4, 5, 6]\na, b = split(x, 2)"},
    {"stack", "input a : float[2] = [1, 2]; input b : float[2] = [3, 4]\ny = stack([a, b])"},
    {"stop_gradient", "input x : float[2] = [3, 4]\ny = x * stop_gradient(x)"},
    {"sum", "input x : float[2,3] = [[1, 2, 3], [4, 5, 6]]\ny = sum(x, axis=1)"},
    {"transpose", "input x : float[2,3] = [[1, 2, 3], [4, 5, 6]]\ny = transpose(x, [1, 0])"},
    {"window_argmax", "input x : float[1,4,1] = [[[3], [5], [2], [2]]]\ny = window_argmax(x, 2, stride=2)"},
    {"window_max", "input x : float[1,4,1] = [[[3], [5], [2], [2]]]\ny = window_max(x, 2, stride=2)"},
    {"window_sum", "input x : float[1,4,1] = [[[3], [5], [2], [2]]]\ny = window_sum(x, 2, pad=[[1, 0]])"},
    {"convert", "input x : float[5] = [-1.7, 0.2, 2.9, 1e20, nan]\ny = i32(x)"},
};

// What integers do that numbers of mathematics do not.
constexpr std::pair<absl::string_view, absl::string_view> kIntegers[] = {
    {"neg", "input x : i32[3] = [1, 0, -2147483648]\ny = -x"},
    {"abs", "input x : i32[3] = [-1, 0, -2147483648]\ny = abs(x)"},
    {"add", "input a : i32[2] = [1, 2147483647]; input b : i32[2] = [2, 1]\ny = a + b"},
    {"mul", "input a : u8[2] = [15, 16]; input b : u8[2] = [17, 17]\ny = a * b"},
    {"floordiv", "input a : i32[4] = [7, -7, 7, -2147483648]; input b : i32[4] = [2, 2, 0, -1]\ny = a // b"},
    {"mod", "input a : i32[4] = [7, -7, 7, 7]; input b : i32[4] = [3, 3, -3, 0]\ny = a % b"},
};

const frontend::Builtin* FindBuiltin(absl::string_view name) {
  for (const frontend::Builtin& builtin : frontend::Builtins()) {
    if (builtin.name == name) return &builtin;
  }
  return nullptr;
}

// The call as a program writes it.
std::string Call(const ir::OpInfo& info) {
  if (info.family == ir::OpFamily::kConvert) return "f32(x)";
  if (info.family == ir::OpFamily::kSelect) return "where(c, a, b)";
  if (info.op == ir::Op::kNot) return "not x";
  if (info.op == ir::Op::kNeg) return "-x";
  if (!info.infix.empty()) return absl::StrCat("a ", info.infix, " b");
  const char* const operands[] = {"x", "a, b", "a, b, c"};
  return absl::StrCat(info.mnemonic, "(", operands[info.arity - 1], ")");
}

std::string Call(const frontend::Builtin& builtin) {
  return absl::StrCat(builtin.name, "(",
                      absl::StrJoin(absl::StrSplit(builtin.parameters, ' ', absl::SkipEmpty()), ", ",
                                    [](std::string* out, absl::string_view parameter) {
                                      absl::StrAppend(out, parameter, absl::EndsWith(parameter, "=") ? "…" : "");
                                    }),
                      ")");
}

std::string Statements(absl::string_view name) {
  for (const auto& [of, statements] : kStatements) {
    if (of == name) return absl::StrCat(statements, "\n");
  }
  const auto op = ir::FindMnemonic(name);
  if (!op || !ir::IsElementwise(*op)) return "";
  const ir::OpInfo& info = ir::Info(*op);
  std::string inputs;
  if (info.types == ir::TypeSet::kBoolean) {
    inputs = info.arity == 1
                 ? "input x : bool[2] = [true, false]"
                 : "input a : bool[4] = [true, true, false, false]; input b : bool[4] = [true, false, true, "
                   "false]";
  } else if (info.arity == 1) {
    inputs = "input x : float[7] = [-3, -1, -0.5, 0, 0.5, 1, 3]";
  } else {
    inputs = "input a : float[6] = [-7, -1, 0, 1, 2, 7]; input b : float[6] = [2, 1, 0, 1, 0, -2]";
    if (info.arity == 3) absl::StrAppend(&inputs, "; input c : float[6] = ones");
  }
  return absl::StrCat(inputs, "\ny = ", Call(info), "\n");
}

std::string TypeNames(ir::TypeSet set) {
  std::vector<std::string> names;
  for (const ir::DType type :
       {ir::DType::kBool, ir::DType::kU8, ir::DType::kI32, ir::DType::kI64, ir::DType::kF32, ir::DType::kF64}) {
    if (ir::Contains(set, type)) names.emplace_back(ir::Name(type));
  }
  return absl::StrJoin(names, ", ");
}

std::string Attributes(const ir::OpInfo& info) {
  return absl::StrJoin(info.attributes, ", ", [](std::string* out, const ir::AttributeSchema& attribute) {
    absl::StrAppend(out, "`", attribute.name, "`");
  });
}

// What holds for a row of the table.
std::string RowText(const ir::OpInfo& info) {
  std::string text;
  if (!ir::IsElementwise(info.op)) {
    absl::StrAppend(&text, "- In a printed graph: ", info.doc, ".\n");
    if (!info.attributes.empty()) absl::StrAppend(&text, "- Attributes there: ", Attributes(info), ".\n");
    return text;
  }
  const ir::Formulas* formulas = ir::FindFormulas(info.op);
  if (formulas != nullptr) absl::StrAppend(&text, "- Value: `y = ", formulas->value, "`.\n");
  if (formulas != nullptr && !formulas->derivatives.empty()) {
    const bool one = formulas->derivatives.size() == 1;
    absl::StrAppend(&text, "- Gradient ", one ? "" : "of each operand ", "from `g`, the one that comes in: ",
                    absl::StrJoin(formulas->derivatives, ", ",
                                  [](std::string* out, const std::string& d) {
                                    absl::StrAppend(out,
                                                    d == "kNone" ? "0 wherever it exists" : absl::StrCat("`", d, "`"));
                                  }),
                    ".\n");
    absl::StrAppend(&text,
                    formulas->singular.empty()
                        ? ""
                        : absl::StrCat("- Where `", formulas->singular,
                                       "` there is no derivative; it is taken as 0, in the second order too.\n"));
  }
  absl::StrAppend(&text, "- Element types: ", TypeNames(info.types), ".",
                  info.arity > 1 ? " Operands have one type and broadcast as in NumPy.\n" : "\n");
  return text;
}

std::string Text(const std::string& name) {
  const frontend::Builtin* builtin = FindBuiltin(name);
  const auto op = ir::FindMnemonic(name);
  CHECK(builtin != nullptr || op) << name;
  std::string text;
  if (builtin != nullptr) {
    text = absl::StrCat("`", Call(*builtin), "`\n\n", builtin->doc, "\n\n");
  } else if (ir::IsElementwise(*op)) {
    const ir::OpInfo& info = ir::Info(*op);
    const std::string also = absl::StrCat(info.mnemonic, "(", info.arity == 1 ? "x" : "a, b", ")");
    const bool written = info.infix.empty() || info.family == ir::OpFamily::kLogic;
    text = absl::StrCat("`", Call(info), "`", written ? "" : absl::StrCat(", also `", also, "`"), "\n\n", info.doc,
                        ".\n\n");
  } else if (name == "slice") {
    text = "`x[start:limit:stride, …]`\n\n";
  } else if (name == "iota") {
    text = "Made by `arange`.\n\n";
  } else {
    text = "Written by the compiler, in printed graphs.\n\n";
  }
  if (op) absl::StrAppend(&text, RowText(ir::Info(*op)), "\n");
  const std::string statements = Statements(name);
  if (statements.empty()) return text;
  const absl::StatusOr<Example> example = WorkOut(statements);
  CHECK(example.ok()) << "the example of " << name << ": " << example.status();
  if (IsPlotted(statements, *example))
    absl::StrAppend(&text, "![", name, " and its derivative](reference/plots/", name, ".svg)\n\n");
  absl::StrAppend(&text, "For example:\n\n", CodeBlock(statements));
  if (!example->forward.empty()) absl::StrAppend(&text, "is compiled to\n\n", CodeBlock(example->forward));
  if (!example->backward.empty()) absl::StrAppend(&text, "with the gradient\n\n", CodeBlock(example->backward));
  auto numbers = example->inputs;
  numbers.insert(numbers.end(), example->results.begin(), example->results.end());
  numbers.insert(numbers.end(), example->gradients.begin(), example->gradients.end());
  absl::StrAppend(&text, example->backward.empty() ? "In numbers:\n\n" : "In numbers, for g = 1:\n\n",
                  CodeBlock(NumberTable(numbers)));
  for (const auto& [of, integers] : kIntegers) {
    if (of != name) continue;
    const absl::StatusOr<Example> other = WorkOut(absl::StrCat(integers, "\n"));
    CHECK(other.ok()) << "integers of " << name << ": " << other.status();
    auto values = other->inputs;
    values.insert(values.end(), other->results.begin(), other->results.end());
    absl::StrAppend(&text, "Integers, ", ir::Name(values[0].second.type().element), ":\n\n",
                    CodeBlock(NumberTable(values)));
  }
  return text;
}

absl::optional<Plot> PlotOf(const std::string& name) {
  const std::string statements = Statements(name);
  if (statements.empty()) return absl::nullopt;
  const absl::StatusOr<Example> example = WorkOut(statements);
  CHECK(example.ok()) << name << ": " << example.status();
  if (!IsPlotted(statements, *example)) return absl::nullopt;
  const absl::StatusOr<Plot> plot = PlotFunction(name, statements);
  CHECK(plot.ok()) << name << ": " << plot.status();
  return *plot;
}

struct OperationGroup {
  std::string title;
  std::vector<std::string> names;
};

const std::vector<OperationGroup>& Groups() {
  static const auto& groups = *new std::vector<OperationGroup>([] {
    OperationGroup elementwise{"Elementwise operations", {}};
    OperationGroup others{"Other operations and functions", {}};
    OperationGroup printed{"Only in printed graphs", {}};
    for (const ir::OpInfo& info : ir::AllOps()) {
      const std::string name(info.mnemonic);
      // Declarations have statements of their own, which the words of the language explain.
      if (ir::IsDeclaration(info.op) || info.op == ir::Op::kNext || info.op == ir::Op::kConstant) continue;
      if (ir::IsElementwise(info.op)) {
        elementwise.names.push_back(name);
      } else if (FindBuiltin(name) != nullptr || info.op == ir::Op::kSlice) {
        others.names.push_back(name);
      } else {
        printed.names.push_back(name);
      }
    }
    for (const frontend::Builtin& builtin : frontend::Builtins()) {
      if (!ir::FindMnemonic(builtin.name)) others.names.emplace_back(builtin.name);
    }
    std::sort(others.names.begin(), others.names.end());
    return std::vector<OperationGroup>{elementwise, others, printed};
  }());
  return groups;
}

}  // namespace

std::vector<Topic> OperationTopics() {
  std::vector<Topic> topics;
  for (const OperationGroup& group : Groups()) {
    for (const std::string& name : group.names) {
      const auto op = ir::FindMnemonic(name);
      topics.push_back({name, group.title, [name] { return Text(name); }, absl::StrCat("../ops.md#", name),
                        std::string(op ? ir::Info(*op).infix : ""), [name] { return PlotOf(name); }});
    }
  }
  return topics;
}

std::string OperationsPage() {
  std::vector<std::pair<std::string, std::string>> links;  // from a row of the table to its section
  for (const OperationGroup& group : Groups()) {
    for (const std::string& name : group.names)
      links.emplace_back(absl::StrCat("\n| `", name, "` |"), absl::StrCat("\n| [`", name, "`](#", name, ") |"));
  }
  std::string text =
      absl::StrCat(absl::StrReplaceAll(ir::OperationsReference(), links),
                   "\n## In detail\n\n"
                   "What the compiler itself makes of a few statements with each operation: the graph, the "
                   "gradient that backprop derives, and what the interpreter computes, which is the "
                   "definition of every result. `gradus help NAME` prints the same.\n\n"
                   "Operands of different shapes broadcast; the gradient of the one that was repeated is "
                   "summed over its repetitions:\n\n");
  const std::string statements =
      "input a : float[2,3] = [[1, 2, 3], [4, 5, 6]]; input b : float[3] = [10, 20, 30]\ny = a * b\n";
  const absl::StatusOr<Example> example = WorkOut(statements);
  CHECK(example.ok()) << example.status();
  absl::StrAppend(&text, CodeBlock(statements), CodeBlock(example->forward + example->backward));
  for (const OperationGroup& group : Groups()) {
    absl::StrAppend(&text, "## ", group.title, "\n\n",
                    absl::StrJoin(group.names, ", ",
                                  [](std::string* out, const std::string& name) {
                                    absl::StrAppend(out, "[", name, "](#", name, ")");
                                  }),
                    "\n");
    for (const std::string& name : group.names) {
      const std::string section = Text(name);
      absl::StrAppend(&text, "\n### ", name, "\n\n", absl::StripTrailingAsciiWhitespace(section), "\n");
    }
    absl::StrAppend(&text, "\n");
  }
  return absl::StrCat(absl::StripTrailingAsciiWhitespace(text), "\n");
}

}  // namespace gradus::tools
