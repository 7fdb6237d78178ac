// What the library says about itself: the comments in front of its functions and layers.
//
// A definition is documented by the comment lines directly above it. Lines of a comment that are indented by three
// blanks are an example: statements of a model whose last one binds what is to be seen.
//
//   # How many cats.
//   #
//   #   input x : float[2] = [1, 2]
//   #   y = cats(x)
//   fn cats(x) = …
#pragma once

#include <string>
#include <vector>

namespace gradus::frontend {

struct LibraryParameter {
  std::string name;
  std::string default_text;  // as written; empty: none
};

struct LibraryDefinition {
  std::string name;
  bool layer = false;
  std::vector<LibraryParameter> parameters;
  std::vector<std::string> apply;  // a layer's: what an instance is called with
  std::string doc;                 // paragraphs, lines joined; empty: nothing is written
  std::string example;             // lines; empty: none
  std::string source;              // as written, without the comment

  std::string Signature() const;  // `leaky_relu(x, slope=0.01)`
};

struct LibraryChapter {
  std::string file;   // `activation`
  std::string title;  // what its head comment says before the first `:` or `.`
  std::string doc;    // all of the head comment
  std::vector<LibraryDefinition> definitions;
};

// Every file of the library, in the order of their names; definitions in text order.
std::vector<LibraryChapter> LibraryChapters();

}  // namespace gradus::frontend
