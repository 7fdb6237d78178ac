#include "tests/differential/forked.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ir/check.h"

namespace gradus::testing_support {
namespace {

struct Child {
  pid_t process = -1;
  int pipe = -1;
  std::string text;  // received and not yet understood
  uint64_t number = 0;
};

Child Start(const std::function<void(int pipe)>& body) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  Child child;
  child.process = fork();
  CHECK(child.process >= 0);
  if (child.process == 0) {
    close(ends[0]);
    body(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  child.pipe = ends[0];
  return child;
}

void WriteAll(int pipe, const std::string& text) {
  size_t written = 0;
  while (written < text.size()) {
    const ssize_t n = write(pipe, text.data() + written, text.size() - written);
    if (n <= 0) _exit(1);
    written += static_cast<size_t>(n);
  }
}

// Appends what is there; false at the end.
bool Receive(Child& child) {
  char buffer[4096];
  const ssize_t n = read(child.pipe, buffer, sizeof(buffer));
  if (n > 0) child.text.append(buffer, static_cast<size_t>(n));
  return n > 0;
}

// Empty for a child that ended by itself.
std::string End(Child& child) {
  close(child.pipe);
  int status = 0;
  waitpid(child.process, &status, 0);
  if (WIFSIGNALED(status)) return absl::StrCat("died: ", strsignal(WTERMSIG(status)));
  return WEXITSTATUS(status) == 0 ? "" : absl::StrCat("died: exit ", WEXITSTATUS(status));
}

}  // namespace

std::string InChild(const std::function<std::string()>& work) {
  Child child = Start([&](int pipe) { WriteAll(pipe, work()); });
  while (Receive(child)) {
  }
  const std::string death = End(child);
  return death.empty() ? child.text : death;
}

std::map<uint64_t, std::string> InChildren(uint64_t first, uint64_t last, int processes, size_t enough,
                                           const std::function<std::string(uint64_t)>& work) {
  std::map<uint64_t, std::string> answers;
  const uint64_t stride = static_cast<uint64_t>(processes);
  // A child takes every stride-th number and sends, for each, the length of its answer and the answer.
  const auto start = [&](uint64_t from) {
    Child child = Start([&](int pipe) {
      for (uint64_t number = from; number < last; number += stride) {
        const std::string answer = work(number);
        WriteAll(pipe, absl::StrCat(answer.size(), " ", answer));
      }
    });
    child.number = from;
    return child;
  };
  std::vector<Child> children;
  for (uint64_t i = 0; i < stride && first + i < last; ++i) children.push_back(start(first + i));
  while (!children.empty()) {
    std::vector<pollfd> waiting;
    for (const Child& child : children) waiting.push_back({child.pipe, POLLIN, 0});
    poll(waiting.data(), waiting.size(), -1);
    for (size_t i = children.size(); i-- > 0;) {
      if (waiting[i].revents == 0) continue;
      Child& child = children[i];
      const bool alive = Receive(child);
      for (size_t space = child.text.find(' '); space != std::string::npos; space = child.text.find(' ')) {
        const size_t length = std::stoul(child.text.substr(0, space));
        if (child.text.size() < space + 1 + length) break;
        if (length > 0) answers[child.number] = child.text.substr(space + 1, length);
        child.text.erase(0, space + 1 + length);
        child.number += stride;
      }
      if (alive) continue;
      const std::string death = End(child);
      if (!death.empty()) answers[child.number] = death;
      if (!death.empty() && child.number + stride < last && answers.size() < enough) {
        child = start(child.number + stride);
      } else {
        children.erase(children.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    if (answers.size() >= enough) {
      for (Child& child : children) {
        kill(child.process, SIGKILL);
        End(child);
      }
      break;
    }
  }
  return answers;
}

}  // namespace gradus::testing_support
