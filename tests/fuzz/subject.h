// What the fuzzers hold about any text, and what the test of their corpus holds about what they once found.
//
// Each function runs the compiler on the bytes and calls Fail, which ends the program, where a promise is broken: a
// crash and a hang are what the fuzzer sees itself; an internal message, a text that does not come back from its print,
// two ways to run it that differ in a bit, are seen here. Work is bounded by the size of the text and of the graphs, so
// that a run takes milliseconds.
#pragma once

#include "absl/strings/string_view.h"

namespace gradus::testing_support {

inline constexpr size_t kMaxFuzzedBytes = 8192;  // longer texts are left alone

// Any bytes: lexer, parser, layout. Layout is stable and keeps the tree; a printed graph among them reads, prints, and
// reads again.
void FuzzParser(absl::string_view bytes);

// Any bytes as a program: lowered, every entry verified, through every pass (its text reparsed before each), planned,
// and where it is small, a few steps by the interpreter and, for some, by native code, bit for bit.
void FuzzProgram(absl::string_view bytes);

}  // namespace gradus::testing_support
