// The grammar as a page, from frontend/grammar.ebnf, and the words of the language, from docs/reference/words.md.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "ir/check.h"
#include "tools/reference.h"

namespace gradus::tools {
namespace {

struct Production {
  std::string name;
  std::string text;     // `name = … ;`, its lines as they are
  std::string section;  // the comment in front of it, where there is one
};

// What each production may look like: statements, items of a recipe, or whole definitions.
constexpr std::pair<absl::string_view, absl::string_view> kExamples[] = {
    {"file", "fn half(x) = x / 2\n\nmodel m {\n  input x : float[2]\n  output y = half(x)\n}"},
    {"definition", "fn half(x) = x / 2"},
    {"import", "import \"layers.gr\""},
    {"model", "model m {\n  input x : float[2]\n  output y = relu(x)\n}"},
    {"function", "fn half(x) = x / 2"},
    {"callable", "fn biased(x, b=1) {\n  y = x + b\n  return y\n}"},
    {"vjp", "fn half(x) = x / 2 vjp(g) { return g / 2 }"},
    {"layer", "layer scaled(n) {\n  param s : float[n] = ones\n  apply(x) = x * s\n}"},
    {"parameters", "fn f(x, slope=0.01) = x * slope"},
    {"block", "fn f(x) { y = x * x; return y }"},
    {"train", "train m(B=4) as small {\n  minimize loss\n  optimizer adam(lr=1e-3)\n  batch B; epochs 5\n}"},
    {"item", "minimize loss wrt fc.*\noptimizer sgd(lr=0.1) for *.b\ndata x = \"x.npy\" / 255\nseed 1"},
    {"metric", "metric acc, ppl = exp(loss)"},
    {"patterns", "minimize loss wrt fc2.*, *.b"},
    {"every", "optimizer sgd(lr=0.1) every 2"},
    {"check", "check m(x=[1, 3]) {\n  y ~ [0.5, 1.5] tol 1e-6\n}"},
    {"expectation", "check m {\n  y ~ 0.5 tol 1e-6\n}"},
    {"graph",
     "graph m.predict numerics 1 {\n  input x : f32[2]  | 2:9\n  y : f32[2] = maximum(x, 0)  | 3:10\n  output y\n}"},
    {"lines", "graph g numerics 1 {\n  input a : f32[2]\n  output a\n}"},
    {"line", "graph g numerics 1 {\n  input a : f32[2]\n  section forward\n  y : f32[2] = a * a  | 3:7\n  output y\n}"},
    {"section", "graph g numerics 1 {\n  section backward\n  output y\n}"},
    {"region", "graph g numerics 1 {\n  y : f32[2] = fused(x, b) { a = x + b; yield maximum(a, 0) }\n}"},
    {"loop",
     "graph g numerics 1 {\n  h : f32 = scan x in xs reverse carry h = h0 capture w { next h = h * w + x }\n  n : f32 "
     "= while "
     "carry n = h until n > 1 { next n = 2 * n }\n}"},
    {"captures", "graph g numerics 1 {\n  ys : f32[8] = scan x in xs capture w, b { yield x * w + b }\n}"},
    {"statement", "dim B = 64, H = 4 * B\nparam w : float[B,H] = he_normal\ny = w @ w.T"},
    {"if", "if H > 64 { y = relu(x) } else if H > 8 { y = tanh(x) } else { y = x }"},
    {"output", "output logits, p = softmax(logits)"},
    {"target", "q, k : float[4], v = split(x, 3)"},
    {"type", "input x : float[B,784]\nstate m : like(x) = zeros"},
    {"element", "input labels : i32[B]"},
    {"expressions", "a, b = b, a"},
    {"expression", "y = a or b"},
    {"conjunction", "y = a and b"},
    {"negation", "y = not a"},
    {"comparison", "y = a + 1 <= b"},
    {"sum", "y = a + b - c"},
    {"product", "y = x @ w * 2 // 3"},
    {"unary", "y = -x"},
    {"power", "y = x ** -2"},
    {"postfix", "y = f(x)[0, :].T"},
    {"primary", "y = [1, 2.5e-3, inf]\nblocks = repeat(3) linear(4, 4)\nsquares = [i * i for i in range(3)]"},
    {"arguments", "y = sum(x, axis=-1, keepdims=true)"},
    {"index", "y = x[..., none, 0:3, -1]"},
    {"scan", "ys, h = scan x in xs axis=1 carry h = h0 { h1 = tanh(x + h); next h = h1; yield h1 }"},
    {"walk",
     "ys = scan a, m in xs, mask axis=1 reverse { yield where(m, a, 0) }\nlast = scan length 8 carry h = h0 { next h = "
     "h / 2 }"},
    {"cond", "y = cond(p) { yield a } else { yield b }"},
    {"while", "h = while carry h = h0 until h > 1 { next h = 2 * h }"},
    {"carries", "h, c = while carry h = h0, c = c0 until c > 3 { next h = 2 * h; next c = c + 1 }"},
};

// The comment at the head, and the productions.
std::pair<std::string, std::vector<Production>> ReadGrammar() {
  std::string head, section;
  std::vector<Production> productions;
  bool comment = false, open = false;
  std::string text;
  for (absl::string_view line : absl::StrSplit(absl::string_view(kGrammarText), '\n')) {
    if (absl::StartsWith(line, "(*")) comment = true;
    if (comment) {
      absl::StrAppend(&text, line, "\n");
      if (!absl::StrContains(line, "*)")) continue;
      comment = false;
      text = absl::StrReplaceAll(text, {{"(* ", ""}, {" *)", ""}, {"\n   ", "\n"}});
      (head.empty() ? head : section) = std::string(absl::StripAsciiWhitespace(text));
      text.clear();
      continue;
    }
    if (line.empty() && !open) continue;
    if (!open) {
      const std::string name(line.substr(0, line.find_first_of(" =")));
      productions.push_back({name, "", std::exchange(section, "")});
    }
    absl::StrAppend(&productions.back().text, line, "\n");
    open = !absl::EndsWith(line, ";");
  }
  return {head, productions};
}

// Rules of the grammar that the text of a production mentions, in a link each; what stands in quotes is no rule.
std::string Linked(const Production& production, const std::vector<Production>& all) {
  std::string out;
  bool quoted = false;
  const std::string& text = production.text;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && absl::ascii_islower(text[end])) ++end;
    if (end == i || quoted) {
      if (text[i] == '"') quoted = !quoted;
      absl::StrAppend(&out, text[i] == '<' ? "&lt;" : text[i] == '>' ? "&gt;" : std::string(1, text[i]));
      ++i;
      continue;
    }
    const std::string word = text.substr(i, end - i);
    const bool rule = std::any_of(all.begin(), all.end(), [&](const Production& p) { return p.name == word; });
    absl::StrAppend(&out, rule && i > 0 ? absl::StrCat("<a href=\"#", word, "\">", word, "</a>") : word);
    i = end;
  }
  return out;
}

