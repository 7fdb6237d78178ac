#include "runtime/native_executable.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "codegen/context.h"
#include "ir/check.h"
#include "ir/error.h"
#include "runtime/arena.h"
#include "runtime/thread_pool.h"

namespace gradus::runtime {
namespace {

constexpr unsigned kIeeeControl = 0x1f80;  // round to nearest, denormals as they are, no traps

std::vector<NamedType> TypesOf(const std::vector<codegen::Binding>& bindings) {
  std::vector<NamedType> types;
  for (const codegen::Binding& binding : bindings) types.push_back({binding.name, binding.type});
  return types;
}

void WaitInBarrier(codegen::StepContext*, const int64_t* word, int64_t value) {
  ThreadPool::PauseInBarrier(word, value);
}

class NativeExecutable : public Executable {
 public:
  NativeExecutable(codegen::CompiledProgram program, std::vector<bool> trains, std::string path, Arena arena,
                   Arena scratch)
      : program_(std::move(program)),
        trains_(std::move(trains)),
        path_(std::move(path)),
        arena_(std::move(arena)),
        scratch_(std::move(scratch)),
        pool_(program_.threads),
        context_(std::make_unique<codegen::StepContext>()) {
    for (const codegen::CompiledEntry& entry : program_.entries) {
      inputs_.push_back(TypesOf(entry.inputs));
      outputs_.push_back(TypesOf(entry.outputs));
      input_bindings_.emplace_back(entry.inputs.size());
      output_bindings_.emplace_back(entry.outputs.size());
    }
    state_ = TypesOf(program_.states);
    *context_ = codegen::StepContext{};
    context_->arena = arena_.data();
    context_->scratch = scratch_.data();
    context_->epoch = 1;
    context_->spins = pool_.spins();
    context_->wait = WaitInBarrier;
  }

  absl::Span<const NamedType> inputs(int entry) const override { return inputs_[entry]; }
  absl::Span<const NamedType> outputs(int entry) const override { return outputs_[entry]; }
  absl::Span<const NamedType> state() const override { return state_; }
  ir::Tensor ReadState(absl::string_view name) const override {
    const codegen::Binding& state = Find(name);
    ir::Tensor value(state.type);
    std::memcpy(value.bytes(), arena_.data() + state.arena_offset, value.byte_size());
    return value;
  }
  void WriteState(absl::string_view name, const ir::Tensor& value) override {
    const codegen::Binding& state = Find(name);
    CHECK(state.type == value.type()) << state.name << ": " << value.type() << " for " << state.type;
    std::memcpy(arena_.data() + state.arena_offset, value.bytes(), value.byte_size());
  }
  int64_t step() const override { return context_->step; }
  void set_step(int64_t step) override { context_->step = step; }
  void set_epoch(int64_t epoch) override { context_->epoch = epoch; }
  int64_t seed() const override { return context_->seed; }
  void set_seed(int64_t seed) override { context_->seed = seed; }
  MemoryUse memory() const override {
    MemoryUse use;
    for (const NamedType& state : state_) use.state += state.type.bytes().value();
    use.arena = program_.arena_bytes;
    use.scratch = scratch_.bytes();
    use.code = program_.code.bytes();
    use.stacks = (pool_.threads() - 1) * ThreadPool::kStackBytes;
    return use;
  }

  int64_t TakeNotFinite() override { return std::exchange(context_->not_finite, 0); }

