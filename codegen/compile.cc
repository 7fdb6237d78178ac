#include "codegen/compile.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "codegen/emit_entry.h"
#include "ir/check.h"
#include "ir/error.h"
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
        return ir::ErrorStatus(ir::ErrorKind::kStateSize, value.name, " is ", ir::ToString(known->type), " in ",
                               graphs.front()->name, " and ", ir::ToString(value.type), " in ", g->name,
                               ": what is kept from step to step has one size, which cannot ",
                               "depend on the number of examples of a batch");
      }
    }
  }
  return states;
}

// All entries as one module, so that they share kernels.
absl::Status Build(Graphs graphs, int64_t scratch_bytes, llvm::Module& module, std::vector<CompiledEntry>& entries) {
  KernelTable kernels;
  for (size_t i = 0; i < graphs.size(); ++i) {
    RETURN_IF_ERROR(EmitEntry(module, kernels, *graphs[i], Symbol(i), scratch_bytes, entries[i]));
  }
  return absl::OkStatus();
}

// Keeps part number `part` of `parts` of a module: the functions are dealt out by size, the largest first, each to the
// part that has least; what another part has is declared. Emission is deterministic and costs a fiftieth of code
// generation, so every thread builds the whole module and throws its share of it away. Returns the names of functions
// that other parts define.
std::vector<std::string> KeepPart(llvm::Module& module, size_t part, size_t parts) {
  std::vector<llvm::Function*> functions;
  for (llvm::Function& f : module) {
    if (!f.isDeclaration()) functions.push_back(&f);
  }
  std::stable_sort(functions.begin(), functions.end(),
                   [](auto* a, auto* b) { return a->getInstructionCount() > b->getInstructionCount(); });
  std::vector<size_t> load(parts, 0);
  std::vector<std::string> elsewhere;
  for (llvm::Function* f : functions) {
    const size_t owner = std::min_element(load.begin(), load.end()) - load.begin();
    load[owner] += f->getInstructionCount();
    if (owner != part) {
      f->deleteBody();
      elsewhere.push_back(f->getName().str());
    }
    f->setLinkage(llvm::GlobalValue::ExternalLinkage);
    if (!f->getName().starts_with("gradus_run_")) f->setVisibility(llvm::GlobalValue::HiddenVisibility);
    f->setDSOLocal(true);
  }
  for (llvm::GlobalVariable& data : llvm::make_early_inc_range(module.globals())) {
    if (data.use_empty()) data.eraseFromParent();
  }
  return elsewhere;
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
  RETURN_IF_ERROR(Build(graphs, ScratchOf(graphs), module, entries));
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

  const size_t parts = options.parallel ? 2 : 1;
  std::vector<absl::StatusOr<std::string>> objects(parts, std::string());
  const auto compile = [&](size_t part, std::vector<CompiledEntry>& entries) -> absl::StatusOr<std::string> {
    llvm::LLVMContext context;
    llvm::Module module("gradus", context);
    RETURN_IF_ERROR(Build(graphs, program.scratch_bytes, module, entries));
    std::vector<std::string> elsewhere;
    if (parts > 1) elsewhere = KeepPart(module, part, parts);
    ASSIGN_OR_RETURN(std::string object, CompileModule(module, program.target, options.level));
    RETURN_IF_ERROR(CheckNoUndefinedSymbols(object, elsewhere));
    return object;
  };
  std::vector<std::thread> threads;
  for (size_t part = 1; part < parts; ++part) {
    threads.emplace_back([&, part] {
      std::vector<CompiledEntry> same(graphs.size());
      objects[part] = compile(part, same);
    });
  }
  objects[0] = compile(0, program.entries);
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
