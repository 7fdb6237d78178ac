#include "tests/codegen/native_run.h"

#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/printer.h"
#include "ir/storage.h"
#include "ir/verifier.h"
#include "runtime/thread_pool.h"

namespace gradus::testing_support {
namespace {

using ir::Op;

constexpr int64_t kAlignment = 64;

std::byte* AllocateAligned(int64_t bytes) {
  const int64_t rounded = (std::max<int64_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  void* p = std::aligned_alloc(kAlignment, static_cast<size_t>(rounded));
  CHECK(p != nullptr);
  std::memset(p, 0xab, static_cast<size_t>(rounded));
  return static_cast<std::byte*>(p);
}

bool IsState(const ir::Value* v) {
  return v->definition != nullptr && (v->definition->op == Op::kParam || v->definition->op == Op::kState);
}

}  // namespace

ir::Graph PlanSimply(const ir::Graph& original, const ir::Target& target, int64_t threads) {
  ir::Graph graph = original.Clone();
  graph.target = target;
  graph.threads = threads;
  // What is read at the end must survive the updates of states.
  ir::NameTable names(graph.body);
  ir::Builder builder(graph);
  const auto copy = [&](ir::Value*& value) {
    if (!IsState(ir::StorageOf(value))) return;
    value = builder.Emit(Op::kStopGradient, {value});
    value->name = names.Unique("copy");
  };
  auto& statements = graph.body.statements;
  const size_t count = statements.size();
  for (size_t i = 0; i < count; ++i) {
    if (statements[i]->op == Op::kNext) copy(statements[i]->operands[1]);
  }
  for (ir::Output& output : graph.outputs) copy(output.value);
  std::stable_partition(statements.begin(), statements.end(), [](const auto& s) { return s->op != Op::kNext; });
  int64_t offset = 0;
  const auto place = [&](ir::Value* v) {
    const int64_t bytes = v->type.bytes().value();
    v->arena = ir::ArenaRange{offset, bytes};
    offset += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  };
  for (const auto& s : statements) {
    if (s->op == Op::kParam || s->op == Op::kState) place(s->result());
  }
  for (const auto& s : statements) {
    if (ir::IsDeclaration(s->op) || s->op == Op::kConstant) continue;
    for (const auto& r : s->results) {
      if (ir::IsView(*s)) {
        r->arena = s->operands[0]->arena;
      } else {
        place(r.get());
      }
    }
  }
  std::vector<std::unique_ptr<ir::Statement>> scheduled;
  for (auto& s : statements) {
    const bool barrier = !ir::IsDeclaration(s->op) && s->op != Op::kConstant;
    scheduled.push_back(std::move(s));
    if (!barrier) continue;
    scheduled.push_back(std::make_unique<ir::Statement>());
    scheduled.back()->op = Op::kBarrier;
  }
  statements = std::move(scheduled);
  graph.arena_bytes = offset;
  graph.scratch_bytes = 0;
  return graph;
}

std::vector<ir::Target> TargetsOfThisMachine() {
  std::vector<ir::Target> targets;
  for (ir::Isa isa : {ir::Isa::kAvx512, ir::Isa::kAvx2, ir::Isa::kBaseline}) {
    if (!codegen::HostSupports(isa)) continue;
    targets.emplace_back();
    targets.back().isa = isa;
  }
  return targets;
}

absl::StatusOr<NativeRun> NativeRun::Create(std::vector<ir::Graph> planned, codegen::CompileOptions options) {
  std::vector<const ir::Graph*> graphs;
  for (const ir::Graph& g : planned) graphs.push_back(&g);
  NativeRun run;
  ASSIGN_OR_RETURN(run.program_, codegen::Compile(graphs, options));
  run.arena_.reset(AllocateAligned(run.program_.arena_bytes));
  run.scratch_.reset(AllocateAligned(run.program_.scratch_bytes * run.program_.threads));
  auto* context = reinterpret_cast<codegen::StepContext*>(AllocateAligned(sizeof(codegen::StepContext)));
  std::memset(static_cast<void*>(context), 0, sizeof(codegen::StepContext));
  run.context_.reset(context);
  context->arena = run.arena_.get();
  context->scratch = run.scratch_.get();
  context->epoch = 1;
  context->spins = 200;
  context->wait = [](codegen::StepContext*, const int64_t*, int64_t) { std::this_thread::yield(); };
  return run;
}

void NativeRun::SetStates(const ir::NamedTensors& values) {
  for (const codegen::Binding& b : program_.states) {
    const auto found = values.find(b.name);
    CHECK(found != values.end()) << b.name;
    std::memcpy(arena_.get() + b.arena_offset, found->second.bytes(), static_cast<size_t>(found->second.byte_size()));
  }
}

ir::Tensor NativeRun::State(const std::string& name) const {
  for (const codegen::Binding& b : program_.states) {
    if (b.name != name) continue;
    ir::Tensor value(b.type);
    std::memcpy(value.bytes(), arena_.get() + b.arena_offset, static_cast<size_t>(value.byte_size()));
    return value;
  }
  CHECK(false) << name;
  return {};
}

absl::StatusOr<ir::NamedTensors> NativeRun::Run(size_t index, const ir::NamedTensors& inputs, int64_t steps) {
  const codegen::CompiledEntry& entry = program_.entries[index];
  std::vector<codegen::InputBinding> bound;
  for (const codegen::Binding& b : entry.inputs) {
    const auto found = inputs.find(b.name);
    CHECK(found != inputs.end()) << b.name;
    bound.push_back({found->second.bytes(), 0, 1, 0});
  }
  ir::NamedTensors outputs;
  std::vector<ir::Tensor> values;
  for (const codegen::Binding& b : entry.outputs) values.emplace_back(b.type);
  std::vector<codegen::OutputBinding> results;
  for (ir::Tensor& v : values) results.push_back({v.bytes(), 0});
  context_->inputs = bound.data();
  context_->outputs = results.data();
  std::vector<int32_t> returned(static_cast<size_t>(program_.threads));
  std::vector<std::thread> threads;
  const auto run = [&](int64_t thread) {
    returned[static_cast<size_t>(thread)] = entry.run(context_.get(), thread, program_.threads, steps);
  };
  for (int64_t t = 1; t < program_.threads; ++t) threads.emplace_back(run, t);
  run(0);
  for (std::thread& t : threads) t.join();
  last_result_ = returned[0];
  if (last_result_ != codegen::kRunFinished) {
    const codegen::Fault& f = context_->fault;
    return absl::OutOfRangeError(absl::StrCat("run returned ", last_result_, ", index ", f.index, " of ", f.bound));
  }
  for (size_t i = 0; i < values.size(); ++i) outputs.emplace(entry.outputs[i].name, std::move(values[i]));
  return outputs;
}

std::string DifferenceFromInterpreter(const ir::Graph& graph, const ir::NamedTensors& declared,
                                      const ir::Target& target, int64_t threads) {
  return DifferenceFromInterpreter(graph, PlanSimply(graph, target, threads), declared);
}

std::string DifferenceFromInterpreter(const ir::Graph& graph, ir::Graph plan, const ir::NamedTensors& declared) {
  const ir::Target target = *plan.target;
  const int64_t threads = plan.threads;
  const auto expected = ir::Interpret(graph, declared);
  if (!expected.ok()) return absl::StrCat("the interpreter fails: ", expected.status().ToString());
  std::vector<ir::Graph> planned;
  planned.push_back(std::move(plan));
  auto run = NativeRun::Create(std::move(planned));
  if (!run.ok()) return run.status().ToString();
  run->SetStates(declared);
  // `step`, `epoch` and `seed` come from the context.
  if (declared.contains("step")) run->context().step = declared.at("step").data<int64_t>()[0] - 1;
  if (declared.contains("epoch")) run->context().epoch = declared.at("epoch").data<int64_t>()[0];
  if (declared.contains("seed")) run->context().seed = declared.at("seed").data<int64_t>()[0];
  const auto outputs = run->Run(0, declared);
  if (!outputs.ok()) return outputs.status().ToString();
  const auto compare = [&](const std::string& name, const ir::Tensor& native,
                           const ir::Tensor& reference) -> std::string {
    if (ir::SameBits(native, reference)) return "";
    std::string text = absl::StrCat(name, " : ", ir::ToString(reference.type()), " differs on ", ir::Name(target.isa),
                                    " with ", threads, " threads:");
    ir::Dispatch(reference.type().element, [&](auto tag) {
      using T = decltype(tag);
      int shown = 0;
      for (int64_t i = 0; i < reference.size() && shown < 4; ++i) {
        const T a = native.data<T>()[i], b = reference.data<T>()[i];
        if (std::memcmp(&a, &b, sizeof(T)) == 0 || (a != a && b != b)) continue;
        ++shown;
        absl::StrAppend(&text, " [", i, "] ", +a, " for ", +b);
      }
    });
    return text;
  };
  for (const auto& [name, reference] : expected->outputs) {
    const std::string difference = compare(name, outputs->at(name), reference);
    if (!difference.empty()) return difference;
  }
  for (const codegen::Binding& b : run->program().states) {
    const auto next = expected->next.find(b.name);
    const ir::Tensor& reference = next == expected->next.end() ? declared.at(b.name) : next->second;
    const std::string difference = compare("next " + b.name, run->State(b.name), reference);
    if (!difference.empty()) return difference;
  }
  return "";
}

}  // namespace gradus::testing_support
