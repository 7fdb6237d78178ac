#include "runtime/machine.h"

#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace gradus::runtime {
namespace {

// A small file of /proc or /sys; empty where it cannot be read.
std::string ReadSmall(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  if (in) out << in.rdbuf();
  return out.str();
}

// The folders of this process's cgroup (v2) and of all that contain it, or the ones of a v1 controller.
std::vector<std::string> ControlGroups(absl::string_view controller) {
  const std::string membership = ReadSmall("/proc/self/cgroup");
  std::vector<std::string> folders;
  for (const absl::string_view line : absl::StrSplit(membership, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<absl::string_view> controllers = absl::StrSplit(parts[1], ',');
    const bool unified = parts[1].empty();
    if (!unified && std::find(controllers.begin(), controllers.end(), controller) == controllers.end()) continue;
    const std::string root = unified ? "/sys/fs/cgroup" : absl::StrCat("/sys/fs/cgroup/", controller);
    std::string path(parts[2] == "/" ? "" : parts[2]);
    for (;;) {
      folders.push_back(root + path);
      if (path.empty()) break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
  return folders;
}

absl::optional<int64_t> ReadNumber(const std::string& path) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(ReadSmall(path), &value)) return absl::nullopt;
  return value;
}

// The value of `key` in a file of lines `key value [unit]`, in the file's own unit.
absl::optional<int64_t> ReadKey(const std::string& path, absl::string_view key) {
  const std::string text = ReadSmall(path);
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, key)) continue;
    const std::vector<absl::string_view> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    int64_t value = 0;
    if (!words.empty() && absl::SimpleAtoi(words[0], &value)) return value;
  }
  return absl::nullopt;
}

double CpuQuota() {
  double quota = HUGE_VAL;
  for (const std::string& folder : ControlGroups("cpu")) {
    if (const auto cpus = ParseCpuMax(ReadSmall(folder + "/cpu.max"))) quota = std::min(quota, *cpus);
    const auto v1_quota = ReadNumber(folder + "/cpu.cfs_quota_us"),
               v1_period = ReadNumber(folder + "/cpu.cfs_period_us");
    if (v1_quota && v1_period && *v1_quota > 0 && *v1_period > 0) {
      quota = std::min(quota, static_cast<double>(*v1_quota) / static_cast<double>(*v1_period));
    }
  }
  return quota;
}

void Lower(absl::optional<MemoryLimit>& limit, int64_t bytes, absl::string_view what) {
  bytes = std::max<int64_t>(bytes, 0);
  if (!limit || bytes < limit->bytes) limit = MemoryLimit{bytes, std::string(what)};
}

}  // namespace

absl::optional<double> ParseCpuMax(absl::string_view text) {
  const std::vector<absl::string_view> words = absl::StrSplit(absl::StripSuffix(text, "\n"), ' ');
  double quota = 0, period = 0;
  if (words.size() != 2 || !absl::SimpleAtod(words[0], &quota) || !absl::SimpleAtod(words[1], &period))
    return absl::nullopt;
  if (!(quota > 0) || !(period > 0)) return absl::nullopt;
  return quota / period;
}

int64_t UsableProcessors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return std::max<int64_t>(sysconf(_SC_NPROCESSORS_ONLN), 1);
  return std::max(CPU_COUNT(&set), 1);
}

int64_t UsableThreads() {
  const double processors = static_cast<double>(UsableProcessors());
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(std::min(processors, CpuQuota()))));
}

absl::optional<MemoryLimit> AvailableMemory() {
  absl::optional<MemoryLimit> limit;
  if (const auto kilobytes = ReadKey("/proc/meminfo", "MemAvailable:"))
    Lower(limit, *kilobytes << 10, "the memory available");
  for (const std::string& folder : ControlGroups("memory")) {
    constexpr absl::string_view kWhat = "what is left of the control group's memory";
    const auto max = ReadNumber(folder + "/memory.max"), current = ReadNumber(folder + "/memory.current");
    // Cached files count as used and are given up on demand.
    const int64_t cache = ReadKey(folder + "/memory.stat", "inactive_file ").value_or(0);
    if (max && current) Lower(limit, *max - (*current - cache), kWhat);
    const auto v1_max = ReadNumber(folder + "/memory.limit_in_bytes"),
               v1_current = ReadNumber(folder + "/memory.usage_in_bytes");
    if (v1_max && v1_current) Lower(limit, *v1_max - (*v1_current - cache), kWhat);
  }
  struct rlimit address_space;
  if (getrlimit(RLIMIT_AS, &address_space) == 0 && address_space.rlim_cur != RLIM_INFINITY) {
    const int64_t used = ReadKey("/proc/self/status", "VmSize:").value_or(0) << 10;
    Lower(limit, static_cast<int64_t>(address_space.rlim_cur) - used, "what is left of the address space (ulimit -v)");
  }
  return limit;
}

int64_t PeakResidentBytes() { return ReadKey("/proc/self/status", "VmHWM:").value_or(0) << 10; }

double SecondsSinceProcessStart() {
  // The 22nd field of /proc/self/stat: start in clock ticks after boot; the command before it may hold blanks.
  const std::string stat = ReadSmall("/proc/self/stat");
  const size_t end = stat.rfind(')');
  if (end == std::string::npos) return -1;
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(stat).substr(end + 1), ' ', absl::SkipEmpty());
  int64_t ticks = 0;
  struct timespec now;
  if (fields.size() < 20 || !absl::SimpleAtoi(fields[19], &ticks) || clock_gettime(CLOCK_BOOTTIME, &now) != 0)
    return -1;
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec) -
         static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace gradus::runtime
