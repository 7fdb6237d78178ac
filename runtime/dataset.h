// The data of a recipe in memory: every input of the model, converted, transformed, one example after another.
//
//   data x = "train-images.npy" / 16, y = "train-labels.npy"
//
// A source is converted to the declared type and reshaped to the declared shape of a batch; then its expression is
// applied, batch by batch in the order of the file (the last, shorter batch with the expression lowered for its size).
// An input that has the batch axis is sampled along it. Of a model without a batch, a source of one rank more than its
// input gives one example a step. Everything else is fed whole, the same at every step.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "frontend/lower.h"
#include "ir/tensor.h"
#include "runtime/text.h"

namespace gradus::runtime {

struct DataColumn {
  std::string input;
  ir::Type type;            // of the input, at the program's batch size
  int64_t batch_axis = -1;  // in `type`; -1: no batch
  bool sampled = false;     // else fed whole
  ir::Tensor values;        // sampled: [examples, type without its batch axis]; else of `type`

  int64_t example_bytes() const;
};

struct Dataset {
  int64_t examples = 0;  // 0: nothing is sampled
  int64_t batch = 1;     // examples a step; of a program whose inputs are all drawn, those that it draws
  std::vector<DataColumn> columns;
  absl::optional<Vocabulary> vocabulary;  // of the first text source

  const DataColumn* Find(absl::string_view input) const;
  int64_t bytes() const;
};

// Hears how much of a piece of work is done, from 0 to 1.
using FractionCallback = std::function<void(double)>;

// The bindings of the program for another batch size: `program.data` or `program.validate` lowered with it.
using BindingsForBatch = std::function<absl::StatusOr<const std::vector<frontend::DataBinding>*>(int64_t batch)>;

// Loads `bindings` (of the program's own batch size). `directory` is that of the program; `trained`, where parameters
// were loaded that have one, numbers the characters of every text(…).
absl::StatusOr<Dataset> LoadDataset(const frontend::Program& program, absl::Span<const frontend::DataBinding> bindings,
                                    const std::string& directory, const BindingsForBatch& for_batch,
                                    const FractionCallback& progress = nullptr,
                                    const TrainedVocabulary* trained = nullptr);

// `--data FILE`: every input of the model from the array of its name, no expressions. Inputs in `optional` may lack.
absl::StatusOr<Dataset> LoadDatasetFromNpz(const frontend::Program& program, const std::string& path);

// Copies the examples `indices` into one batch of a sampled column, `to` being as large as the input at that batch
// size.
void GatherExamples(const DataColumn& column, absl::Span<const int64_t> indices, std::byte* to);

}  // namespace gradus::runtime
