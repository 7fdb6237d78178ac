#include "runtime/dataset.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/interpreter.h"
#include "runtime/file.h"
#include "runtime/memory.h"
#include "runtime/npz.h"
#include "runtime/source.h"

namespace gradus::runtime {
namespace {

ir::Shape WithoutAxis(const ir::Shape& shape, int64_t axis) {
  ir::Shape rest;
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) {
    if (i != axis) rest.push_back(shape[i]);
  }
  return rest;
}

ir::Shape WithExtent(ir::Shape shape, int64_t axis, int64_t extent) {
  if (axis >= 0) shape[axis] = extent;
  return shape;
}

ir::Shape Prepended(int64_t extent, const ir::Shape& shape) {
  ir::Shape result = {extent};
  result.insert(result.end(), shape.begin(), shape.end());
  return result;
}

// How a tensor of a file serves an input.
struct Fit {
  bool sampled = false;
  int64_t examples = 0;
};

absl::StatusOr<Fit> FitOf(absl::string_view name, const ir::Type& found, const frontend::ProgramInput& input) {
  const ir::Shape example = input.batch_axis >= 0 ? WithoutAxis(input.type.shape, input.batch_axis) : input.type.shape;
  const int64_t example_elements = ir::ElementCount(example).value();
  const bool rows =
      found.rank() >= 1 && ir::ElementCount(absl::MakeConstSpan(found.shape).subspan(1)) == ir::Size(example_elements);
  if (input.batch_axis >= 0) {
    if (rows && found.shape[0] > 0) return Fit{true, found.shape[0]};
    return ir::ErrorStatus(ir::ErrorKind::kDataShape, name, ": expected any number of examples of ", example_elements,
                           example_elements == 1 ? " number" : " numbers", " each for the input ", input.name, " : ",
                           ir::ToString(input.type), ", found ", ir::ToString(found));
  }
  if (rows && found.rank() == input.type.rank() + 1 && found.shape[0] > 0) return Fit{true, found.shape[0]};
  if (found.elements() == input.type.elements()) return Fit{};
  std::string help;
  if (found.rank() >= 1 && found.rank() == input.type.rank() &&
      std::equal(found.shape.begin() + 1, found.shape.end(), input.type.shape.begin() + 1, input.type.shape.end()) &&
      found.shape[0] > input.type.shape[0]) {
    help = absl::StrCat("; `batch B` in the recipe, where B is the dim that is ", input.type.shape[0], ", takes ",
                        input.type.shape[0], " of the ", found.shape[0], " at a time");
  }
  return ir::ErrorStatus(ir::ErrorKind::kDataShape, name, ": expected ", ir::ToString(input.type), " for the input ",
                         input.name, ", or one such value after another, found ", ir::ToString(found), help);
}

// Copies examples between a tensor in the shape of a batch and rows of one example each.
void CopyExamples(int64_t outer, int64_t inner_bytes, int64_t batch, std::byte* batch_shaped, std::byte* example,
                  int64_t slot, bool into_batch) {
  for (int64_t o = 0; o < outer; ++o) {
    std::byte* const in_batch = batch_shaped + (o * batch + slot) * inner_bytes;
    std::byte* const in_example = example + o * inner_bytes;
    std::memcpy(into_batch ? in_batch : in_example, into_batch ? in_example : in_batch, inner_bytes);
  }
}

// The extents before and the bytes after the batch axis. Without one the whole value is one example of a batch of one.
struct Split {
  int64_t outer = 1;
  int64_t inner_bytes = 0;
};
Split SplitAt(const ir::Type& type, int64_t batch_axis) {
  Split split;
  split.inner_bytes = ir::ByteWidth(type.element);
  for (int64_t axis = 0; axis < type.rank(); ++axis) {
    if (axis < batch_axis) split.outer *= type.shape[axis];
    if (axis > batch_axis) split.inner_bytes *= type.shape[axis];
  }
  return split;
}

// One input's binding, with what of its sources has been read.
class BindingLoader {
 public:
  BindingLoader(const frontend::ProgramInput& input, const std::string& directory, const TrainedVocabulary* trained)
      : input_(input), directory_(directory), trained_(trained) {}

