// What stands at the top of a file: models, training recipes, checks, functions, layers, imports and printed graphs.
#include "absl/strings/str_cat.h"
#include "frontend/parser_state.h"

namespace gradus::frontend {

std::vector<ast::Definition> Parser::ParseDefinitions() {
  std::vector<ast::Definition> definitions;
  while (true) {
    Continue();
    if (Peek().kind == TokenKind::kEnd) return definitions;
    if (Accept(";")) continue;
    const SourceRange first = Peek().range;
    if (At("}")) {
      Error(ErrorKind::kStrayBrace, first, "there is no block for this `}` to end");
      Take();
      continue;
    }
    std::optional<ast::Definition::Node> node = ParseDefinition();
    in_graph_ = false;
    if (!node || !EndStatement("a definition")) {
      SkipStatement();
      continue;
    }
    definitions.push_back({Since(first), *std::move(node)});
  }
}

std::optional<ast::Definition::Node> Parser::ParseDefinition() {
  using Node = ast::Definition::Node;
  const absl::string_view word = Peek().kind == TokenKind::kName ? Peek().text : "";
  if (word == "import") {
    Take();
    if (Peek().kind != TokenKind::kString) {
      Expected(ErrorKind::kUnexpectedToken, "the path of a file, in double quotes");
      return std::nullopt;
    }
    const Token path = Take();
    return Node(ast::Import{path.value, path.range});
  }
  if (word == "model") {
    Take();
    std::optional<ast::Identifier> name = DefinedName("the name of a model");
    if (!name) return std::nullopt;
    std::optional<ast::Block> body = ParseBlock("the model");
    if (!body) return std::nullopt;
    return Node(ast::Model{*std::move(name), *std::move(body)});
  }
  if (word == "fn") {
    Take();
    std::optional<ast::Identifier> name = DefinedName("the name of a function");
    if (!name) return std::nullopt;
    std::optional<ast::Function> function = ParseFunction(*std::move(name));
    if (!function) return std::nullopt;
    return Node(*std::move(function));
  }
  if (word == "layer") return ParseLayer();
  if (word == "train") return ParseTrain();
  if (word == "check") return ParseCheck();
  if (word == "graph") return ParseGraph();
  Expected(ErrorKind::kExpectedDefinition, "a definition (model, train, check, fn, layer, graph or import)");
  return std::nullopt;
}

std::optional<ast::Function> Parser::ParseFunction(ast::Identifier name) {
  ast::Function function;
  function.name = std::move(name);
  std::optional<std::vector<ast::Parameter>> parameters = ParseParameters();
  if (!parameters) return std::nullopt;
  function.parameters = *std::move(parameters);
  if (Accept("=")) {
    const SourceRange first = Peek().range;
    std::optional<std::vector<ExpressionPtr>> values = ParseExpressions();
    if (!values) return std::nullopt;
    ast::Statement result{Since(first), ast::Return{*std::move(values)}};
    result.depth = DepthOf(result.node);
    function.body.push_back(std::move(result));
  } else {
    if (!At("{")) {
      Expected(ErrorKind::kUnexpectedToken, "`=` and an expression, or a block");
      return std::nullopt;
    }
    std::optional<ast::Block> body = ParseBlock("the function");
    if (!body) return std::nullopt;
    function.body = *std::move(body);
  }
  // `vjp(…)` begins nothing else, so it may stand on a line of its own.
  const bool continued = std::exchange(continues_, true);
  if (!At("vjp") || PeekAfter(1).text != "(") {
    continues_ = continued;
    return function;
  }
  if (!ParseVjp(function.vjp_parameters, function.vjp)) return std::nullopt;
  return function;
}

bool Parser::ParseVjp(std::vector<ast::Parameter>& parameters, std::optional<ast::Block>& body) {
  Take();
  std::optional<std::vector<ast::Parameter>> list = ParseParameters();
  if (!list) return false;
  parameters = *std::move(list);
  body = ParseBlock("the gradient rule");
  return body.has_value();
}

std::optional<ast::Definition::Node> Parser::ParseLayer() {
  Take();
  ast::Layer layer;
  std::optional<ast::Identifier> name = DefinedName("the name of a layer");
  if (!name) return std::nullopt;
  layer.name = *std::move(name);
  std::optional<std::vector<ast::Parameter>> parameters = ParseParameters();
  if (!parameters) return std::nullopt;
  layer.parameters = *std::move(parameters);
  const Nesting nesting(*this);
  if (!nesting.ok() || !Expect("{", "to begin the layer")) return std::nullopt;
  ParseItems([&] {
    if (At("apply") && PeekAfter(1).text == "(") {
      const Token word = Take();
      if (layer.apply)
        Error(ErrorKind::kApplyTwice, word.range, "a layer has one apply")
            .Note("the first stands", layer.apply->name.range);
      std::optional<ast::Function> apply = ParseFunction({"apply", word.range});
      if (!apply) return false;
      layer.apply = *std::move(apply);
      return EndStatement("apply");
    }
    if (AtDims()) return ParseDims(layer.members);
    std::optional<ast::Statement> statement = ParseStatement();
    if (!statement) return false;
    layer.members.push_back(*std::move(statement));
    return true;
  });
  return ast::Definition::Node(std::move(layer));
}

std::optional<ast::Definition::Node> Parser::ParseTrain() {
  Take();
  ast::Train train;
  std::optional<ast::Identifier> model = MentionedName("the name of a model");
  if (!model) return std::nullopt;
  train.model = *std::move(model);
  if (At("(")) {
    std::optional<std::vector<ast::Argument>> dims = ParseArguments();
    if (!dims) return std::nullopt;
    train.dims = *std::move(dims);
  }
  if (Accept("as")) {
    std::optional<ast::Identifier> name = DefinedName("a name for the trained model");
    if (!name) return std::nullopt;
    train.name = *std::move(name);
  }
  if (!Expect("{", "to begin the recipe")) return std::nullopt;
  ParseItems([&] { return ParseTrainItem(train.items) && EndStatement("a line of the recipe"); });
  return ast::Definition::Node(std::move(train));
}

bool Parser::ParseEvery(ExpressionPtr& every) {
  if (!Accept("every")) return true;
  every = ParseExpression();
  return every != nullptr;
}

std::optional<std::vector<ast::Pattern>> Parser::ParsePatterns() {
  std::vector<ast::Pattern> patterns;
  do {
    // Tokens without a blank between them: `fc2.*`, `*.b`, `blocks.*.ln1.*`.
    SourceRange range = Peek().range;
    for (bool first = true;; first = false) {
      const Token& next = Peek();
      const bool piece = next.kind == TokenKind::kName || At("*") || At(".") || At("**");
      if (!piece || (!first && next.range.begin != range.end)) {
        if (!first) break;
        Expected(ErrorKind::kUnexpectedToken, "names of parameters, such as fc2.* or *.b");
        return std::nullopt;
      }
      range = range.To(Take().range);
    }
    patterns.push_back({std::string(range.text()), range});
  } while (Accept(","));
  return patterns;
}

bool Parser::ParseTrainItem(std::vector<ast::TrainItem>& items) {
  using ast::SettingKind;
  constexpr std::pair<absl::string_view, SettingKind> kSettings[] = {
      {"batch", SettingKind::kBatch}, {"epochs", SettingKind::kEpochs},         {"steps", SettingKind::kSteps},
      {"seed", SettingKind::kSeed},   {"accumulate", SettingKind::kAccumulate}, {"clip", SettingKind::kClip},
      {"ema", SettingKind::kEma},
  };
  const SourceRange first = Peek().range;
  auto add = [&](ast::TrainItem::Node node) { items.push_back({Since(first), std::move(node)}); };
  const std::string word(Peek().kind == TokenKind::kName ? Peek().text : "");
  if (word == "minimize") {
    Take();
    ast::Minimize minimize;
    if (!(minimize.value = ParseExpression())) return false;
    if (Accept("wrt")) {
      std::optional<std::vector<ast::Pattern>> wrt = ParsePatterns();
      if (!wrt) return false;
      minimize.wrt = *std::move(wrt);
    }
    if (!ParseEvery(minimize.every)) return false;
    add(std::move(minimize));
    return true;
  }
  if (word == "optimizer") {
    Take();
    ast::Optimizer optimizer;
    if (!(optimizer.value = ParseExpression())) return false;
    if (Accept("for")) {
      std::optional<std::vector<ast::Pattern>> parameters = ParsePatterns();
      if (!parameters) return false;
      optimizer.parameters = *std::move(parameters);
    }
    if (!ParseEvery(optimizer.every)) return false;
    add(std::move(optimizer));
    return true;
  }
  if (word == "metric" || word == "data" || word == "validate") {
    Take();
    do {
      std::optional<ast::Identifier> name =
          MentionedName(word == "metric" ? "the name of a metric" : "the name of an input");
      if (!name) return false;
      ExpressionPtr value;
      if (word == "metric" ? Accept("=") : Expect("=", "and where the input comes from")) {
        if (!(value = ParseExpression())) return false;
      } else if (word != "metric") {
        return false;
      }
      if (word == "metric") {
        add(ast::Metric{*std::move(name), std::move(value)});
      } else {
        add(ast::Data{word == "validate", *std::move(name), std::move(value)});
      }
    } while (Accept(","));
    return true;
  }
  for (const auto& [name, kind] : kSettings) {
    if (word != name) continue;
    Take();
    ExpressionPtr value = ParseExpression();
    if (!value) return false;
    add(ast::Setting{kind, std::move(value)});
    return true;
  }
  Expected(
      ErrorKind::kExpectedRecipeLine,
      "a line of the recipe (minimize, optimizer, metric, data, validate, batch, epochs, steps, seed, accumulate, clip "
      "or ema)");
  return false;
}

std::optional<ast::Definition::Node> Parser::ParseCheck() {
  Take();
  ast::Check check;
  std::optional<ast::Identifier> model = MentionedName("the name of a model");
  if (!model) return std::nullopt;
  check.model = *std::move(model);
  if (At("(")) {
    std::optional<std::vector<ast::Argument>> arguments = ParseArguments();
    if (!arguments) return std::nullopt;
    check.arguments = *std::move(arguments);
  }
  if (!Expect("{", "to begin what is expected")) return std::nullopt;
  ParseItems([&] {
    const SourceRange first = Peek().range;
    ast::Expectation expectation;
    if (!(expectation.value = ParseExpression()) || !Expect("~", "and the expected value")) return false;
    Continue();
    if (!(expectation.expected = ParseExpression())) return false;
    if (Accept("tol") && !(expectation.tolerance = ParseExpression())) return false;
    expectation.range = Since(first);
    check.expectations.push_back(std::move(expectation));
    return EndStatement("an expectation");
  });
  return ast::Definition::Node(std::move(check));
}

std::optional<ast::Definition::Node> Parser::ParseGraph() {
  Take();
  in_graph_ = true;
  ast::Graph graph;
  std::optional<ast::Identifier> name = DefinedName("the name of a graph");
  if (!name) return std::nullopt;
  graph.name = *std::move(name);
  while (!At("{")) {
    const bool before_block = std::exchange(before_block_, true);
    ExpressionPtr word = ParsePostfix();
    before_block_ = before_block;
    if (!word) return std::nullopt;
    graph.header.push_back(std::move(word));
  }
  std::optional<ast::Block> body = ParseBlock("the graph");
  if (!body) return std::nullopt;
  graph.body = *std::move(body);
  return ast::Definition::Node(std::move(graph));
}

}  // namespace gradus::frontend
