// CHECK, for our own bugs: what a user can cause is an absl::Status and never reaches one.
#pragma once

#include <cstdlib>
#include <iostream>
#include <sstream>

namespace gradus::ir {

// Collects the message of a failed CHECK and ends the program when the statement ends.
class CheckFailure {
 public:
  CheckFailure(const char* condition, const char* file, int line) {
    stream_ << file << ":" << line << ": internal error: CHECK(" << condition << ") failed ";
  }
  CheckFailure(const CheckFailure&) = delete;
  CheckFailure& operator=(const CheckFailure&) = delete;
  [[noreturn]] ~CheckFailure() {
    std::cerr << stream_.str() << std::endl;
    std::abort();
  }
  std::ostream& stream() { return stream_; }

 private:
  std::ostringstream stream_;
};

}  // namespace gradus::ir

#define CHECK(condition)      \
  if (condition) [[likely]] { \
  } else                      \
    ::gradus::ir::CheckFailure(#condition, __FILE__, __LINE__).stream()

// Returns the error of a Status expression to the caller.
#define RETURN_IF_ERROR(expression)                              \
  do {                                                           \
    absl::Status status_of_expression = (expression);            \
    if (!status_of_expression.ok()) return status_of_expression; \
  } while (false)

#define GRADUS_CONCATENATE_(a, b) a##b
#define GRADUS_CONCATENATE(a, b) GRADUS_CONCATENATE_(a, b)

// ASSIGN_OR_RETURN(auto x, F()) declares x from a StatusOr, or returns its error to the caller.
#define ASSIGN_OR_RETURN(declaration, expression) \
  ASSIGN_OR_RETURN_(GRADUS_CONCATENATE(status_or_, __LINE__), declaration, expression)
#define ASSIGN_OR_RETURN_(holder, declaration, expression) \
  auto holder = (expression);                              \
  if (!holder.ok()) return holder.status();                \
  declaration = *std::move(holder)