  absl::Status Read(const frontend::DataBinding& binding) {
    for (const frontend::Source& source : binding.sources) {
      const std::string name =
          source.path.empty() ? source.place : absl::StrCat(source.place, ": error: ", source.path);
      ir::Tensor tensor;
      if (source.literal) {
        tensor = *source.literal;
      } else if (source.text) {
        absl::StatusOr<TokenWindows> read = ReadTextWindows(directory_, source, trained_);
        if (!read.ok()) {
          return absl::Status(read.status().code(), absl::StrCat(source.place, ": error: ", read.status().message()));
        }
        tensor = std::move(read->tokens);
        if (!vocabulary_) vocabulary_ = std::move(read->vocabulary);
      } else {
        absl::StatusOr<ir::Tensor> read = ReadSource(directory_, source.path);
        if (!read.ok()) {
          return absl::Status(read.status().code(), absl::StrCat(source.place, ": error: ", read.status().message()));
        }
        tensor = *std::move(read);
      }
      ASSIGN_OR_RETURN(const Fit fit, FitOf(name, tensor.type(), input_));
      if (!sources_.empty() && (fit.sampled != fit_.sampled || fit.examples != fit_.examples)) {
        return ir::ErrorStatus(ir::ErrorKind::kDataLength, name, ": the sources of ", input_.name,
                               " differ in length: ", fit.examples, " examples and ", fit_.examples);
      }
      fit_ = fit;
      ASSIGN_OR_RETURN(tensor, ConvertElements(name, tensor, input_.type.element));
      sources_.push_back(std::move(tensor));
    }
    return absl::OkStatus();
  }

  int64_t batch() const { return input_.batch_axis >= 0 ? input_.type.shape[input_.batch_axis] : 1; }
  const Fit& fit() const { return fit_; }
  // Of the first text among the sources.
  const absl::optional<Vocabulary>& vocabulary() const { return vocabulary_; }

  absl::StatusOr<DataColumn> Finish(const frontend::DataBinding& binding, const BindingsForBatch& for_batch,
                                    const FractionCallback& progress) {
    DataColumn column{input_.name, input_.type, input_.batch_axis, fit_.sampled, {}};
    if (!fit_.sampled) {
      ASSIGN_OR_RETURN(column.values, Apply(binding, 0, 0, input_.type.shape));
      return column;
    }
    const ir::Shape example = WithoutAxis(input_.type.shape, input_.batch_axis);
    const ir::Type all{input_.type.element, Prepended(fit_.examples, example)};
    RETURN_IF_ERROR(CheckMemory(all.bytes(), absl::StrCat("the data of ", input_.name, " : ", ir::ToString(all))));
    column.values = ir::Tensor(all);
    if (!binding.transform && sources_.size() == 1) {
      std::memcpy(column.values.bytes(), sources_[0].bytes(), sources_[0].byte_size());
      return column;
    }
    const Split split = SplitAt(input_.type, input_.batch_axis);
    for (int64_t first = 0; first < fit_.examples; first += batch()) {
      const int64_t count = std::min(batch(), fit_.examples - first);
      if (progress) progress(static_cast<double>(first) / static_cast<double>(fit_.examples));
      const frontend::DataBinding* lowered = &binding;
      if (count != batch()) {
        ASSIGN_OR_RETURN(const auto* bindings, for_batch(count));
        const auto same =
            std::find_if(bindings->begin(), bindings->end(), [&](const auto& b) { return b.input == input_.name; });
        CHECK(same != bindings->end()) << input_.name;
        lowered = &*same;
      }
      ASSIGN_OR_RETURN(ir::Tensor values,
                       Apply(*lowered, first, count, WithExtent(input_.type.shape, input_.batch_axis, count)));
      for (int64_t i = 0; i < count; ++i) {
        CopyExamples(split.outer, split.inner_bytes, count, values.bytes(),
                     column.values.bytes() + (first + i) * column.example_bytes(), i, /*into_batch=*/false);
      }
    }
    return column;
  }

