#include "runtime/interpreted_executable.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "ir/check.h"
#include "ir/interpreter.h"

namespace gradus::runtime {
namespace {

std::vector<NamedType> Declared(const ir::Graph& graph, bool (*wanted)(const ir::Statement&)) {
  std::vector<NamedType> result;
  for (const auto& statement : graph.body.statements) {
    if (wanted(*statement)) result.push_back({statement->result()->name, statement->result()->type});
  }
  return result;
}

bool IsFinite(const ir::Tensor& tensor) {
  return ir::Dispatch(tensor.type().element, [&](auto tag) {
    const auto data = tensor.data<decltype(tag)>();
    return std::all_of(data.begin(), data.end(), [](auto v) { return std::isfinite(static_cast<double>(v)); });
  });
}

class InterpretedExecutable : public Executable {
 public:
  explicit InterpretedExecutable(std::vector<EntryGraph> entries) : entries_(std::move(entries)) {
    CHECK(!entries_.empty()) << "an executable without entries";
    for (const EntryGraph& entry : entries_) {
      inputs_.push_back(FedInputs(entry.graph));
      outputs_.push_back(OutputTypes(entry.graph));
      for (const NamedType& param :
           Declared(entry.graph, [](const ir::Statement& s) { return s.op == ir::Op::kParam; })) {
        params_.insert(param.name);
      }
    }
    state_ = StateTypes(entries_[0].graph);
    for (const NamedType& state : state_) values_.emplace(state.name, ir::Tensor(state.type));
  }

  absl::Span<const NamedType> inputs(int entry) const override { return inputs_[entry]; }
  absl::Span<const NamedType> outputs(int entry) const override { return outputs_[entry]; }
  absl::Span<const NamedType> state() const override { return state_; }
  ir::Tensor ReadState(absl::string_view name) const override { return values_.at(name); }
  void WriteState(absl::string_view name, const ir::Tensor& value) override {
    ir::Tensor& held = values_.at(name);
    CHECK(held.type() == value.type()) << std::string(name) << ": " << value.type() << " for " << held.type();
    held = value;
  }
  int64_t step() const override { return step_; }
  void set_step(int64_t step) override { step_ = step; }
  void set_epoch(int64_t epoch) override { epoch_ = epoch; }
  int64_t seed() const override { return seed_; }
  void set_seed(int64_t seed) override { seed_ = seed; }
  MemoryUse memory() const override {
    MemoryUse use;
    for (const auto& [name, value] : values_) use.state += value.byte_size();
    use.arena = use.state;
    return use;
  }

  int64_t TakeNotFinite() override { return std::exchange(not_finite_, 0); }

  absl::StatusOr<int64_t> Run(int entry, absl::Span<const Feed> feeds, absl::Span<const Fetch> fetches,
                              int64_t steps) override {
    for (int64_t k = 0; k < steps; ++k) {
      if (k > 0 && stop_requested()) return k;
      RETURN_IF_ERROR(RunOne(entry, feeds, fetches, k));
    }
    return steps;
  }

 protected:
  void StopRunning(bool) override {}

 private:
  absl::Status RunOne(int entry, absl::Span<const Feed> feeds, absl::Span<const Fetch> fetches, int64_t k) {
    ir::NamedTensors declared = values_;
    declared["step"] = ir::Tensor::Scalar<int64_t>(step_ + 1);
    declared["epoch"] = ir::Tensor::Scalar<int64_t>(epoch_);
    declared["seed"] = ir::Tensor::Scalar<int64_t>(seed_);
    for (const NamedType& input : inputs_[entry]) {
      const auto* feed = std::find_if(feeds.begin(), feeds.end(), [&](const Feed& f) { return f.input == input.name; });
      CHECK(feed != feeds.end()) << "the input " << input.name << " is not fed";
      ir::Tensor value(input.type);
      std::memcpy(value.bytes(), feed->base + (k % feed->count) * feed->stride, value.byte_size());
      declared[input.name] = std::move(value);
    }
    ASSIGN_OR_RETURN(ir::StepValues values,
                     ir::Interpret(entries_[entry].graph, declared, [this] { return stop_now_requested(); }));
    for (const Fetch& fetch : fetches) {
      const ir::Tensor& value = values.outputs.at(fetch.output);
      std::memcpy(fetch.base + k * fetch.stride, value.bytes(), value.byte_size());
    }
    if (!entries_[entry].trains) return absl::OkStatus();
    ++step_;
    for (auto& [name, value] : values.next) {
      if (not_finite_ == 0 && params_.contains(name) && !IsFinite(value)) not_finite_ = step_;
      values_[name] = std::move(value);
    }
    return absl::OkStatus();
  }

  std::vector<EntryGraph> entries_;
  std::vector<std::vector<NamedType>> inputs_, outputs_;
  std::vector<NamedType> state_;
  ir::NamedTensors values_;
  std::set<std::string> params_;
  int64_t step_ = 0, epoch_ = 1, seed_ = 0;
  int64_t not_finite_ = 0;
};

}  // namespace

std::map<std::string, ir::Tensor> Executable::ReadAllState() const {
  std::map<std::string, ir::Tensor> all;
  for (const NamedType& one : state()) all.emplace(one.name, ReadState(one.name));
  return all;
}

bool IsProvidedInput(absl::string_view name) { return name == "step" || name == "epoch" || name == "seed"; }

std::vector<NamedType> FedInputs(const ir::Graph& graph) {
  return Declared(graph,
                  [](const ir::Statement& s) { return s.op == ir::Op::kInput && !IsProvidedInput(s.result()->name); });
}

std::vector<NamedType> StateTypes(const ir::Graph& graph) {
  return Declared(graph, [](const ir::Statement& s) { return s.op == ir::Op::kParam || s.op == ir::Op::kState; });
}

std::vector<NamedType> OutputTypes(const ir::Graph& graph) {
  std::vector<NamedType> result;
  for (const ir::Output& output : graph.outputs) result.push_back({output.name, output.value->type});
  return result;
}

std::unique_ptr<Executable> MakeInterpretedExecutable(std::vector<EntryGraph> entries) {
  return std::make_unique<InterpretedExecutable>(std::move(entries));
}

}  // namespace gradus::runtime
