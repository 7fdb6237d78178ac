#include "runtime/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace gradus::runtime {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(100);
constexpr int kBarWidth = 24;

}  // namespace

Progress::Progress(bool enabled, std::chrono::milliseconds delay)
    : enabled_(enabled && OnTerminal()), next_(Clock::now() + delay) {}

bool Progress::OnTerminal() {
  const char* term = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && term != nullptr && absl::string_view(term) != "dumb";
}

void Progress::Update(double fraction, absl::string_view text) {
  if (!enabled_ || Clock::now() < next_) return;
  next_ = Clock::now() + kInterval;
  shown_ = true;
  const std::string bar = fraction < 0 ? "" : absl::StrCat(Bar(fraction, kBarWidth), " ");
  const std::string line = absl::StrCat("\r\x1b[K", bar, text);
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

void Progress::Clear() {
  if (!shown_) return;
  shown_ = false;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
}

std::string Bar(double fraction, int width) {
  const int halves = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * width * 2);
  std::string bar;
  for (int i = 0; i < width; ++i) bar += i * 2 + 1 < halves ? "━" : i * 2 < halves ? "╸" : " ";
  return bar;
}

std::string HumanSeconds(double seconds) {
  if (seconds < 0.9995) return absl::StrFormat("%.0f ms", seconds * 1e3);
  if (seconds < 59.95) return absl::StrFormat("%.1f s", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return absl::StrCat(whole / 60, " min ", whole % 60, " s");
  return absl::StrCat(whole / 3600, " h ", whole % 3600 / 60, " min");
}

std::string HumanBytes(int64_t bytes) {
  if (bytes < 10000) return absl::StrCat(Grouped(bytes), " B");
  double value = static_cast<double>(bytes);
  const char* const units[] = {"kB", "MB", "GB", "TB"};
  size_t unit = 0;
  for (value /= 1000; value >= 999.5 && unit + 1 < std::size(units); ++unit) value /= 1000;
  return absl::StrFormat("%.3g %s", value, units[unit]);
}

std::string Grouped(int64_t number) {
  std::string digits = absl::StrCat(number);
  for (int at = static_cast<int>(digits.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

}  // namespace gradus::runtime
