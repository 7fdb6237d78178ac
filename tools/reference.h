// The reference: one topic for every name that a program or the command line can hold. The pages under docs/ and
// `gradus help NAME` are the same topics, the one as Markdown, the other on a terminal.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "tools/plot.h"

namespace gradus::tools {

struct Topic {
  std::string name;                                      // `relu`
  std::string group;                                     // `Activations`
  std::function<std::string()> text;                     // Markdown without a heading; computed when it is wanted
  std::string place = "";                                // from docs/reference: `library.md#relu`; empty: on no page
  std::string symbol = "";                               // another way to ask for it: `+`
  std::function<absl::optional<Plot>()> plot = nullptr;  // nothing where a function is no curve
};

std::vector<Topic> OperationTopics();
std::vector<Topic> LibraryTopics();
std::vector<Topic> ErrorTopics();  // the kinds of errors, from docs/errors.md
std::vector<Topic> WordTopics();   // the sections of docs/reference/words.md

// The pages of docs/, by the name that `gradus help --page` takes.
std::string OperationsPage();                      // docs/ops.md
std::string LibraryPage();                         // docs/reference/library.md
std::string GrammarPage();                         // docs/reference/grammar.md
std::string IndexPage(std::vector<Topic> topics);  // docs/reference/index.md: all names, in the order of the alphabet

// frontend/grammar.ebnf, docs/reference/words.md and docs/errors.md, as they were when the command was built.
extern const char kGrammarText[];
extern const char kWordsText[];
extern const char kErrorsText[];

// ```code```, as a Markdown block; nothing for an empty text.
std::string CodeBlock(absl::string_view code);

}  // namespace gradus::tools