  // Allocates nothing and makes no system call, but for what wakes a parked thread.
  absl::StatusOr<int64_t> Run(int entry, absl::Span<const Feed> feeds, absl::Span<const Fetch> fetches,
                              int64_t steps) override {
    const codegen::CompiledEntry& called = program_.entries[entry];
    const int64_t first = context_->step;
    // A request that nobody waits for any more ends no `while` of another call.
    if (!stop_requested()) __atomic_store_n(&context_->stop, codegen::kGoOn, __ATOMIC_RELAXED);
    for (size_t i = 0; i < called.inputs.size(); ++i) {
      const auto* feed =
          std::find_if(feeds.begin(), feeds.end(), [&](const Feed& f) { return f.input == called.inputs[i].name; });
      CHECK(feed != feeds.end()) << "the input " << called.inputs[i].name << " of " << called.name << " is not fed";
      input_bindings_[entry][i] = {feed->base, feed->stride, feed->count, first};
    }
    for (size_t i = 0; i < called.outputs.size(); ++i) {
      const auto* fetch = std::find_if(fetches.begin(), fetches.end(),
                                       [&](const Fetch& f) { return f.output == called.outputs[i].name; });
      output_bindings_[entry][i] = fetch == fetches.end() ? codegen::OutputBinding{nullptr, 0}
                                                          : codegen::OutputBinding{fetch->base, fetch->stride};
    }
    context_->inputs = input_bindings_[entry].data();
    context_->outputs = output_bindings_[entry].data();
    int32_t result = codegen::kRunFinished;
    pool_.Run([&](int64_t thread) {
      const unsigned control = _mm_getcsr();
      _mm_setcsr(kIeeeControl);
      const int32_t returned = called.run(context_.get(), thread, pool_.threads(), steps);
      _mm_setcsr(control);
      if (thread == 0) result = returned;
    });
    const int64_t ran = context_->step - first;
    if (!trains_[entry]) context_->step = first;
    if (result != codegen::kRunFinished) __atomic_store_n(&context_->stop, codegen::kGoOn, __ATOMIC_RELAXED);
    if (result == codegen::kRunFault) return TakeFault(called);
    return ran;
  }

 protected:
  void StopRunning(bool now) override {
    __atomic_store_n(&context_->stop, now ? codegen::kStopNow : codegen::kStopAfterStep, __ATOMIC_RELEASE);
  }

 private:
  const codegen::Binding& Find(absl::string_view name) const {
    const auto found = std::find_if(program_.states.begin(), program_.states.end(),
                                    [&](const codegen::Binding& b) { return b.name == name; });
    CHECK(found != program_.states.end()) << "no state is called " << std::string(name);
    return *found;
  }

  absl::Status TakeFault(const codegen::CompiledEntry& entry) {
    const codegen::Fault fault = context_->fault;
    context_->fault = {};
    context_->fault_claimed = 0;
    const codegen::FaultSource& source = entry.sources[fault.statement];
    const std::string& file = source.note.file.empty() ? path_ : source.note.file;
    const std::string place = source.note.line > 0
                                  ? absl::StrCat(file, ":", source.note.line, ":", source.note.column, ": error: ")
                                  : absl::StrCat(entry.name, ": error: ");
    if (fault.kind == codegen::kEndlessWhile) {
      return absl::AbortedError(absl::StrCat(place, "while (", source.name,
                                             ") had not ended when it was stopped; step ", fault.step + 1,
                                             ", whose results are invalid"));
    }
    return ir::ErrorStatus(absl::StatusCode::kOutOfRange, ir::ErrorKind::kIndexOutOfRange, place, "index ", fault.index,
                           " of ", source.operation, source.name.empty() ? "" : " (", source.name,
                           source.name.empty() ? "" : ")", " is out of range: it must be at least 0 and below ",
                           fault.bound, "; step ", fault.step + 1, ", whose results are invalid");
  }

  codegen::CompiledProgram program_;
  std::vector<bool> trains_;
  std::string path_;
  Arena arena_, scratch_;
  ThreadPool pool_;
  std::unique_ptr<codegen::StepContext> context_;
  std::vector<std::vector<NamedType>> inputs_, outputs_;
  std::vector<std::vector<codegen::InputBinding>> input_bindings_;
  std::vector<std::vector<codegen::OutputBinding>> output_bindings_;
  std::vector<NamedType> state_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Executable>> MakeNativeExecutable(codegen::CompiledProgram program,
                                                                 std::vector<bool> trains, std::string program_path) {
  CHECK(program.entries.size() == trains.size()) << program.entries.size() << " entries, " << trains.size() << " flags";
  ASSIGN_OR_RETURN(Arena arena, Arena::Allocate(program.arena_bytes, "the arena of the program"));
  ASSIGN_OR_RETURN(Arena scratch,
                   Arena::Allocate(program.scratch_bytes * program.threads, "the scratch of its threads"));
  return std::unique_ptr<Executable>(std::make_unique<NativeExecutable>(
      std::move(program), std::move(trains), std::move(program_path), std::move(arena), std::move(scratch)));
}

}  // namespace gradus::runtime
