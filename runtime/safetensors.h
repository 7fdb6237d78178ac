// Safetensors, the files in which parameters are saved and loaded: https://huggingface.co/docs/safetensors.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ir/tensor.h"

namespace gradus::runtime {

struct SavedTensors {
  std::map<std::string, ir::Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Every tensor of the file. Offsets must tile the data exactly: no hole, no overlap, nothing after the end.
absl::StatusOr<SavedTensors> ParseSafetensors(absl::string_view name, absl::string_view bytes);

// Writes all of them, sorted by name, all or nothing (runtime/file.h). NaNs are written as one value.
absl::Status WriteSafetensors(const std::string& path, const SavedTensors& content);

}  // namespace gradus::runtime
