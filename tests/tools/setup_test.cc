// script/setup on machines that lack something; dpkg and apt are puppets.
#include <gmock/gmock.h>

#include "tests/tools/command.h"

namespace gradus::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class SetupTest : public CommandTest {
 protected:
  // What apt-get is called for stands in `calls`. `installed` and `available`: patterns of `case`.
  CommandResult Setup(const std::string& installed, const std::string& available, const std::string& apt = "exit 0") {
    Shell("mkdir -p bin && rm -rf cache calls && touch calls");
    Tool("dpkg-query", absl::StrCat("case ${@: -1} in ", installed, ") echo install ok installed;; *) exit 1;; esac"));
    Tool("apt-cache", absl::StrCat("case $2 in ", available,
                                   ") echo '  Candidate: 1.0';; *) echo '  Candidate: (none)';;", " esac"));
    Tool("apt-get", absl::StrCat("echo \"$@\" >>", Path("calls"), "\n", apt));
    Tool("sudo", "exec \"$@\"");
    return Again();
  }
  CommandResult Again() {
    CommandResult result = Shell(absl::StrCat("PATH=", folder_, "bin:$PATH XDG_CACHE_HOME=", folder_, "cache ",
                                              GRADUS_SOURCE_DIR, "/script/setup"));
    calls_ = Slurp(Path("calls"));
    return result;
  }
  std::string calls_;

 private:
  void Tool(const std::string& name, const std::string& body) {
    Write("bin/" + name, "#!/usr/bin/env bash\n" + body + "\n");
    Shell("chmod +x bin/" + name);
  }
};

TEST_F(SetupTest, ABareMachineGetsAllOfItWithTheNewestLlvm) {
  EXPECT_EQ(Setup("nothing", "*").code, 0);
  EXPECT_THAT(calls_, AllOf(HasSubstr("update"), HasSubstr(" llvm-22-dev "), HasSubstr(" libabsl-dev "),
                            HasSubstr(" strace "), Not(HasSubstr("llvm-19"))));
}

TEST_F(SetupTest, WhereThereIsNoLlvm22AnOlderOneIsTaken) {
  EXPECT_EQ(Setup("nothing", "llvm-2*|mold) echo '  Candidate: (none)';; *").code, 0);
  EXPECT_THAT(calls_, AllOf(HasSubstr(" llvm-19-dev "), Not(HasSubstr("llvm-22")), Not(HasSubstr("mold"))));
  const CommandResult none = Setup("nothing", "llvm-*) echo '  Candidate: (none)';; *");
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.error, HasSubstr("no llvm-22-dev and none down to llvm-19-dev"));
}

TEST_F(SetupTest, WhereAllOfItIsThereNothingIsSaidOrAsked) {
  const CommandResult result = Setup("*", "*");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out + result.error + calls_, "");
}

TEST_F(SetupTest, WhatIsOnlyHelpfulIsAskedForOnceAndNeverInTheWay) {
  const CommandResult result = Setup("mold|strace) exit 1;; *", "*", "exit 100");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.error, HasSubstr("going on without mold strace"));
  EXPECT_EQ(Again().error, "");
  EXPECT_EQ(calls_, "update\n");
}

TEST_F(SetupTest, WhatIsRequiredAndCannotBeInstalledIsAnError) {
  const CommandResult result = Setup("ninja-build) exit 1;; *", "*", "[ $1 = update ]");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.error, HasSubstr("apt-get install -y --no-install-recommends ninja-build"));
}

}  // namespace
}  // namespace gradus::tools
