// Collects what is wrong with a program and renders it for the person who wrote it:
//
//   mlp.gr:12:14: error: cannot multiply f32[64,256] by f32[10,256]: inner sizes 256 and 10 differ [inner-sizes-differ]
//      12 |   logits = h @ w2
//         |              ^
//      h  : f32[64,256]   defined at 11:3
//      w2 : f32[10,256]   defined at 7:3
//      help: w2 transposed would fit: h @ w2.T
//
// from
//
//   diagnostics.Error(ErrorKind::kInnerSizesDiffer, operator_range, "cannot multiply …")
//       .Defined("h", "f32[64,256]", h_range).Defined("w2", "f32[10,256]", w2_range)
//       .Help("w2 transposed would fit: h @ w2.T");
//
// Errors are reported sorted by place, each once, the first kMaxReportedErrors of them.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "frontend/source.h"
#include "ir/error.h"

namespace gradus::frontend {

using ir::ErrorKind;

inline constexpr size_t kMaxReportedErrors = 20;

// One error. The methods add lines to it and return it, so that a report reads as one expression.
class Diagnostic {
 public:
  Diagnostic(SourceRange where, std::string message, absl::string_view severity = "error")
      : where_(where), message_(std::move(message)), severity_(severity) {}

  // Underlines one more range of the same line.
  Diagnostic& At(SourceRange also);
  // `name : type   defined at 11:3`; the place gets its file's name where that is another file.
  Diagnostic& Defined(std::string name, std::string type, SourceRange where);
  // `note: in linear, called at mlp.gr:9:12` (the place is added where it is given).
  Diagnostic& Note(std::string text);
  Diagnostic& Note(std::string text, SourceRange where);
  // `help: …`, the likely fix.
  Diagnostic& Help(std::string text);

  // To another place.
  Diagnostic& MoveTo(SourceRange where) {
    where_ = where;
    return *this;
  }

  SourceRange where() const { return where_; }
  const std::string& message() const { return message_; }
  // All lines, each ended by a newline.
  std::string Render() const;

 private:
  struct Definition {
    std::string name;
    std::string type;
    SourceRange where;
  };

  SourceRange where_;
  std::string message_;
  absl::string_view severity_;
  std::vector<SourceRange> also_;
  std::vector<Definition> definitions_;
  std::vector<std::string> notes_;
  std::vector<std::string> helps_;
};

class Diagnostics {
 public:
  // The reference stays valid for the life of *this.
  Diagnostic& Error(ErrorKind kind, SourceRange where, absl::string_view message) {
    return Take(where, ir::WithKind(kind, message));
  }
  // A failure of another layer, which names its kind itself.
  Diagnostic& Error(SourceRange where, const absl::Status& status) {
    return Take(where, std::string(status.message()));
  }
  // What is no error and most likely a mistake; it is rendered apart.
  Diagnostic& Warn(ErrorKind kind, SourceRange where, absl::string_view message);
  std::string RenderWarnings() const;
  // The text of a failure, its kind behind it.
  Diagnostic& Take(SourceRange where, std::string text) {
    Diagnostic& error = errors_.emplace_back(where, std::move(text));
    if (adjust_) adjust_(error);
    return error;
  }
  // From now on every error goes through `adjust` first: whoever evaluates functions moves an error to the call that
  // led there. Returns what was set before.
  using Adjust = std::function<void(Diagnostic&)>;
  Adjust SetAdjust(Adjust adjust) { return std::exchange(adjust_, std::move(adjust)); }
  // Takes over the rendered message of a failure that has no place of its own, such as that of an imported file.
  void Append(const absl::Status& status);

  bool ok() const { return errors_.empty() && appended_.empty(); }
  size_t size() const { return errors_.size() + appended_.size(); }
  const std::deque<Diagnostic>& errors() const { return errors_; }

  std::string Render() const;
  // OK, or InvalidArgument with the whole rendered text.
  absl::Status ToStatus() const;

 private:
  Adjust adjust_;
  std::deque<Diagnostic> errors_, warnings_;
  std::vector<std::string> appended_;
};

}  // namespace gradus::frontend