// A `### name` of a page, and the `## chapter` that it stands in.
struct Section {
  std::string name, chapter, text;
};

std::vector<Section> SectionsOf(absl::string_view page) {
  std::vector<Section> sections;
  std::string chapter;
  bool inside = false, code = false;
  for (absl::string_view line : absl::StrSplit(page, '\n')) {
    if (absl::StartsWith(line, "```")) code = !code;
    absl::string_view title = line;
    if (!code && absl::ConsumePrefix(&title, "### ")) {
      absl::ConsumePrefix(&title, "`");
      absl::ConsumeSuffix(&title, "`");
      sections.push_back({std::string(title), chapter, ""});
      inside = true;
    } else if (!code && absl::ConsumePrefix(&title, "## ")) {
      chapter = std::string(title);
      inside = false;
    } else if (inside) {
      absl::StrAppend(&sections.back().text, line, "\n");
    }
  }
  return sections;
}

bool Mentions(const Production& production, absl::string_view word) {
  return absl::StrContains(production.text, absl::StrCat("\"", word, "\""));
}

}  // namespace

std::string GrammarPage() {
  const auto [head, productions] = ReadGrammar();
  std::string text = absl::StrCat(
      "# The grammar\n\n"
      "Written from `frontend/grammar.ebnf`, from which a test also generates programs that the parser must accept. "
      "The "
      "[words](words.md) say what each keyword means.\n\n",
      CodeBlock(head));
  for (const Production& production : productions) {
    if (!production.section.empty()) {
      const absl::string_view title = absl::StripSuffix(production.section, ".");
      absl::StrAppend(&text, "## ", title, "\n\n");
    }
    absl::StrAppend(&text, "### ", production.name, "\n\n<pre>\n", Linked(production, productions), "</pre>\n\n");
    const auto example = std::find_if(std::begin(kExamples), std::end(kExamples),
                                      [&](const auto& e) { return e.first == production.name; });
    CHECK(example != std::end(kExamples)) << "no example of " << production.name;
    absl::StrAppend(&text, CodeBlock(example->second));
  }
  return absl::StrCat(absl::StripTrailingAsciiWhitespace(text), "\n");
}

std::string IndexPage(std::vector<Topic> topics) {
  std::stable_sort(topics.begin(), topics.end(), [](const Topic& a, const Topic& b) {
    return absl::AsciiStrToLower(a.name) < absl::AsciiStrToLower(b.name);
  });
  std::string text =
      "# Index\n\nEvery name of the language, the library and the command; `gradus help NAME` prints its section.\n";
  char letter = ' ';
  for (const Topic& topic : topics) {
    if (topic.place.empty()) continue;
    const char first = absl::ascii_toupper(topic.name[0]);
    if (first != letter) absl::StrAppend(&text, "\n## ", std::string(1, first), "\n\n");
    letter = first;
    absl::StrAppend(&text, "- [`", topic.name, "`](", topic.place, "), ", topic.group, "\n");
  }
  return text;
}

std::vector<Topic> WordTopics() {
  std::vector<Topic> topics;
  for (const Section& section : SectionsOf(kWordsText)) {
    std::string rules;
    for (const Production& production : ReadGrammar().second) {
      if (Mentions(production, section.name)) absl::StrAppend(&rules, production.text);
    }
    const std::string whole =
        absl::StrCat(section.text, "\n", rules.empty() ? "" : "In the grammar:\n\n", CodeBlock(rules));
    topics.push_back({section.name, section.chapter, [whole] { return whole; },
                      absl::StrCat("words.md#", absl::AsciiStrToLower(section.name))});
  }
  return topics;
}

std::vector<Topic> ErrorTopics() {
  std::vector<Topic> topics;
  for (const Section& section : SectionsOf(kErrorsText)) {
    topics.push_back({section.name, "Errors, by the kind that ends their message",
                      [text = section.text] { return text; }, absl::StrCat("../errors.md#", section.name)});
  }
  return topics;
}

}  // namespace gradus::tools
