// Programs for tests, from text to an executable with its data.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "frontend/lower.h"
#include "frontend/program.h"
#include "ir/check.h"
#include "runtime/compile.h"
#include "runtime/dataset.h"

namespace gradus::runtime {

struct TestProgram {
  frontend::Module module;
  frontend::Program program;
  Dataset data, validation;
  frontend::LowerOptions lower;
};

inline TestProgram Load(frontend::Module module, const frontend::LowerOptions& lower = {}) {
  TestProgram loaded{std::move(module), {}, {}, {}, lower};
  loaded.program = *frontend::Describe(loaded.module, lower);
  const auto load = [&](bool validate) {
    auto at_batch = std::make_shared<std::map<int64_t, frontend::Program>>();
    const BindingsForBatch for_batch =
        [&, at_batch](int64_t batch) -> absl::StatusOr<const std::vector<frontend::DataBinding>*> {
      at_batch->emplace(batch, *frontend::Describe(loaded.module, AtBatch(lower, loaded.program, batch)));
      return validate ? &at_batch->at(batch).validate : &at_batch->at(batch).data;
    };
    return *LoadDataset(loaded.program, validate ? loaded.program.validate : loaded.program.data,
                        loaded.module.directory, for_batch);
  };
  loaded.data = load(false);
  loaded.validation = load(true);
  return loaded;
}

// A dataset of `batches` batches for any program: numbers of [0, 1) and labels below 10, drawn by a counter.
inline Dataset MakeUpData(const frontend::Program& program, int64_t batches) {
  Dataset data;
  uint32_t noise = 1;
  for (const frontend::ProgramInput& input : program.inputs) {
    CHECK(input.batch_axis == 0) << input.name;
    ir::Type all = input.type;
    data.batch = all.shape[0];
    all.shape[0] = data.examples = data.batch * batches;
    ir::Tensor values(all);
    ir::Dispatch(all.element, [&](auto tag) {
      using T = decltype(tag);
      for (T& value : values.data<T>()) {
        noise = noise * 1664525 + 1013904223;
        value = ir::IsFloat(all.element) ? static_cast<T>(static_cast<float>(noise >> 8) / (1 << 24))
                                         : static_cast<T>((noise >> 8) % 10);
      }
    });
    data.columns.push_back({input.name, input.type, 0, true, std::move(values)});
  }
  return data;
}

inline TestProgram LoadExample(const std::string& name, const frontend::LowerOptions& lower = {}) {
  return Load(*frontend::LoadProgram(std::string(GRADUS_SOURCE_DIR) + "/examples/" + name), lower);
}
// A program with data that are made up.
inline TestProgram WithoutData(frontend::Module module, int64_t batches, const frontend::LowerOptions& lower = {}) {
  TestProgram loaded{std::move(module), {}, {}, {}, lower};
  loaded.program = *frontend::Describe(loaded.module, lower);
  loaded.data = MakeUpData(loaded.program, batches);
  return loaded;
}
// An example whose data are not in the repository, with data that are made up.
inline TestProgram LoadExampleWithoutData(const std::string& name, int64_t batches,
                                          const frontend::LowerOptions& lower = {}) {
  return WithoutData(*frontend::LoadProgram(std::string(GRADUS_SOURCE_DIR) + "/examples/" + name), batches, lower);
}
inline TestProgram LoadText(const std::string& text) { return Load(*frontend::ParseProgram("test.gr", text)); }

// The step, evaluation at every batch size of the validation data, and prediction; initial state written.
inline Compiled CompileAll(const TestProgram& loaded, const CompileOptions& options, int64_t seed) {
  std::vector<EntryRequest> requests = {{frontend::Entry::kStep, 0}};
  if (!loaded.validation.columns.empty()) {
    for (const int64_t size : BatchSizes(loaded.validation)) {
      requests.push_back({frontend::Entry::kEvaluate, size});
      requests.push_back({frontend::Entry::kPredict, size});
    }
  }
  CompileOptions lowered = options;
  lowered.lower = loaded.lower;
  auto compiled = Compile(loaded.module, loaded.program, requests, lowered);
  CHECK(compiled.ok()) << compiled.status();
  const absl::Status initialized = InitializeState(compiled->initialize, seed, {}, "", *compiled->executable);
  CHECK(initialized.ok()) << initialized;
  return *std::move(compiled);
}

}  // namespace gradus::runtime