 private:
  // The transform on `count` examples from `first` (or on the whole sources), as a tensor of `shape`.
  absl::StatusOr<ir::Tensor> Apply(const frontend::DataBinding& binding, int64_t first, int64_t count,
                                   const ir::Shape& shape) {
    ir::NamedTensors inputs;
    const ir::Type type{input_.type.element, shape};
    const Split split = SplitAt(type, input_.batch_axis);
    for (size_t s = 0; s < sources_.size(); ++s) {
      ir::Tensor value(type);
      if (!fit_.sampled) {
        std::memcpy(value.bytes(), sources_[s].bytes(), value.byte_size());
      }
      const int64_t example_bytes = split.outer * split.inner_bytes;
      for (int64_t i = 0; i < count; ++i) {
        CopyExamples(split.outer, split.inner_bytes, count, value.bytes(),
                     sources_[s].bytes() + (first + i) * example_bytes, i, /*into_batch=*/true);
      }
      inputs.emplace(absl::StrCat("source", s), std::move(value));
    }
    if (!binding.transform) return std::move(inputs.begin()->second);
    RETURN_IF_ERROR(CheckMemory(ir::InterpreterBytes(*binding.transform),
                                absl::StrCat("the expression of the data of ", input_.name)));
    ASSIGN_OR_RETURN(ir::StepValues computed, ir::Interpret(*binding.transform, inputs));
    CHECK(computed.outputs.size() == 1) << binding.input << ": an expression of " << computed.outputs.size()
                                        << " values";
    ir::Tensor value = std::move(computed.outputs.begin()->second);
    CHECK(value.type() == type) << binding.input << ": the expression gives " << value.type() << " for " << type;
    return value;
  }

  const frontend::ProgramInput& input_;
  const std::string& directory_;
  std::vector<ir::Tensor> sources_;
  const TrainedVocabulary* trained_;  // or null
  absl::optional<Vocabulary> vocabulary_;
  Fit fit_;
};

const frontend::ProgramInput* FindInput(const frontend::Program& program, absl::string_view name) {
  for (const frontend::ProgramInput& input : program.inputs) {
    if (input.name == name) return &input;
  }
  return nullptr;
}

// Adds a column, which must have as many examples as those before it.
absl::Status AddColumn(Dataset& dataset, DataColumn column, int64_t examples, int64_t batch) {
  if (column.sampled) {
    if (dataset.examples != 0 && dataset.examples != examples) {
      return ir::ErrorStatus(ir::ErrorKind::kDataLength, "the data of ", column.input, " have ", examples,
                             " examples, those of other inputs ", dataset.examples);
    }
    dataset.examples = examples;
    dataset.batch = std::max(dataset.batch, batch);
  }
  dataset.columns.push_back(std::move(column));
  return absl::OkStatus();
}

// Inputs that are sampled one example a step and inputs with a batch axis do not go together.
absl::Status CheckOneBatchSize(const Dataset& dataset) {
  for (const DataColumn& column : dataset.columns) {
    const int64_t batch = column.batch_axis >= 0 ? column.type.shape[column.batch_axis] : 1;
    if (column.sampled && batch != dataset.batch) {
      return ir::ErrorStatus(ir::ErrorKind::kDataLength, "the input ", column.input, " takes ", batch, " example",
                             batch == 1 ? "" : "s", " a step, other inputs ", dataset.batch);
    }
  }
  return absl::OkStatus();
}

}  // namespace

