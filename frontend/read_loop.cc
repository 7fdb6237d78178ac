// `scan` and `while` of printed graphs.
#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "frontend/graph_reader.h"
#include "ir/control.h"

namespace gradus::frontend {

bool GraphReader::ReadCarries(const std::vector<ast::Carry>& carries, ir::Statement& statement,
                              std::vector<Operand>& operands) {
  for (const ast::Carry& carry : carries) {
    const std::optional<Operand> initial = ReadTyped(*carry.initial);
    if (!initial) return false;
    if (!initial->tensor()) {
      diagnostics_.Error(ErrorKind::kUntypedNumber, carry.initial->range,
                         "a loop carries values; a number needs a type, as in f32(0)");
      return false;
    }
    statement.operands.push_back(initial->tensor());
    operands.push_back(*initial);
    AddParameter(*statement.region, carry.name.text, initial->tensor()->type, carry.name.range);
  }
  return true;
}

bool GraphReader::ReadCaptures(const std::vector<ast::Identifier>& names, ir::Statement& statement,
                               std::vector<Operand>& operands) {
  for (size_t i = 0; i < names.size(); ++i) {
    ir::Value* value = Find(names[i].text, names[i].range);
    if (!value) return false;
    if (std::any_of(names.begin(), names.begin() + static_cast<int64_t>(i),
                    [&](const ast::Identifier& other) { return other.text == names[i].text; })) {
      diagnostics_.Error(ErrorKind::kOperandRepeated, names[i].range,
                         absl::StrCat("the operand ", value->name, " is repeated"));
      return false;
    }
    statement.operands.push_back(value);
    operands.push_back({value, names[i].range, ""});
    AddParameter(*statement.region, value->name, value->type, places_[value]);
  }
  for (const auto& parameter : statement.region->parameters) {
    const auto& all = statement.region->parameters;
    if (std::count_if(all.begin(), all.end(), [&](const auto& p) { return p->name == parameter->name; }) == 1) continue;
    diagnostics_.Error(ErrorKind::kDeclaredTwice, places_[parameter.get()],
                       absl::StrCat("`", parameter->name, "` is defined twice"));
    return false;
  }
  return true;
}

// scan a, m in xs, mask reverse carry h = h0 capture w recompute { …; next h = h1; yield y }
ir::Statement* GraphReader::ReadScan(const ast::Expression& e, const ast::Scan& scan) {
  if (scan.axis || scan.checkpoint_every || scan.lists.size() != scan.variables.size()) {
    diagnostics_.Error(ErrorKind::kGraphSyntax, e.range,
                       "a scan of a graph walks along the first axis of each of its sequences: scan a, b in xs, ys "
                       "reverse carry h = h0 capture w recompute { … }");
    return nullptr;
  }
  auto statement = std::make_unique<ir::Statement>();
  statement->op = ir::Op::kScan;
  statement->region = std::make_unique<ir::Region>();
  std::vector<Operand> operands;
  std::optional<int64_t> length;
  for (size_t i = 0; i < scan.lists.size(); ++i) {
    const std::optional<Operand> list = ReadTyped(*scan.lists[i]);
    if (!list) return nullptr;
    if (!list->tensor() || list->tensor()->type.rank() == 0) {
      diagnostics_.Error(ErrorKind::kScanExtent, scan.lists[i]->range, "a scan walks along the first axis of a value");
      return nullptr;
    }
    if (!length) length = list->tensor()->type.shape[0];
    statement->operands.push_back(list->tensor());
    operands.push_back(*list);
    AddParameter(*statement->region, scan.variables[i].text, ir::SliceOf(list->tensor()->type),
                 scan.variables[i].range);
  }
  if (scan.length) length = ReadInteger(*scan.length, "the length of a scan");
  if (!length || !ReadCarries(scan.carries, *statement, operands) ||
      !ReadCaptures(scan.captures, *statement, operands)) {
    return nullptr;
  }
  statement->attributes = {*length, static_cast<int64_t>(scan.lists.size()), static_cast<int64_t>(scan.carries.size()),
                           int64_t{scan.reverse}, int64_t{scan.recompute}};
  const bool one_line = !absl::StrContains(e.range.text(), "\n");
  if (!ReadRegionBody(scan.body, one_line, *statement->region, scan.carries)) return nullptr;
  return Append(e.range, std::move(statement), operands);
}

// while carry h = h0 until p capture w { …; next h = h1 }
ir::Statement* GraphReader::ReadWhile(const ast::Expression& e, const ast::While& loop) {
  auto statement = std::make_unique<ir::Statement>();
  statement->op = ir::Op::kWhile;
  statement->region = std::make_unique<ir::Region>();
  statement->attributes = {static_cast<int64_t>(loop.carries.size())};
  std::vector<Operand> operands;
  if (!ReadCarries(loop.carries, *statement, operands) || !ReadCaptures(loop.captures, *statement, operands)) {
    return nullptr;
  }
  const bool one_line = !absl::StrContains(e.range.text(), "\n");
  if (!ReadRegionBody(loop.body, one_line, *statement->region, loop.carries, loop.until.get())) return nullptr;
  return Append(e.range, std::move(statement), operands);
}

}  // namespace gradus::frontend
