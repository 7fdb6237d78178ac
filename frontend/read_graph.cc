#include "frontend/read_graph.h"

#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "frontend/format.h"
#include "frontend/graph_reader.h"
#include "frontend/literal.h"
#include "frontend/parser.h"
#include "ir/check.h"
#include "ir/error.h"
#include "ir/infer.h"
#include "ir/verifier.h"

namespace gradus::frontend {

ir::Note NoteOf(const std::optional<ast::Note>& note) {
  if (!note) return {};
  return {note->of, note->file, note->line, note->column, {}};
}

GraphReader::GraphReader(ir::Graph& graph, Diagnostics& diagnostics)
    : graph_(graph),
      diagnostics_(diagnostics),
      body_(graph.body),
      scope_(&body_),
      expressions_(body_.builder, diagnostics, [this](const ir::Value* value) {
        const auto found = places_.find(value);
        return found == places_.end() ? SourceRange() : found->second;
      }) {}

bool GraphReader::Refuse(SourceRange where, absl::string_view what) {
  diagnostics_.Error(ErrorKind::kNotThereYet, where, absl::StrCat(what, " is not supported yet"));
  return false;
}

void GraphReader::Read(const ast::Graph& ast) {
  graph_.name = ast.name.text;
  ReadHeader(ast);
  for (const ast::Statement& s : ast.body) {
    if (const auto* assignment = s.As<ast::Assignment>()) {
      for (const ast::Target& target : assignment->targets) later_.emplace(target.name.text, target.name.range);
    }
  }
  for (const ast::Statement& s : ast.body) ReadStatement(s);
  if (!diagnostics_.ok()) return;
  ir::NameUnnamed(graph_);
  const absl::Status verified = ir::Verify(graph_);
  if (!verified.ok()) diagnostics_.Error(ast.name.range, verified);
}

// numerics 1 [frozen] [target avx512 l1 49152 l2 1048576] [threads 2] [arena 1234] [scratch 0]
void GraphReader::ReadHeader(const ast::Graph& ast) {
  auto word = [&](size_t i) -> std::string {
    const auto* name = i < ast.header.size() ? ast.header[i]->As<ast::Name>() : nullptr;
    return name ? name->text : "";
  };
  auto number = [&](size_t i, int64_t least) {
    if (i >= ast.header.size()) {
      diagnostics_.Error(ErrorKind::kGraphHeader, ast.header[i - 1]->range,
                         absl::StrCat("`", word(i - 1), "` needs a number"));
      return least;
    }
    const std::optional<int64_t> value = ReadInteger(*ast.header[i], word(i - 1));
    if (value && *value < least) {
      diagnostics_.Error(ErrorKind::kGraphHeader, ast.header[i]->range,
                         absl::StrCat(word(i - 1), " must be at least ", least));
    }
    return value ? std::max(*value, least) : least;
  };
  bool numerics = false;
  for (size_t i = 0; i < ast.header.size(); ++i) {
    const std::string key = word(i);
    if (key == "frozen") {
      graph_.frozen = true;
    } else if (key == "numerics") {
      numerics = true;
      const int64_t version = number(++i, 1);
      if (version != 1)
        diagnostics_.Error(ErrorKind::kGraphHeader, ast.header[i]->range,
                           absl::StrCat("this compiler knows numerics 1, not ", version));
    } else if (key == "target") {
      const absl::optional<ir::Isa> isa = ir::ParseIsa(word(++i));
      if (!isa) {
        diagnostics_.Error(ErrorKind::kUnknownTarget, ast.header[std::min(i, ast.header.size() - 1)]->range,
                           "the targets are baseline, avx2 and avx512");
        continue;
      }
      graph_.target = ir::Target{.isa = *isa};
    } else if ((key == "l1" || key == "l2") && graph_.target) {
      (key == "l1" ? graph_.target->l1_bytes : graph_.target->l2_bytes) = number(++i, 1);
    } else if (key == "threads") {
      graph_.threads = number(++i, 1);
    } else if (key == "arena") {
      graph_.arena_bytes = number(++i, 0);
    } else if (key == "scratch") {
      graph_.scratch_bytes = number(++i, 0);
    } else {
      diagnostics_.Error(ErrorKind::kGraphHeader, ast.header[i]->range,
                         "expected numerics, frozen, target, l1, l2, threads, arena or scratch");
      return;
    }
  }
  if (!numerics)
    diagnostics_.Error(ErrorKind::kGraphHeader, ast.name.range,
                       absl::StrCat("the graph says no version: graph ", ast.name.text, " numerics 1 { … }"));
}

void GraphReader::ReadStatement(const ast::Statement& s) {
  if (!scope_->region) scope_->builder.SetNote(NoteOf(s.note));
  if (ReadNode(s)) return;
  if (const auto* assignment = s.As<ast::Assignment>()) {
    for (const ast::Target& target : assignment->targets) scope_->failed.insert(target.name.text);
  } else if (const auto* declaration = s.As<ast::Declaration>()) {
    scope_->failed.insert(declaration->name.text);
  }
}

bool GraphReader::ReadNode(const ast::Statement& s) {
  if (const auto* node = s.As<ast::Dim>()) return ReadDim(*node);
  if (const auto* node = s.As<ast::Declaration>()) return ReadDeclaration(s, *node);
  if (const auto* node = s.As<ast::Assignment>()) return ReadAssignment(s, *node);
  if (const auto* node = s.As<ast::Next>()) return ReadNext(s, *node);
  if (const auto* node = s.As<ast::Output>()) return ReadOutput(*node);
  if (s.As<ast::Barrier>()) return ReadBarrier(s);
  if (const auto* node = s.As<ast::Section>()) {
    scope_->builder.SetSection(node->name.text == "none" ? "" : node->name.text);
    return true;
  }
  diagnostics_.Error(ErrorKind::kGraphSyntax, s.range, "this statement has no meaning in a graph");
  return false;
}

bool GraphReader::ReadDim(const ast::Dim& dim) {
  const std::optional<int64_t> value = ReadInteger(*dim.value, "a dim");
  if (!value) return false;
  if (!dims_.emplace(dim.name.text, *value).second) {
    diagnostics_.Error(ErrorKind::kDeclaredTwice, dim.name.range,
                       absl::StrCat("`", dim.name.text, "` is defined twice"));
    return false;
  }
  graph_.dims.push_back({dim.name.text, *value});
  return true;
}

bool GraphReader::Define(const ast::Identifier& name, ir::Value* value) {
  const auto [entry, fresh] = scope_->values.emplace(name.text, value);
  if (!fresh) {
    diagnostics_.Error(ErrorKind::kDeclaredTwice, name.range, absl::StrCat("`", name.text, "` is defined twice"))
        .Defined(name.text, ir::ToString(entry->second->type), places_[entry->second]);
    return false;
  }
  value->name = name.text;
  places_[value] = name.range;
  return true;
}

std::optional<ir::Type> GraphReader::ReadType(const ast::TypeExpression& type) {
  const absl::optional<ir::DType> element = ir::ParseDType(type.element.text);
  if (!element) {
    diagnostics_
        .Error(ErrorKind::kUnknownType, type.element.range,
               absl::StrCat("`", type.element.text, "` is no type of a graph"))
        .Help("the types of a graph are bool, u8, i32, i64, f32 and f64");
    return std::nullopt;
  }
  ir::Type result{*element, {}};
  for (const ast::ExpressionPtr& dim : type.dims) {
    const std::optional<int64_t> extent = ReadInteger(*dim, "a size");
    if (!extent) return std::nullopt;
    result.shape.push_back(*extent);
  }
  return result;
}

bool GraphReader::ReadDeclaration(const ast::Statement& s, const ast::Declaration& declaration) {
  for (const auto& other : graph_.body.statements) {
    if (ir::IsDeclaration(other->op)) continue;
    diagnostics_.Error(ErrorKind::kDeclarationOrder, s.range, "declarations stand before all other statements");
    return false;
  }
  const std::optional<ir::Type> type = ReadType(declaration.type);
  if (!type) return false;
  const ir::Op op = declaration.kind == ast::DeclarationKind::kInput   ? ir::Op::kInput
                    : declaration.kind == ast::DeclarationKind::kParam ? ir::Op::kParam
                                                                       : ir::Op::kState;
  const std::string initial = declaration.initial ? FormatExpression(declaration.initial->range) : "";
  // Kept as text of one line, which statements are not.
  if (absl::StrContains(initial, '{')) {
    diagnostics_.Error(ErrorKind::kNotAnInitializer, declaration.initial->range,
                       "an initial value is a literal or an initialiser, found a region");
    return false;
  }
  ir::Value* value = scope_->builder.Declare(op, declaration.name.text, *type, initial);
  const absl::Status valid = ir::InferTypes(*value->definition).status();
  if (!valid.ok()) {
    diagnostics_.Error(declaration.type.range, valid);
    return false;
  }
  if (s.note) value->definition->note.aliases = s.note->aliases;
  return Define(declaration.name, value) && AddArena(s, *value->definition);
}

bool GraphReader::AddArena(const ast::Statement& s, ir::Statement& statement) {
  if (!s.note || s.note->arena.empty()) return true;
  if (s.note->arena.size() != statement.results.size()) {
    diagnostics_.Error(ErrorKind::kArenaPlaces, s.note->range,
                       absl::StrCat("a place in the arena for each result: ", statement.results.size(), ", found ",
                                    s.note->arena.size()));
    return false;
  }
  for (size_t i = 0; i < statement.results.size(); ++i) {
    if (!s.note->arena[i]) continue;
    const ast::Note::Place& place = *s.note->arena[i];
    statement.results[i]->arena = ir::ArenaRange{place.offset, place.bytes, place.stacked, place.turn};
  }
  return true;
}

bool GraphReader::Finish(const ast::Statement& s, const ast::Assignment& assignment, ir::Statement& statement) {
  if (statement.results.size() != assignment.targets.size()) {
    diagnostics_.Error(
        ErrorKind::kUnpack, assignment.value->range,
        absl::StrCat("this gives ", statement.results.size(), statement.results.size() == 1 ? " value" : " values",
                     " for ", assignment.targets.size(), assignment.targets.size() == 1 ? " name" : " names"));
    return false;
  }
  bool ok = true;
  for (size_t i = 0; i < assignment.targets.size(); ++i) {
    const ast::Target& target = assignment.targets[i];
    ir::Value* value = statement.results[i].get();
    if (target.type) {
      const std::optional<ir::Type> type = ReadType(*target.type);
      if (type && *type != value->type) {
        diagnostics_.Error(ErrorKind::kDeclaredType, target.type->range,
                           absl::StrCat("`", target.name.text, "` is declared ", ir::ToString(*type),
                                        ", but its value is ", ir::ToString(value->type)));
      }
      ok = ok && type && *type == value->type;
    }
    ok = Define(target.name, value) && ok;
  }
  if (s.note) statement.note.aliases = s.note->aliases;
  return AddArena(s, statement) && ok;
}

bool GraphReader::ReadAssignment(const ast::Statement& s, const ast::Assignment& assignment) {
  const ast::Expression& e = *assignment.value;
  const auto* call = e.As<ast::Call>();
  const auto* callee = call ? call->callee->As<ast::Name>() : nullptr;
  if (const auto* region = e.As<ast::Region>()) {
    ir::Statement* statement = ReadRegion(e, *region);
    return statement && Finish(s, assignment, *statement);
  }
  if (const auto* scan = e.As<ast::Scan>()) {
    ir::Statement* statement = ReadScan(e, *scan);
    return statement && Finish(s, assignment, *statement);
  }
  if (const auto* loop = e.As<ast::While>()) {
    ir::Statement* statement = ReadWhile(e, *loop);
    return statement && Finish(s, assignment, *statement);
  }
  if (callee && callee->text == "grad") {
    ir::Statement* statement = ReadGrad(e, *call);
    return statement && Finish(s, assignment, *statement);
  }
  const ast::Target& target = assignment.targets.front();
  if (IsLiteral(e)) {
    if (!target.type) {
      diagnostics_.Error(ErrorKind::kUntypedNumber, e.range, "a literal needs a type here")
          .Help(absl::StrCat("write it, as in ", target.name.text, " : f32 = …"));
      return false;
    }
    const std::optional<ir::Type> type = ReadType(*target.type);
    if (!type) return false;
    absl::optional<ir::Tensor> literal = ReadLiteral(e, type->element, diagnostics_);
    if (!literal) return false;
    return Finish(s, assignment, *scope_->builder.Constant(*std::move(literal))->definition);
  }
  const std::optional<Operand> value = ReadExpression(e);
  if (!value) return false;
  if (!value->tensor()) {
    diagnostics_.Error(ErrorKind::kGraphSyntax, e.range, "a statement of a graph computes a value");
    return false;
  }
  if (!value->tensor()->name.empty() || !value->tensor()->definition) {  // a copy
    ir::Value* copied = value->tensor();
    ir::Value* copy = scope_->builder.Emit(ir::Op::kBroadcast, {copied}, {copied->type.shape});
    return Finish(s, assignment, *copy->definition);
  }
  return Finish(s, assignment, *value->tensor()->definition);
}

bool GraphReader::ReadNext(const ast::Statement& s, const ast::Next& next) {
  ir::Value* state = Find(next.name.text, next.name.range);
  const std::optional<Operand> value = ReadTyped(*next.value);
  if (!state || !value) return false;
  if (!value->tensor()) {
    diagnostics_.Error(ErrorKind::kUntypedNumber, next.value->range,
                       "the next value of a state is a value; a number needs a type, as in f32(0)");
    return false;
  }
  for (const auto& known : graph_.body.statements) {
    if (known->op != ir::Op::kNext || known->operands[0] != state) continue;
    diagnostics_.Error(ErrorKind::kNextTwice, next.name.range, absl::StrCat(state->name, " has a next already"));
    return false;
  }
  auto statement = std::make_unique<ir::Statement>();
  statement->op = ir::Op::kNext;
  statement->operands = {state, value->tensor()};
  ir::Statement* added = Append(s.range, std::move(statement), {{state, next.name.range, ""}, *value});
  if (added && s.note) added->note.aliases = s.note->aliases;
  return added && AddArena(s, *added);
}

bool GraphReader::ReadBarrier(const ast::Statement& s) {
  auto statement = std::make_unique<ir::Statement>();
  statement->op = ir::Op::kBarrier;
  return Append(s.range, std::move(statement), {}) != nullptr;
}

bool GraphReader::ReadOutput(const ast::Output& output) {
  bool ok = true;
  for (size_t i = 0; i < output.values.size(); ++i) {
    const ast::Expression& e = *output.values[i];
    const auto* name = e.As<ast::Name>();
    std::string given = output.names[i].text;
    ir::Value* value = nullptr;
    if (name) {
      value = Find(name->text, e.range);
      if (given.empty()) given = name->text;
    } else if (given.empty()) {
      diagnostics_.Error(ErrorKind::kGraphSyntax, e.range, "an output has a name").Help("give it one: output y = …");
    } else if (const std::optional<Operand> operand = ReadExpression(e)) {
      value = operand->tensor();
      if (!value) diagnostics_.Error(ErrorKind::kGraphSyntax, e.range, "an output is a value");
    }
    for (const ir::Output& other : graph_.outputs) {
      if (other.name != given) continue;
      diagnostics_.Error(ErrorKind::kOutputTwice, e.range, absl::StrCat("there are two outputs `", given, "`"));
      value = nullptr;
    }
    if (value) {
      graph_.outputs.push_back({given, value});
    } else {
      ok = false;
    }
  }
  return ok;
}

ir::Graph ReadGraph(const ast::Graph& ast, Diagnostics& diagnostics) {
  ir::Graph graph;
  GraphReader(graph, diagnostics).Read(ast);
  return graph;
}

absl::StatusOr<ir::Graph> ReadGraph(std::shared_ptr<const SourceFile> source) {
  ASSIGN_OR_RETURN(const ast::File file, Parse(std::move(source)));
  const ast::Graph* graph = file.definitions.size() == 1 ? file.definitions[0].As<ast::Graph>() : nullptr;
  if (!graph) {
    return ir::ErrorStatus(ir::ErrorKind::kOneGraph, file.source->path(),
                           ": error: the file must hold one graph and nothing else");
  }
  Diagnostics diagnostics;
  ir::Graph result = ReadGraph(*graph, diagnostics);
  RETURN_IF_ERROR(diagnostics.ToStatus());
  return result;
}

absl::StatusOr<ir::Graph> ReadGraph(std::string path, std::string text) {
  ASSIGN_OR_RETURN(std::shared_ptr<const SourceFile> source, SourceFile::Create(std::move(path), std::move(text)));
  return ReadGraph(std::move(source));
}

}  // namespace gradus::frontend
