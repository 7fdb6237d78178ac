#include "runtime/compile.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codegen/compile.h"
#include "codegen/target_machine.h"
#include "frontend/locate.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/interpreter.h"
#include "ir/storage.h"
#include "ir/threads.h"
#include "passes/dce.h"
#include "passes/pipeline.h"
#include "runtime/interpreted_executable.h"
#include "runtime/memory.h"
#include "runtime/native_executable.h"
#include "runtime/source.h"

namespace gradus::runtime {
namespace {

using Clock = std::chrono::steady_clock;
constexpr char kFrozenStage[] =
    "simplified";  // from here on no pass changes a bit, so the interpreter may run any graph

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int64_t HeapInUse() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

bool Interprets(const CompileOptions& options) { return options.interpret || options.bisect >= 0; }

bool Plans(const CompileOptions& options, const std::string& stage) {
  return !Interprets(options) && (stage.empty() || stage == "plan");
}

absl::StatusOr<std::vector<passes::PassReport>> RunPipeline(ir::Graph& graph, const CompileOptions& options,
                                                            const std::string& stage,
                                                            std::vector<passes::FusionDecision>* decisions) {
  passes::RunOptions run;
  ASSIGN_OR_RETURN(run.options.target, codegen::ParseTarget(options.target));
  run.options.threads = options.threads;
  run.options.fuse = options.fuse;
  run.options.decisions = decisions;
  run.limit = options.bisect;
  run.stop_after = stage;
  if (options.progress) {
    run.on_pass = [&](absl::string_view pass, const ir::Graph& g) {
      options.progress(absl::StrCat(g.name, ": ", pass));
    };
  }
  return passes::RunPasses(passes::kStepPipeline, graph, run);
}

// Whether every kernel of a planned graph runs on thread 0: further threads would only wait in barriers for it.
bool IsWorkForOneThread(const ir::Graph& graph) {
  return std::all_of(graph.body.statements.begin(), graph.body.statements.end(), [](const auto& s) {
    return ir::IsDeclaration(s->op) || s->op == ir::Op::kConstant || s->op == ir::Op::kBarrier || ir::IsView(*s) ||
           ir::RunsOnThreadZero(*s);
  });
}

// Transforms every graph, compiles them together, and fills what Compiled has but the entries' places and initialisers.
absl::StatusOr<Compiled> Finish(std::vector<EntryGraph> entries, const std::string& path, const CompileOptions& options,
                                std::vector<StageTime> times, Clock::time_point start) {
  Compiled compiled;
  compiled.times = std::move(times);
  compiled.path = path;
  const int64_t heap_before = HeapInUse();
  for (const EntryGraph& entry : entries) {
    for (ir::IndexBound& bound : ir::InputIndexBounds(entry.graph)) compiled.bounds.push_back(std::move(bound));
  }
  const std::string last_stage = options.interpret ? kFrozenStage : "";
  CompileOptions agreed = options;  // the first entry decides how many threads there are
  for (EntryGraph& entry : entries) {
    const bool first = &entry == &entries.front();
    ASSIGN_OR_RETURN(const auto reports, first ? Transform(entry.graph, options, last_stage)
                                               : RunPipeline(entry.graph, agreed, last_stage, nullptr));
    if (first && Plans(options, last_stage)) agreed.threads = entry.graph.threads;
    for (const passes::PassReport& report : reports) {
      compiled.times.push_back({absl::StrCat(entry.graph.name, ": ", report.name), report.seconds});
    }
  }
  if (Interprets(options)) {
    for (const EntryGraph& entry : entries) {
      RETURN_IF_ERROR(CheckMemory(ir::InterpreterBytes(entry.graph), absl::StrCat("interpreting ", entry.graph.name)));
    }
    compiled.executable = MakeInterpretedExecutable(std::move(entries));
  } else {
    if (options.progress) options.progress("native code");
    const Clock::time_point code_start = Clock::now();
    std::vector<const ir::Graph*> graphs;
    std::vector<bool> trains;
    for (const EntryGraph& entry : entries) {
      graphs.push_back(&entry.graph);
      trains.push_back(entry.trains);
    }
    ASSIGN_OR_RETURN(codegen::CompiledProgram program, codegen::Compile(graphs));
    compiled.times.push_back({"native code", SecondsSince(code_start)});
    const Clock::time_point arena_start = Clock::now();
    ASSIGN_OR_RETURN(compiled.executable, MakeNativeExecutable(std::move(program), std::move(trains), path));
    compiled.times.push_back({"arena and threads", SecondsSince(arena_start)});
  }
  const Clock::time_point trim_start = Clock::now();
  entries.clear();
  malloc_trim(0);
  compiled.times.push_back({"trim the heap", SecondsSince(trim_start)});
  compiled.retained_bytes = std::max<int64_t>(HeapInUse() - heap_before, 0);
  compiled.seconds = SecondsSince(start);
  return compiled;
}

}  // namespace

frontend::LowerOptions AtBatch(const frontend::LowerOptions& options, const frontend::Program& program, int64_t batch) {
  frontend::LowerOptions at = options;
  if (batch != 0 && batch != program.batch && !program.batch_dim.empty())
    at.set[program.batch_dim] = absl::StrCat(batch);
  return at;
}

absl::StatusOr<std::vector<passes::PassReport>> Transform(ir::Graph& graph, const CompileOptions& options,
                                                          const std::string& stage,
                                                          std::vector<passes::FusionDecision>* decisions) {
  if (options.threads == 1 || !Plans(options, stage)) return RunPipeline(graph, options, stage, decisions);
  const ir::Graph lowered = graph.Clone();
  ASSIGN_OR_RETURN(auto reports, RunPipeline(graph, options, stage, decisions));
  if (!IsWorkForOneThread(graph)) return reports;
  CompileOptions one = options;
  one.threads = 1;
  graph = lowered.Clone();
  if (decisions != nullptr) decisions->clear();
  return RunPipeline(graph, one, stage, decisions);
}

absl::StatusOr<Compiled> Compile(const frontend::Module& module, const frontend::Program& program,
                                 absl::Span<const EntryRequest> requests, const CompileOptions& options) {
  const Clock::time_point start = Clock::now();
  std::vector<EntryGraph> entries;
  std::vector<StageTime> times;
  EntryIndex index;
  for (const EntryRequest& request : requests) {
    const Clock::time_point lower_start = Clock::now();
    ASSIGN_OR_RETURN(ir::Graph graph,
                     frontend::Lower(module, AtBatch(options.lower, program, request.batch), request.entry));
    times.push_back({absl::StrCat(graph.name, ": lower"), SecondsSince(lower_start)});
    if (options.progress) options.progress(times.back().what);
    const int place = static_cast<int>(entries.size());
    const int64_t batch = request.batch != 0 ? request.batch : std::max<int64_t>(program.batch, 1);
    if (request.entry == frontend::Entry::kStep) index.step = place;
    if (request.entry == frontend::Entry::kEvaluate) index.evaluate.emplace(batch, place);
    if (request.entry == frontend::Entry::kPredict) index.predict.emplace(batch, place);
    entries.push_back({std::move(graph), request.entry == frontend::Entry::kStep});
  }
  ASSIGN_OR_RETURN(ir::Graph initialize, frontend::Lower(module, options.lower, frontend::Entry::kInitialize));
  absl::StatusOr<Compiled> compiled =
      Finish(std::move(entries), module.program().source->path(), options, std::move(times), start);
  if (!compiled.ok()) return frontend::Locate(module, compiled.status());
  compiled->entries = std::move(index);
  compiled->initialize = std::move(initialize);
  return compiled;
}

absl::StatusOr<Compiled> CompileGraph(ir::Graph graph, const CompileOptions& options) {
  const Clock::time_point start = Clock::now();
  ASSIGN_OR_RETURN(ir::Graph initialize, frontend::LowerInitializers(graph));
  const auto& statements = graph.body.statements;
  const bool trains =
      std::any_of(statements.begin(), statements.end(), [](const auto& s) { return s->op == ir::Op::kNext; });
  const std::string name = graph.name;
  std::vector<EntryGraph> entries;
  entries.push_back({std::move(graph), trains});
  ASSIGN_OR_RETURN(Compiled compiled, Finish(std::move(entries), name, options, {}, start));
  compiled.entries.step = 0;
  compiled.initialize = std::move(initialize);
  return compiled;
}

absl::Status InitializeState(const ir::Graph& initialize, int64_t seed, const std::map<std::string, ir::Tensor>& given,
                             absl::string_view given_name, Executable& executable) {
  const absl::Span<const NamedType> states = executable.state();
  for (const auto& [name, tensor] : given) {
    if (std::any_of(states.begin(), states.end(), [&, &wanted = name](const NamedType& s) { return s.name == wanted; }))
      continue;
    const auto join = [](std::string* out, const NamedType& s) { out->append(s.name); };
    return ir::ErrorStatus(ir::ErrorKind::kUnknownParameter, given_name, ": has the tensor ", name,
                           ", which the program does not; it has ", absl::StrJoin(states, ", ", join));
  }
  ir::Graph wanted = initialize.Clone();
  std::erase_if(wanted.outputs, [&](const ir::Output& output) { return given.contains(output.name); });
  RETURN_IF_ERROR(passes::EliminateDeadCode(wanted).status());
  ir::NamedTensors declared;
  declared["seed"] = ir::Tensor::Scalar<int64_t>(seed);
  declared["step"] = ir::Tensor::Scalar<int64_t>(0);
  declared["epoch"] = ir::Tensor::Scalar<int64_t>(0);
  // Small ones together; large ones one after another, so that there has to be room for one.
  constexpr int64_t kTogether = int64_t{1} << 28;
  const ir::Size needed = ir::InterpreterBytes(wanted);
  const bool together = needed.ok() && needed.value() <= kTogether;
  ir::StepValues initial;
  if (together) {
    RETURN_IF_ERROR(CheckMemory(needed, "computing the initial values"));
    ASSIGN_OR_RETURN(initial, ir::Interpret(wanted, declared));
  }
  const auto initial_value = [&](absl::string_view name) -> const ir::Value* {
    const auto& outputs = initialize.outputs;
    const auto found =
        std::find_if(outputs.begin(), outputs.end(), [&](const ir::Output& output) { return output.name == name; });
    return found == outputs.end() ? nullptr : found->value;
  };
  for (const NamedType& state : states) {
    auto loaded = given.find(state.name);
    if (loaded == given.end()) {
      // What begins as a copy of a given parameter, such as an average of it, begins as what was given.
      loaded = std::find_if(given.begin(), given.end(), [&](const auto& parameter) {
        return initial_value(parameter.first) == initial_value(state.name);
      });
    }
    if (loaded == given.end()) {
      if (!together) {
        ir::Graph one = wanted.Clone();
        std::erase_if(one.outputs, [&](const ir::Output& output) { return output.name != state.name; });
        RETURN_IF_ERROR(passes::EliminateDeadCode(one).status());
        RETURN_IF_ERROR(
            CheckMemory(ir::InterpreterBytes(one),
                        absl::StrCat("computing the initial value of ", state.name, " : ", ir::ToString(state.type))));
        ASSIGN_OR_RETURN(initial, ir::Interpret(one, declared));
      }
      executable.WriteState(state.name, initial.outputs.at(state.name));
      continue;
    }
    const std::string name = absl::StrCat(given_name, ":", state.name);
    if (loaded->second.type().shape != state.type.shape) {
      return ir::ErrorStatus(ir::ErrorKind::kParameterShape, name, ": expected ", ir::ToString(state.type), ", found ",
                             ir::ToString(loaded->second.type()));
    }
    ASSIGN_OR_RETURN(const ir::Tensor value, ConvertElements(name, loaded->second, state.type.element));
    executable.WriteState(state.name, value);
  }
  executable.set_seed(seed);
  return absl::OkStatus();
}

}  // namespace gradus::runtime
