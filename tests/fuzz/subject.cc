#include "tests/fuzz/subject.h"

#include <iostream>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "frontend/format.h"
#include "frontend/locate.h"
#include "frontend/lower.h"
#include "frontend/parser.h"
#include "frontend/read_graph.h"
#include "ir/interpreter.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "passes/pipeline.h"
#include "passes/verify_plan.h"
#include "tests/codegen/native_run.h"
#include "tests/differential/native_difference.h"
#include "tests/frontend/tree.h"

namespace gradus::testing_support {
namespace {

template <typename... Parts>
[[noreturn]] void Fail(const Parts&... parts) {
  std::cerr << absl::StrCat("BROKEN PROMISE: ", parts...) << std::endl;
  std::abort();
}

absl::string_view fuzzed;  // messages quote it

// A failure is a sentence for the person who wrote the text.
void ExpectForPeople(const absl::Status& status, absl::string_view doing) {
  if (status.ok()) return;
  if (status.code() == absl::StatusCode::kInternal) Fail(doing, ": ", status.ToString());
  for (absl::string_view word : {"internal error", "CHECK(", "LLVM", "llvm", "malformed", "std::", "absl::"}) {
    if (absl::StrContains(status.message(), word) && !absl::StrContains(fuzzed, word))
      Fail(doing, ": `", word, "` in: ", std::string(status.message()));
  }
  if (status.message().empty()) Fail(doing, ": an empty message");
}

// FNV-1a: what a run does beside the usual depends on the text alone.
uint64_t Hash(absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

void ExpectReadsAsPrinted(const ir::Graph& graph, absl::string_view when) {
  const std::string text = ir::Print(graph);
  const absl::StatusOr<ir::Graph> read = frontend::ReadGraph("printed.gr", text);
  if (!read.ok()) Fail(when, ": the printed graph does not read: ", read.status().ToString(), "\n", text);
  if (const std::string again = ir::Print(*read); again != text) Fail(when, ": printed\n", text, "\nthen\n", again);
}

// What one step computes, in elements; regions and contractions count what they loop over.
ir::Size Work(const ir::Region& region) {
  ir::Size work;
  for (const auto& s : region.statements) {
    ir::Size most = 1;
    for (const auto& result : s->results) most = most + result->type.elements();
    for (const ir::Value* operand : s->operands) {
      most = s->op == ir::Op::kDot ? most * operand->type.elements() : most + operand->type.elements();
    }
    work = work + most;
    if (s->region != nullptr) work = work + Work(*s->region);
  }
  return work;
}

bool IsSmall(const ir::Graph& graph, int64_t most) {
  const ir::Size work = Work(graph.body);
  return work.ok() && work.value() <= most;
}

// Numbers that differ a little, whole numbers from 0 to 2.
ir::Tensor Filled(const ir::Type& type) {
  ir::Tensor tensor(type);
  ir::Dispatch(type.element, [&](auto tag) {
    using T = decltype(tag);
    for (int64_t i = 0; i < tensor.size(); ++i) {
      if constexpr (std::is_floating_point_v<T>) {
        tensor.data<T>()[i] = static_cast<T>(0.25 * static_cast<double>((i * 7) % 11) - 1);
      } else if constexpr (sizeof(T) == 1) {
        tensor.data<T>()[i] = static_cast<T>(i % 2);
      } else {
        tensor.data<T>()[i] = static_cast<T>(i % 3);
      }
    }
  });
  return tensor;
}

ir::NamedTensors Declared(const ir::Graph& graph) {
  ir::NamedTensors declared;
  for (const auto& s : graph.body.statements) {
    if (ir::IsDeclaration(s->op)) declared.insert_or_assign(s->result()->name, Filled(s->result()->type));
  }
  return declared;
}

constexpr size_t kMostStatements = 500;
constexpr int64_t kMostInterpreted = 20000;
constexpr int64_t kMostCompiled = 2000;

// Every pass on a lowered graph; `choice` says which way.
void RunThePasses(ir::Graph graph, uint64_t choice) {
  if (graph.body.statements.size() > kMostStatements) return;
  ExpectForPeople(ir::Verify(graph), "verify");
  ExpectReadsAsPrinted(graph, "lowered");
  const ir::NamedTensors declared = IsSmall(graph, kMostInterpreted) ? Declared(graph) : ir::NamedTensors();
  static const std::vector<ir::Target>& targets = *new std::vector<ir::Target>(TargetsOfThisMachine());
  passes::RunOptions options;
  options.options.target = targets[choice / 192 % targets.size()];
  options.options.threads = 1 + static_cast<int64_t>(choice % 3);
  options.options.fuse = choice / 3 % 8 != 0;
  options.check_changed = true;
  options.on_pass = [&](absl::string_view pass, const ir::Graph& g) {
    if (g.body.statements.size() <= kMostStatements) ExpectReadsAsPrinted(g, pass);
  };
  ir::Graph frozen;
  options.on_stage = [&](absl::string_view stage, const ir::Graph& g) {
    if (stage == "simplified") frozen = g.Clone();
  };
  const auto reports = passes::RunPasses(passes::kStepPipeline, graph, options);
  ExpectForPeople(reports.status(), "passes");
  if (!reports.ok()) return;
  ExpectForPeople(passes::VerifyPlan(graph), "plan");
  if (declared.empty() || !IsSmall(graph, kMostInterpreted)) return;
  // What was wrong with an index is found by each, in the same statement or not at all.
  const absl::StatusOr<ir::StepValues> values = ir::Interpret(frozen, declared);
  ExpectForPeople(values.status(), "interpret");
  if (!values.ok() || choice / 24 % 8 != 0 || !IsSmall(frozen, kMostCompiled)) return;
  const std::string difference = Difference(
      frozen, declared,
      {.target = options.options.target, .threads = options.options.threads, .fuse = options.options.fuse, .steps = 1});
  if (!difference.empty()) Fail("native code: ", difference, "\n", ir::Print(frozen));
}

void FuzzEntries(const frontend::Module& module, uint64_t choice) {
  const frontend::LowerOptions options;
  const auto program = frontend::Describe(module, options);
  ExpectForPeople(program.status(), "describe");
  ExpectForPeople(frontend::LowerChecks(module, options).status(), "checks");
  if (!program.ok()) return;
  using frontend::Entry;
  for (const Entry entry : {Entry::kStep, Entry::kEvaluate, Entry::kPredict, Entry::kInitialize}) {
    absl::StatusOr<ir::Graph> graph = frontend::Lower(module, options, entry);
    ExpectForPeople(graph.status(), "lower");
    if (graph.ok()) RunThePasses(*std::move(graph), choice);
  }
}

// The library, parsed once, as every program sees it; its first unit is the program.
frontend::Module& LibraryWithoutProgram() {
  static frontend::Module& module = *new frontend::Module(*frontend::ParseProgram("fuzz.gr", "model m { }"));
  return module;
}

}  // namespace

void FuzzParser(absl::string_view bytes) {
  if (bytes.size() > kMaxFuzzedBytes) return;
  fuzzed = bytes;
  const auto source = frontend::SourceFile::Create("fuzz.gr", std::string(bytes));
  ExpectForPeople(source.status(), "read");
  if (!source.ok()) return;
  frontend::Diagnostics diagnostics;
  const frontend::ast::File file = frontend::Parse(*source, diagnostics);
  ExpectForPeople(diagnostics.ToStatus(), "parse");
  const absl::StatusOr<std::string> formatted = frontend::Format(**source);
  ExpectForPeople(formatted.status(), "format");
  if (formatted.ok() != diagnostics.ok()) Fail("fmt takes what the parser does not, or the reverse");
  for (const auto& definition : file.definitions) {
    const auto* graph = definition.As<frontend::ast::Graph>();
    if (graph == nullptr) continue;
    frontend::Diagnostics wrong;
    const ir::Graph read = frontend::ReadGraph(*graph, wrong);
    ExpectForPeople(wrong.ToStatus(), "read the graph");
    if (!wrong.ok()) continue;
    ExpectForPeople(ir::Verify(read), "verify");
    ExpectReadsAsPrinted(read, "read");
  }
  if (!formatted.ok()) return;
  const auto laid_out = frontend::SourceFile::Create("formatted.gr", *formatted);
  if (!laid_out.ok()) Fail("fmt: ", laid_out.status().ToString());
  const auto again = frontend::Format(**laid_out);
  if (!again.ok()) Fail("fmt makes a text that does not parse: ", again.status().ToString(), "\n", *formatted);
  if (*again != *formatted) Fail("fmt is not stable:\n", *formatted, "\nthen\n", *again);
  frontend::Diagnostics none;
  if (frontend::TreeOf(frontend::Parse(*laid_out, none)) != frontend::TreeOf(file)) {
    Fail("fmt changes the meaning:\n", *formatted);
  }
}

void FuzzProgram(absl::string_view bytes) {
  if (bytes.size() > kMaxFuzzedBytes) return;
  fuzzed = bytes;
  const auto source = frontend::SourceFile::Create("fuzz.gr", std::string(bytes));
  if (!source.ok()) return;
  const uint64_t choice = Hash(bytes);
  frontend::Diagnostics diagnostics;
  frontend::ast::File file = frontend::Parse(*source, diagnostics);
  if (!diagnostics.ok()) return;  // FuzzParser's
  bool plain = true;              // nothing that only the loader sees
  for (const auto& definition : file.definitions) {
    if (definition.As<frontend::ast::Import>() != nullptr) plain = false;
    const auto* graph = definition.As<frontend::ast::Graph>();
    if (graph == nullptr) continue;
    plain = false;
    frontend::Diagnostics wrong;
    ir::Graph read = frontend::ReadGraph(*graph, wrong);
    ExpectForPeople(wrong.ToStatus(), "read the graph");
    if (!wrong.ok()) continue;
    ExpectForPeople(frontend::LowerInitializers(read).status(), "initialisers");
    RunThePasses(std::move(read), choice);
  }
  if (plain && choice % 16 != 0) {  // to parse the library anew would take most of the time
    frontend::Module& module = LibraryWithoutProgram();
    module.units[0]->file = std::move(file);
    FuzzEntries(module, choice);
    return;
  }
  const absl::StatusOr<frontend::Module> module = frontend::ParseProgram("fuzz.gr", std::string(bytes));
  ExpectForPeople(module.status(), "load");
  if (module.ok()) FuzzEntries(*module, choice);
}

}  // namespace gradus::testing_support
