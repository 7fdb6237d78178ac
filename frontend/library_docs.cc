#include "frontend/library_docs.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "frontend/library.h"
#include "frontend/parser.h"
#include "ir/check.h"

namespace gradus::frontend {
namespace {

struct Comment {
  std::string doc, example;
};

// Of the comment lines `first` to `last` of a file, counted from 1.
Comment Read(const SourceFile& source, int first, int last) {
  Comment comment;
  bool paragraph = false;  // the line before was text
  for (int line = first; line <= last; ++line) {
    absl::string_view text = absl::StripTrailingAsciiWhitespace(source.Line(line));
    absl::ConsumePrefix(&text, "#");
    if (absl::ConsumePrefix(&text, "   ")) {
      absl::StrAppend(&comment.example, text, "\n");
      paragraph = false;
    } else if (text.empty()) {
      paragraph = false;
    } else {
      absl::ConsumePrefix(&text, " ");
      absl::StrAppend(&comment.doc, paragraph ? " " : comment.doc.empty() ? "" : "\n\n", text);
      paragraph = true;
    }
  }
  return comment;
}

bool IsComment(const SourceFile& source, int line) {
  return line >= 1 && line <= source.line_count() && absl::StartsWith(source.Line(line), "#");
}

std::vector<LibraryParameter> Parameters(const std::vector<ast::Parameter>& parameters) {
  std::vector<LibraryParameter> result;
  for (const ast::Parameter& parameter : parameters) {
    result.push_back({parameter.name.text,
                      parameter.default_value ? std::string(parameter.default_value->range.text()) : std::string()});
  }
  return result;
}

LibraryDefinition Document(const SourceFile& source, const ast::Definition& definition) {
  LibraryDefinition result;
  if (const auto* function = definition.As<ast::Function>()) {
    result.name = function->name.text;
    result.parameters = Parameters(function->parameters);
  } else {
    const auto* layer = definition.As<ast::Layer>();
    CHECK(layer != nullptr) << ToString(definition.range) << " is neither a function nor a layer";
    result.layer = true;
    result.name = layer->name.text;
    result.parameters = Parameters(layer->parameters);
    if (layer->apply) {
      for (const ast::Parameter& parameter : layer->apply->parameters) result.apply.push_back(parameter.name.text);
    }
  }
  result.source = std::string(definition.range.text());
  const int line = definition.range.start().line;
  int first = line;
  while (IsComment(source, first - 1)) --first;
  const Comment comment = Read(source, first, line - 1);
  result.doc = comment.doc;
  result.example = comment.example;
  return result;
}

}  // namespace

std::string LibraryDefinition::Signature() const {
  return absl::StrCat(name, "(",
                      absl::StrJoin(parameters, ", ",
                                    [](std::string* out, const LibraryParameter& parameter) {
                                      absl::StrAppend(out, parameter.name, parameter.default_text.empty() ? "" : "=",
                                                      parameter.default_text);
                                    }),
                      ")");
}

std::vector<LibraryChapter> LibraryChapters() {
  std::vector<LibraryChapter> chapters;
  for (const LibraryFile& file : LibraryFiles()) {
    auto source = SourceFile::Create(absl::StrCat(file.name, ".gr"), std::string(file.text));
    CHECK(source.ok()) << file.name;
    const auto tree = Parse(*source);
    CHECK(tree.ok()) << tree.status();
    LibraryChapter chapter;
    chapter.file = std::string(file.name);
    int last = 0;
    while (IsComment(**source, last + 1)) ++last;
    chapter.doc = Read(**source, 1, last).doc;
    chapter.title = chapter.doc.substr(0, chapter.doc.find_first_of(":."));
    for (const ast::Definition& definition : tree->definitions) {
      chapter.definitions.push_back(Document(**source, definition));
    }
    chapters.push_back(std::move(chapter));
  }
  return chapters;
}

}  // namespace gradus::frontend
