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
};

inline TestProgram Load(frontend::Module module) {
  TestProgram loaded{std::move(module), {}, {}, {}};
  loaded.program = *frontend::Describe(loaded.module, {});
  const auto load = [&](bool validate) {
    auto at_batch = std::make_shared<std::map<int64_t, frontend::Program>>();
    const BindingsForBatch for_batch =
        [&, at_batch](int64_t batch) -> absl::StatusOr<const std::vector<frontend::DataBinding>*> {
      at_batch->emplace(batch, *frontend::Describe(loaded.module, AtBatch({}, loaded.program, batch)));
      return validate ? &at_batch->at(batch).validate : &at_batch->at(batch).data;
    };
    return *LoadDataset(loaded.program, validate ? loaded.program.validate : loaded.program.data,
                        loaded.module.directory, for_batch);
  };
  loaded.data = load(false);
  loaded.validation = load(true);
  return loaded;
}

inline TestProgram LoadExample(const std::string& name) {
  return Load(*frontend::LoadProgram(std::string(GRADUS_SOURCE_DIR) + "/examples/" + name));
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
  auto compiled = Compile(loaded.module, loaded.program, requests, options);
  CHECK(compiled.ok()) << compiled.status();
  const absl::Status initialized = InitializeState(compiled->initialize, seed, {}, "", *compiled->executable);
  CHECK(initialized.ok()) << initialized;
  return *std::move(compiled);
}

}  // namespace gradus::runtime