int64_t DataColumn::example_bytes() const {
  const Split split = SplitAt(type, batch_axis);
  return split.outer * split.inner_bytes;
}

const DataColumn* Dataset::Find(absl::string_view input) const {
  for (const DataColumn& column : columns) {
    if (column.input == input) return &column;
  }
  return nullptr;
}

int64_t Dataset::bytes() const {
  int64_t sum = 0;
  for (const DataColumn& column : columns) sum += column.values.byte_size();
  return sum;
}

absl::StatusOr<Dataset> LoadDataset(const frontend::Program& program, absl::Span<const frontend::DataBinding> bindings,
                                    const std::string& directory, const BindingsForBatch& for_batch,
                                    const FractionCallback& progress, const TrainedVocabulary* trained) {
  Dataset dataset;
  for (const frontend::DataBinding& binding : bindings) {
    const frontend::ProgramInput* input = FindInput(program, binding.input);
    CHECK(input != nullptr) << "data for " << binding.input << ", which is no input";
    BindingLoader loader(*input, directory, trained);
    RETURN_IF_ERROR(loader.Read(binding));
    ASSIGN_OR_RETURN(DataColumn column, loader.Finish(binding, for_batch, progress));
    RETURN_IF_ERROR(AddColumn(dataset, std::move(column), loader.fit().examples, loader.batch()));
    if (!dataset.vocabulary) dataset.vocabulary = loader.vocabulary();
  }
  RETURN_IF_ERROR(CheckOneBatchSize(dataset));
  if (dataset.examples == 0) dataset.batch = std::max<int64_t>(program.batch, 1);
  return dataset;
}

absl::StatusOr<Dataset> LoadDatasetFromNpz(const frontend::Program& program, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  ASSIGN_OR_RETURN(const auto arrays, ParseNpz(path, bytes));
  Dataset dataset;
  for (const frontend::ProgramInput& input : program.inputs) {
    const auto array = arrays.find(input.name);
    if (array == arrays.end()) {
      if (input.drawn) continue;
      std::vector<std::string> names;
      for (const auto& [name, tensor] : arrays) names.push_back(name);
      std::sort(names.begin(), names.end());
      return ir::ErrorStatus(ir::ErrorKind::kMissingArray, path, ": has no array ", input.name,
                             " for the input of that name; it has ", absl::StrJoin(names, ", "));
    }
    const std::string name = absl::StrCat(path, ":", input.name);
    ASSIGN_OR_RETURN(const Fit fit, FitOf(name, array->second.type(), input));
    ASSIGN_OR_RETURN(ir::Tensor values, ConvertElements(name, array->second, input.type.element));
    const ir::Shape example =
        input.batch_axis >= 0 ? WithoutAxis(input.type.shape, input.batch_axis) : input.type.shape;
    ASSIGN_OR_RETURN(values,
                     Reshaped(name, std::move(values), fit.sampled ? Prepended(fit.examples, example) : example));
    const int64_t batch = input.batch_axis >= 0 ? input.type.shape[input.batch_axis] : 1;
    RETURN_IF_ERROR(AddColumn(dataset,
                              DataColumn{input.name, input.type, input.batch_axis, fit.sampled, std::move(values)},
                              fit.examples, batch));
  }
  RETURN_IF_ERROR(CheckOneBatchSize(dataset));
  return dataset;
}

void GatherExamples(const DataColumn& column, absl::Span<const int64_t> indices, std::byte* to) {
  const Split split = SplitAt(column.type, column.batch_axis);
  const int64_t count = static_cast<int64_t>(indices.size()), bytes = split.outer * split.inner_bytes;
  std::byte* const examples = const_cast<std::byte*>(column.values.bytes());
  for (int64_t i = 0; i < count; ++i) {
    CopyExamples(split.outer, split.inner_bytes, count, to, examples + indices[i] * bytes, i, /*into_batch=*/true);
  }
}

}  // namespace gradus::runtime
