#include <algorithm>

#include "absl/strings/str_cat.h"
#include "frontend/lowering.h"
#include "frontend/static_math.h"
#include "ir/printer.h"

namespace gradus::frontend {
namespace {

// FNV-1a of 64 bits, finalised as splitmix64 is so that similar paths have unlike keys. Part of what defines the bits
// of a random value (numerics 1).
uint64_t KeyOf(absl::string_view path) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

}  // namespace

ir::Value* Lowering::StepInput(const std::string& name) {
  if (const auto literal = counters_.find(name); literal != counters_.end()) {
    return Constant(ir::Tensor::Scalar<int64_t>(literal->second));
  }
  ir::Value*& input = counter_inputs_[name];
  if (input == nullptr) {
    input = ir::Builder(inputs_).Declare(Op::kInput, name, ir::Type{ir::DType::kI64, {}});
    level_[input] = 0;
  }
  return input;
}

ir::Value* Lowering::SeedHere() {
  constexpr uint64_t kStride = 0x9E3779B97F4A7C15;  // of the 64-bit golden ratio: steps get seeds far apart
  ir::Value* seed = StepInput("seed");
  for (size_t i = 0; i < regions_.size(); ++i) {
    if (regions_[i].statement->op != Op::kScan) continue;
    std::unique_ptr<ir::Value>& index = regions_[i].index;
    if (index == nullptr) {
      index = std::make_unique<ir::Value>(ir::Value{.type = {ir::DType::kI64, {}}, .name = "scan.index"});
      level_[index.get()] = i + 1;
    }
    ir::Value* count = Emit(Op::kAdd, {index.get(), Constant(ir::Tensor::Scalar<int64_t>(1))});
    ir::Value* stride = Constant(ir::Tensor::Scalar<int64_t>(static_cast<int64_t>(kStride)));
    seed = Emit(Op::kAdd, {seed, Emit(Op::kMul, {count, stride})});
  }
  return seed;
}

Item Lowering::RandomBits(const Items& arguments, SourceRange where) {
  const auto shape = AsShape(arguments[0], where);
  const auto type = arguments[2].none() ? absl::optional<ir::DType>(ir::DType::kI32) : AsType(arguments[2], where);
  if (!shape || !type) return Poison();
  const std::string path = absl::StrCat(draw_path_, "#", draws_[draw_path_]++);
  const uint64_t key = KeyOf(path);
  const auto [known, fresh] = keys_.emplace(key, path);
  if (!fresh)
    return Fail(ErrorKind::kRandomKey, where,
                absl::StrCat("the random values of ", path, " and ", known->second, " have one key; rename one"));
  const auto is_while = [](const RegionContext& context) { return context.statement->op == Op::kWhile; };
  if (std::any_of(regions_.begin(), regions_.end(), is_while)) {
    return Fail(ErrorKind::kNotThereYet, where, "random values inside of while are not there yet; scan can draw them");
  }
  ir::Value* seed = SeedHere();
  ir::Value* step = StepInput("step");
  return EmitItem(Op::kRandomBits, {seed, step}, {*shape, key, *type});
}

Item Lowering::InitialValue(const Item& initializer, const ir::Type& type, const std::string& path, SourceRange where) {
  Restore draw(draw_path_, path);
  Restore place(place_, where);
  Restore name(statement_name_, path);
  FunctionItem function;
  std::vector<std::pair<std::string, Item>> arguments;
  if (const InitializerItem* call = initializer.As<InitializerItem>()) {
    function = call->function;
    arguments = call->arguments;
  } else if (const FunctionItem* bare = initializer.As<FunctionItem>()) {
    function = *bare;
  }
  Item result;
  if (const TensorItem* original = initializer.As<TensorItem>()) {
    // A copy of a parameter, whose initial value has been computed.
    for (const ir::Output& output : graph_.outputs) {
      if (output.name == original->value->name) result = TensorItem{output.value};
    }
  } else if (function.function != nullptr) {
    const auto& parameters = function.function->parameters;
    if (parameters.empty() || parameters[0].name.text != "shape") {
      return Fail(ErrorKind::kNotAnInitializer, where,
                  absl::StrCat(function.function->name.text, " is no initialiser: its first parameter is not `shape`"));
    }
    Items shape;
    for (int64_t extent : type.shape) shape.push_back(Number::Integer(extent));
    arguments.emplace_back("shape", MakeList(std::move(shape)));
    if (parameters.size() > 1 && parameters[1].name.text == "type") arguments.emplace_back("type", Item(type.element));
    result = CallFunction(function, std::move(arguments), nullptr, path, where);
  } else {
    result = initializer;
  }
  ir::Value* value = AsTensor(result, where, type.element);
  if (value == nullptr) return Poison();
  const bool scalar = initializer.As<Number>() != nullptr || initializer.As<bool>() != nullptr;
  if (scalar && type.rank() > 0) return EmitItem(Op::kBroadcast, {value}, {type.shape});
  if (value->type != type) {
    return Fail(ErrorKind::kInitialValueType, where,
                absl::StrCat("the value is ", ir::ToString(value->type), ", but ", path, " is ", ir::ToString(type)));
  }
  return TensorItem{value};
}

namespace {

std::string ArgumentText(const Item& item) {
  if (const Number* number = item.As<Number>()) return ToText(*number);
  if (const bool* b = item.As<bool>()) return *b ? "true" : "false";
  if (const std::string* s = item.As<std::string>()) return absl::StrCat("\"", *s, "\"");
  if (const ir::DType* type = item.As<ir::DType>()) return std::string(ir::Name(*type));
  if (item.none()) return "none";
  if (const FunctionItem* function = item.As<FunctionItem>()) return function->function->name.text;
  if (const ListItem* list = item.As<ListItem>()) {
    std::string text = "[";
    for (size_t i = 0; i < list->items->size(); ++i) {
      const std::string one = ArgumentText((*list->items)[i]);
      if (one.empty()) return "";
      absl::StrAppend(&text, i > 0 ? ", " : "", one);
    }
    return text + "]";
  }
  return "";
}

}  // namespace

bool Lowering::IsLibraryInitializer(absl::string_view name) const {
  const auto item = FromLibrary(name);
  const FunctionItem* function = item ? item->As<FunctionItem>() : nullptr;
  return function != nullptr && !function->function->parameters.empty() &&
         function->function->parameters[0].name.text == "shape";
}

std::string Lowering::InitializerText(const Item& initializer, const ir::Type& type, SourceRange where) {
  if (const FunctionItem* function = initializer.As<FunctionItem>()) {
    const auto& parameters = function->function->parameters;
    if (!parameters.empty() && parameters[0].name.text == "shape") return function->function->name.text;
    Error(ErrorKind::kNotAnInitializer, where,
          absl::StrCat(function->function->name.text, " is no initialiser: its first parameter is not `shape`"))
        .Help("zeros, ones, normal(std=0.02), uniform(-1, 1), he_normal, …");
    return "";
  }
  if (const InitializerItem* call = initializer.As<InitializerItem>()) {
    std::string text = call->function.function->name.text;
    for (size_t i = 0; i < call->arguments.size(); ++i) {
      const std::string value = ArgumentText(call->arguments[i].second);
      if (value.empty()) {
        Error(ErrorKind::kNotStatic, where,
              absl::StrCat("the argument ", call->arguments[i].first, " of an initialiser must be static, found ",
                           Describe(call->arguments[i].second)));
        return "";
      }
      absl::StrAppend(&text, i == 0 ? "(" : ", ", call->arguments[i].first, "=", value);
    }
    return call->arguments.empty() ? text : text + ")";
  }
  if (const TensorItem* tensor = initializer.As<TensorItem>();
      tensor != nullptr && tensor->value->definition != nullptr && tensor->value->definition->op == Op::kParam) {
    const std::string& name = tensor->value->name;
    if (tensor->value->type != type) {
      Error(ErrorKind::kInitialValueType, where,
            absl::StrCat("the initial value is ", name, ", which is ", ir::ToString(tensor->value->type),
                         ", but the declaration is ", ir::ToString(type)));
      return "";
    }
    if (IsLibraryInitializer(name)) {
      Error(ErrorKind::kInitialValueType, where,
            absl::StrCat("a copy of the parameter ", name, " would read as the initialiser ", name))
          .Help("another name for the parameter");
      return "";
    }
    return name;
  }
  if (initializer.As<TensorItem>() != nullptr ||
      (initializer.As<Number>() == nullptr && initializer.As<bool>() == nullptr &&
       initializer.As<ListItem>() == nullptr)) {
    if (!initializer.poisoned()) {
      Error(ErrorKind::kNotAnInitializer, where,
            absl::StrCat("an initial value is a literal or an initialiser, found ", Describe(initializer)))
          .Help("zeros, ones, normal(std=0.02), uniform(-1, 1), he_normal, …");
    }
    return "";
  }
  const auto literal = LiteralTensor(initializer, type.element, where);
  if (!literal) return "";
  if (initializer.As<ListItem>() != nullptr && literal->type() != type) {
    Error(ErrorKind::kInitialValueType, where,
          absl::StrCat("the initial value is ", ir::ToString(literal->type()), ", but the declaration is ",
                       ir::ToString(type)));
    return "";
  }
  return ir::PrintLiteral(*literal);
}

std::vector<Lowering::Initial> Lowering::initial() const {
  std::vector<Initial> all = initial_params_;
  all.insert(all.end(), initial_states_.begin(), initial_states_.end());
  return all;
}

void Lowering::LowerInitial(absl::Span<const Initial> initial) {
  counters_["step"] = 0;
  for (const Initial& declaration : initial) {
    Restore in_scope(scope_, &model_scope_);
    const int start = created_;
    const Item value = InitialValue(declaration.initializer, declaration.type, declaration.name, declaration.where);
    const TensorItem* tensor = value.As<TensorItem>();
    if (tensor == nullptr) continue;
    NameValue(declaration.name, tensor->value, declaration.where, start);
    graph_.outputs.push_back({declaration.name, tensor->value});
  }
}

Item Lowering::EvaluateInitializer(const ast::Expression& expression,
                                   const std::map<std::string, ir::Value*>& earlier) {
  if (const ast::Name* name = expression.As<ast::Name>(); name != nullptr && !IsLibraryInitializer(name->text)) {
    if (const auto found = earlier.find(name->text); found != earlier.end()) return TensorItem{found->second};
  }
  Restore in_scope(scope_, &model_scope_);
  return Evaluate(expression);
}

}  // namespace gradus::frontend
