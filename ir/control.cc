#include "ir/control.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ir/builder.h"
#include "ir/check.h"
#include "ir/error.h"

namespace gradus::ir {
namespace {

absl::Status CheckCount(const Statement& s, absl::string_view name, int64_t count, int64_t least) {
  if (count >= least) return absl::OkStatus();
  return ErrorStatus(ErrorKind::kAttributeValue, "`", name, "` of ", Info(s.op).mnemonic, " must be at least ", least,
                     ", found ", count);
}

absl::Status CheckFlag(const Statement& s, absl::string_view name) {
  const int64_t flag = s.Int(name);
  if (flag == 0 || flag == 1) return absl::OkStatus();
  return ErrorStatus(ErrorKind::kAttributeValue, "`", name, "` of ", Info(s.op).mnemonic, " is 0 or 1, found ", flag);
}

absl::Status CheckOperandCount(const Statement& s, Size needed) {
  if (needed.ok() && needed.value() <= static_cast<int64_t>(s.operands.size())) return absl::OkStatus();
  return ErrorStatus(ErrorKind::kOperandCount, Info(s.op).mnemonic, " has ", s.operands.size(),
                     " operands, fewer than its sequences and carries");
}

// The yields from `first` on are the next values of `carries` operands from `operand` on.
absl::Status CheckCarries(const Statement& s, size_t operand, size_t carries, size_t first) {
  for (size_t i = 0; i < carries; ++i) {
    const Type &begins = s.operands[operand + i]->type, &next = s.region->yields[first + i]->type;
    if (begins == next) continue;
    const Value& parameter = *s.region->parameters[operand + i];
    return ErrorStatus(ErrorKind::kLoopCarry, "`", parameter.name, "` begins as ", ToString(begins),
                       ", but its next value is ", ToString(next), ": what a loop carries keeps its type");
  }
  return absl::OkStatus();
}

absl::Status CheckPredicate(const Statement& s, const Type& type) {
  if (type == Type{DType::kBool, {}}) return absl::OkStatus();
  return ErrorStatus(ErrorKind::kConditionNotBool, Info(s.op).mnemonic, " needs one bool, found ", ToString(type));
}

}  // namespace

RegionOperands RegionOperandsOf(const Statement& s) {
  switch (s.op) {
    case Op::kCustomVjp:
      return {1, 1, 1};
    case Op::kScan:
      return {0, 0, static_cast<size_t>(s.Int("sequences") + s.Int("carries"))};
    case Op::kWhile:
      return {0, 0, static_cast<size_t>(s.Int("carries"))};
    case Op::kBranch:
      return {1, 0, 1};
    default:
      break;
  }
  return {};
}

Value* ParameterOf(const Statement& s, size_t operand) {
  const RegionOperands at = RegionOperandsOf(s);
  if (operand < at.first_operand) return nullptr;
  return s.region->parameters[operand - at.first_operand + at.first_parameter].get();
}

ScanView::ScanView(const Statement& scan)
    : length(scan.Int("length")),
      sequences(static_cast<size_t>(scan.Int("sequences"))),
      carries(static_cast<size_t>(scan.Int("carries"))),
      captures(scan.operands.size() - sequences - carries),
      stacked(scan.region->yields.size() - carries),
      reverse(scan.Int("reverse") != 0),
      recompute(scan.Int("recompute") != 0) {}

Type SliceOf(const Type& sequence) {
  Type slice = sequence;
  slice.shape.erase(slice.shape.begin());
  return slice;
}

Type StackOf(int64_t length, const Type& slice) {
  Type stack = slice;
  stack.shape.insert(stack.shape.begin(), length);
  return stack;
}

absl::Status CheckParameters(const Statement& s) {
  const OpInfo& info = Info(s.op);
  if (s.region == nullptr) return ErrorStatus(ErrorKind::kGraphSyntax, info.mnemonic, " lacks its region");
  const RegionOperands at = RegionOperandsOf(s);
  const size_t standing = s.operands.size() - at.first_operand;
  if (s.region->parameters.size() != standing + at.first_parameter) {
    return ErrorStatus(ErrorKind::kOperandCount, "the region of ", info.mnemonic, " has ", s.region->parameters.size(),
                       " parameters for ", standing, " operands");
  }
  const size_t sequences = s.op == Op::kScan ? static_cast<size_t>(s.Int("sequences")) : 0;
  for (size_t i = at.first_operand; i < s.operands.size(); ++i) {
    const Value& parameter = *ParameterOf(s, i);
    const Type& operand = s.operands[i]->type;
    if (i < sequences ? parameter.type == SliceOf(operand) : parameter.type == operand) continue;
    return ErrorStatus(ErrorKind::kDeclaredType, "parameter ", parameter.name, " of ", info.mnemonic, " is ",
                       ToString(parameter.type), " but its operand is ", ToString(operand));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Type>> InferScan(const Statement& s) {
  const int64_t length = s.Int("length"), sequences = s.Int("sequences"), carries = s.Int("carries");
  RETURN_IF_ERROR(CheckCount(s, "length", length, 1));
  RETURN_IF_ERROR(CheckCount(s, "sequences", sequences, 0));
  RETURN_IF_ERROR(CheckCount(s, "carries", carries, 0));
  RETURN_IF_ERROR(CheckFlag(s, "reverse"));
  RETURN_IF_ERROR(CheckFlag(s, "recompute"));
  RETURN_IF_ERROR(CheckOperandCount(s, Size(sequences) + Size(carries)));
  for (int64_t i = 0; i < sequences; ++i) {
    const Type& type = s.operands[i]->type;
    if (type.rank() > 0 && type.shape[0] == length) continue;
    return ErrorStatus(ErrorKind::kScanExtent, "a scan of length ", length, " walks along the first axis, but a ",
                       "sequence is ", ToString(type));
  }
  RETURN_IF_ERROR(CheckParameters(s));
  if (static_cast<int64_t>(s.region->yields.size()) < std::max<int64_t>(carries, 1)) {
    return ErrorStatus(ErrorKind::kRegionYield, "a scan with ", carries, " carries yields ", s.region->yields.size(),
                       " values: it has a `next` for each carried value, or a yield");
  }
  const size_t stacked = s.region->yields.size() - static_cast<size_t>(carries);
  RETURN_IF_ERROR(CheckCarries(s, static_cast<size_t>(sequences), static_cast<size_t>(carries), stacked));
  std::vector<Type> types;
  for (size_t i = 0; i < s.region->yields.size(); ++i) {
    const Type& type = s.region->yields[i]->type;
    types.push_back(i < stacked ? StackOf(length, type) : type);
  }
  return types;
}

absl::StatusOr<std::vector<Type>> InferWhile(const Statement& s) {
  const int64_t carries = s.Int("carries");
  RETURN_IF_ERROR(CheckCount(s, "carries", carries, 1));
  RETURN_IF_ERROR(CheckOperandCount(s, Size(carries)));
  RETURN_IF_ERROR(CheckParameters(s));
  if (static_cast<int64_t>(s.region->yields.size()) != carries + 1) {
    return ErrorStatus(ErrorKind::kRegionYield, "a while with ", carries, " carries yields ", s.region->yields.size(),
                       " values: when it ends, and a `next` for each carried value");
  }
  RETURN_IF_ERROR(CheckPredicate(s, s.region->yields[0]->type));
  RETURN_IF_ERROR(CheckCarries(s, 0, static_cast<size_t>(carries), 1));
  std::vector<Type> types;
  for (int64_t i = 0; i < carries; ++i) types.push_back(s.operands[i]->type);
  return types;
}

absl::StatusOr<std::vector<Type>> InferBranch(const Statement& s) {
  if (s.operands.empty()) return ErrorStatus(ErrorKind::kOperandCount, "branch needs a predicate");
  RETURN_IF_ERROR(CheckPredicate(s, s.operands[0]->type));
  RETURN_IF_ERROR(CheckParameters(s));
  if (s.region->yields.empty()) return ErrorStatus(ErrorKind::kRegionYield, "branch yields nothing");
  std::vector<Type> types;
  for (const Value* yield : s.region->yields) types.push_back(yield->type);
  return types;
}

bool AlignCaptures(Statement& s) {
  const RegionOperands at = RegionOperandsOf(s);
  Region& region = *s.region;
  bool changed = false;
  // Joins.
  absl::flat_hash_map<const Value*, Value*> parameters;
  for (size_t i = at.first_capture; i < s.operands.size();) {
    Value* parameter = ParameterOf(s, i);
    const auto [known, fresh] = parameters.emplace(s.operands[i], parameter);
    if (fresh) {
      ++i;
      continue;
    }
    ReplaceUses(region, parameter, known->second);
    region.parameters.erase(region.parameters.begin() +
                            static_cast<int64_t>(i - at.first_operand + at.first_parameter));
    s.operands.erase(s.operands.begin() + static_cast<int64_t>(i));
    changed = true;
  }
  for (size_t i = 0; i < region.parameters.size(); ++i) region.parameters[i]->index = static_cast<int>(i);
  // Names.
  std::vector<Value*> renamed;
  for (size_t i = at.first_capture; i < s.operands.size(); ++i) {
    Value* parameter = ParameterOf(s, i);
    if (parameter->name != s.operands[i]->name) renamed.push_back(parameter);
    parameter->name = s.operands[i]->name;
  }
  if (renamed.empty()) return changed;
  absl::flat_hash_map<std::string, const Value*> taken;
  for (size_t i = at.first_capture; i < s.operands.size(); ++i) taken.emplace(s.operands[i]->name, ParameterOf(s, i));
  NameTable names(region);
  const auto give_way = [&](Value& value) {
    const auto found = taken.find(value.name);
    if (value.name.empty() || found == taken.end() || found->second == &value) return;
    value.name = names.Unique(value.name);
  };
  for (const auto& parameter : region.parameters) give_way(*parameter);
  for (const auto& statement : region.statements) {
    for (const auto& result : statement->results) give_way(*result);
  }
  return true;
}

}  // namespace gradus::ir
