// The compiled loop makes no system call: in the longest silence of the trace of a measurement, all its steps run.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

using SystemCallsTest = CommandTest;

// The longest time in seconds from the end of one system call to the begin of the next, in what `strace -f -ttt -T`
// printed from the first line on that holds `marker`. Lines are `4711 1700000000.123456 read(3, …) = 8 <0.000004>`.
double LongestSilence(const std::string& trace, const std::string& marker) {
  std::istringstream lines(trace);
  double longest = 0, end = 0;
  bool marked = false;
  for (std::string line; std::getline(lines, line);) {
    marked = marked || line.find(marker) != std::string::npos;
    double begin = 0, duration = 0;
    const size_t last = line.rfind('<');
    if (!marked || last == std::string::npos || sscanf(line.c_str(), "%*d %lf", &begin) != 1) continue;
    if (sscanf(line.c_str() + last, "<%lf>", &duration) != 1) continue;
    if (end > 0) longest = std::max(longest, begin - end);
    end = begin + duration;
  }
  return longest;
}

TEST_F(SystemCallsTest, ACallThatWaitsIsNoSilence) {
  const std::string trace =
      "7 1.0 brk(0) = 0 <0.5>\n7 10.5 read(3, \"mark\", 8) = 4 <0.25>\n7 11.0 nanosleep() = 0 <5.0>\n"
      "7 16.125 close(3) = 0 <0.125>\n7 16.25 +++ exited with 0 +++\n";
  EXPECT_NEAR(LongestSilence(trace, "mark"), 0.25, 1e-6);
  EXPECT_NEAR(LongestSilence(trace, "brk"), 9, 1e-6);
}

TEST_F(SystemCallsTest, AMeasurementOfStepsIsOneLongSilence) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizers make calls of their own";
#endif
  if (Shell("strace -o calls true").code != 0) GTEST_SKIP() << "strace is not here, or may not trace";
  const CommandResult result =
      Shell(absl::StrCat("strace -f -qq -ttt -T -o calls ", GRADUS_BINARY_DIR, "/gradus bench ", Example("tiny1.gr"),
                         " --data ", GRADUS_SOURCE_DIR, "/tests/tools/peers/tiny1.data.npz --threads 1 --json"));
  ASSERT_EQ(result.code, 0) << result.error;
  // Just after the first loss the process asks when it was started.
  const double silence = LongestSilence(Slurp(Path("calls")), "\"/proc/self/stat\"");
  const double steps_per_second = nlohmann::json::parse(result.out)["steps_per_s"];
  EXPECT_GT(silence * steps_per_second, 100000) << silence << " s of silence, " << steps_per_second << " steps/s";
}

}  // namespace
}  // namespace gradus::tools
