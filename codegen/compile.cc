#include "codegen/compile.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codegen/emit_entry.h"
#include "ir/check.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/raw_ostream.h"

namespace gradus::codegen {
namespace {

using ir::Graph;
using Graphs = absl::Span<const Graph* const>;

std::string Symbol(size_t entry) { return absl::StrCat("gradus_run_", entry); }

absl::Status CheckAgreement(Graphs graphs) {
  if (graphs.empty()) return absl::InvalidArgumentError("there is no graph to compile");
  for (const Graph* g : graphs) {
    if (!g->target || g->threads < 1 || g->arena_bytes < 0) {
      return absl::FailedPreconditionError(
          absl::StrCat(g->name, " has no plan yet: schedule and plan come before code"));
    }
    if (g->target != graphs[0]->target || g->threads != graphs[0]->threads) {
      return absl::InvalidArgumentError(
          absl::StrCat(g->name, " and ", graphs[0]->name, " are planned for different targets or numbers of threads"));
    }
  }
  return absl::OkStatus();
}

// Params and states lie at one place in every graph that declares them.
absl::StatusOr<std::vector<Binding>> StatesOf(Graphs graphs) {
  std::vector<Binding> states;
  for (const Graph* g : graphs) {
    for (const auto& s : g->body.statements) {
      if (s->op != ir::Op::kParam && s->op != ir::Op::kState) continue;
      const ir::Value& value = *s->result();
      CHECK(value.arena.has_value()) << "the plan has no place for " << value.name;
      const auto known =
          std::find_if(states.begin(), states.end(), [&](const Binding& b) { return b.name == value.name; });
      if (known == states.end()) {
        states.push_back({value.name, value.type, value.arena->offset});
      } else if (known->type != value.type || known->arena_offset != value.arena->offset) {
        return absl::InvalidArgumentError(absl::StrCat("the entries of a program disagree about ", value.name, ": ",
                                                       ir::ToString(known->type), " at ", known->arena_offset, " and ",
                                                       ir::ToString(value.type), " at ", value.arena->offset));
      }
    }
  }
  return states;
}

// The entries [first, last) as one module.
absl::Status Build(Graphs graphs, size_t first, size_t last, int64_t scratch_bytes, llvm::Module& module,
                   std::vector<CompiledEntry>& entries) {
  KernelTable kernels;
  for (size_t i = first; i < last; ++i) {
    RETURN_IF_ERROR(EmitEntry(module, kernels, *graphs[i], Symbol(i), scratch_bytes, entries[i]));
  }
  return absl::OkStatus();
}

int64_t ScratchOf(Graphs graphs) {
  int64_t most = 0;
  for (const Graph* g : graphs) most = std::max({most, g->scratch_bytes, ScratchBytes(*g)});
  return most;
}

template <typename Show>
absl::StatusOr<std::string> ShowModule(Graphs graphs, Show show) {
  RETURN_IF_ERROR(CheckAgreement(graphs));
  llvm::LLVMContext context;
  llvm::Module module("gradus", context);
  std::vector<CompiledEntry> entries(graphs.size());
  RETURN_IF_ERROR(Build(graphs, 0, graphs.size(), ScratchOf(graphs), module, entries));
  return show(module);
}

}  // namespace

absl::StatusOr<CompiledProgram> Compile(Graphs graphs, const CompileOptions& options) {
  RETURN_IF_ERROR(CheckAgreement(graphs));
  CompiledProgram program;
  ASSIGN_OR_RETURN(program.states, StatesOf(graphs));
  program.target = *graphs[0]->target;
  program.threads = graphs[0]->threads;
  program.entries.resize(graphs.size());
  program.scratch_bytes = ScratchOf(graphs);
  for (const Graph* g : graphs) program.arena_bytes = std::max(program.arena_bytes, g->arena_bytes);

  // The first entry, the step, is the largest by far: it is one module, the others together are another.
  std::vector<std::pair<size_t, size_t>> parts = {{0, graphs.size()}};
  if (options.parallel && graphs.size() > 1) parts = {{0, 1}, {1, graphs.size()}};
  std::vector<absl::StatusOr<std::string>> objects(parts.size(), std::string());
  const auto compile = [&](size_t part) -> absl::StatusOr<std::string> {
    llvm::LLVMContext context;
    llvm::Module module("gradus", context);
    RETURN_IF_ERROR(
        Build(graphs, parts[part].first, parts[part].second, program.scratch_bytes, module, program.entries));
    ASSIGN_OR_RETURN(std::string object, CompileModule(module, program.target, options.level));
    RETURN_IF_ERROR(CheckNoUndefinedSymbols(object));
    return object;
  };
  std::vector<std::thread> threads;
  for (size_t part = 1; part < parts.size(); ++part) {
    threads.emplace_back([&, part] { objects[part] = compile(part); });
  }
  objects[0] = compile(0);
  for (std::thread& t : threads) t.join();
  std::vector<std::string> linked, symbols;
  for (auto& object : objects) {
    if (!object.ok()) return object.status();
    linked.push_back(*std::move(object));
  }
  for (size_t i = 0; i < graphs.size(); ++i) symbols.push_back(Symbol(i));
  ASSIGN_OR_RETURN(program.code, Link(linked, symbols));
  for (size_t i = 0; i < graphs.size(); ++i) {
    program.entries[i].run = reinterpret_cast<RunFunction>(program.code.Find(symbols[i]));
  }
  return program;
}

absl::StatusOr<std::string> ShowLlvm(Graphs graphs, const CompileOptions&) {
  return ShowModule(graphs, [](llvm::Module& module) -> absl::StatusOr<std::string> { return PrintModule(module); });
}

absl::StatusOr<std::string> ShowAssembly(Graphs graphs, const CompileOptions& options) {
  return ShowModule(graphs,
                    [&](llvm::Module& module) { return AssembleModule(module, *graphs[0]->target, options.level); });
}

}  // namespace gradus::codegen
