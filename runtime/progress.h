// Progress on a terminal: one line on standard error, rewritten in place; nothing where that is no terminal.
#pragma once

#include <chrono>
#include <string>

#include "absl/strings/string_view.h"

namespace gradus::runtime {

class Progress {
 public:
  // Shows nothing before `delay` has passed: what is over sooner needs no progress.
  explicit Progress(bool enabled, std::chrono::milliseconds delay = std::chrono::milliseconds(0));
  ~Progress() { Clear(); }

  // Whether a terminal is there to show it.
  static bool OnTerminal();

  // Rewrites the line at most ten times a second: a bar, then `text`. A negative fraction shows no bar.
  void Update(double fraction, absl::string_view text);
  // Removes the line, so that something else can be printed.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool enabled_;
  bool shown_ = false;
  Clock::time_point next_;
};

// The bar alone: `━━━━━━╸     ` of `width` columns.
std::string Bar(double fraction, int width);

// `1.2 s`, `3 min 20 s`, `15 ms`.
std::string HumanSeconds(double seconds);
// `4.2 MB`, of powers of 1000 as memory is sold; exact below 10,000 bytes.
std::string HumanBytes(int64_t bytes);
// `12,345`.
std::string Grouped(int64_t number);

}  // namespace gradus::runtime
