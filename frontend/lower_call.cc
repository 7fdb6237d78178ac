#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/lowering.h"

namespace gradus::frontend {
namespace {

using NamedItems = std::vector<std::pair<std::string, Item>>;

constexpr size_t kMaxCallDepth = 256;  // reported as the call depth limit

// A function whose first parameter is `shape`, and perhaps the second `type`, is an initialiser: the declaration that
// it fills gives them, and a call gives them by name or not at all.
size_t ImpliedParameters(const ast::Function& function) {
  const auto& parameters = function.parameters;
  if (parameters.empty() || parameters[0].name.text != "shape") return 0;
  return parameters.size() > 1 && parameters[1].name.text == "type" ? 2 : 1;
}

const Item* FindArgument(const NamedItems& arguments, absl::string_view name) {
  for (const auto& [key, item] : arguments) {
    if (key == name) return &item;
  }
  return nullptr;
}

// What labels and predictions that do not fit are most likely meant to be.
std::string AdviceOnLoss(const std::string& name, const NamedItems& arguments) {
  if (arguments.size() < 2) return "";
  const TensorItem* a = arguments[0].second.As<TensorItem>();
  const TensorItem* b = arguments[1].second.As<TensorItem>();
  if (a == nullptr || b == nullptr) return "";
  const ir::Type &y = a->value->type, &t = b->value->type;
  const bool of_classes = name == "cross_entropy" || name == "class_cross_entropy" || name == "mean_cross_entropy";
  if (of_classes && ir::IsFloat(t.element) && t.rank() < y.rank()) {
    return "labels are the numbers of classes: declare them i32; or give each class its share, in the shape of the "
           "logits";
  }
  if (of_classes && y.rank() == 1 && t.rank() == 1 && y.shape != t.shape) {
    return absl::StrCat("the logits are ", ir::ToString(y), ", one number a class, and the labels ", ir::ToString(t),
                        ": the axis of the examples is missing on one side");
  }
  if (name == "kl_divergence" && ir::IsInteger(t.element)) {
    return "it takes two distributions; cross_entropy takes the numbers of classes";
  }
  return "";
}

}  // namespace

bool Lowering::Enter(const std::string& what, SourceRange call) {
  if (frames_.size() >= kMaxCallDepth) {
    Error(ErrorKind::kCallDepthLimit, call,
          absl::StrCat(what, " calls itself without an end: calls nest ", kMaxCallDepth, " deep (call depth limit)"));
    return false;
  }
  frames_.push_back({what, call});
  return true;
}

absl::optional<NamedItems> Lowering::BindArguments(const std::string& what,
                                                   const std::vector<ast::Parameter>& parameters, const ast::Call& call,
                                                   size_t skip) {
  NamedItems bound;
  bool ok = true;
  size_t position = skip;
  for (const ast::Argument& argument : call.arguments) {
    // Every argument is evaluated, so that each wrong one is reported.
    Item item = Evaluate(*argument.value);
    if (item.poisoned()) ok = false;
    std::string name = argument.name.text;
    if (name.empty()) {
      if (position >= parameters.size()) {
        if (position++ > parameters.size()) continue;
        Error(ErrorKind::kTooManyArguments, argument.value->range,
              absl::StrCat(what, " takes ", parameters.size() - skip, " arguments, found ", call.arguments.size()));
        ok = false;
        continue;
      }
      const ast::Parameter& parameter = parameters[position++];
      name = parameter.name.text;
      if (name == "axis" && parameter.default_value != nullptr && IsLibrary(parameter.name.range)) {
        Error(ErrorKind::kAxisByName, argument.value->range, absl::StrCat("the axis of ", what, " is given by name"))
            .Help(absl::StrCat("axis=", std::string(argument.value->range.text())));
        ok = false;
      }
    } else {
      std::vector<std::string> names;
      for (const ast::Parameter& parameter : parameters) names.push_back(parameter.name.text);
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        Diagnostic& diagnostic =
            Error(ErrorKind::kUnknownArgument, argument.name.range, absl::StrCat(what, " has no parameter ", name));
        const std::string nearest = Nearest(name, names);
        names.erase(names.begin(), names.begin() + static_cast<int64_t>(std::min(skip, names.size())));
        if (!nearest.empty()) {
          diagnostic.Help(absl::StrCat("did you mean ", nearest, "?"));
        } else if (!names.empty()) {
          diagnostic.Help(absl::StrCat("it has ", absl::StrJoin(names, ", ")));
        }
        ok = false;
        continue;
      }
    }
    if (FindArgument(bound, name) != nullptr) {
      Error(ErrorKind::kArgumentTwice, argument.value->range,
            absl::StrCat(what, " gets its argument ", name, " twice"));
      ok = false;
    }
    bound.emplace_back(name, std::move(item));
  }
  if (!ok) return absl::nullopt;
  return bound;
}

bool Lowering::FillParameters(const std::string& what, const std::vector<ast::Parameter>& parameters,
                              NamedItems arguments, Scope& scope, SourceRange range) {
  std::vector<std::string> missing;
  for (const ast::Parameter& parameter : parameters) {
    Item item;
    if (const Item* given = FindArgument(arguments, parameter.name.text)) {
      item = *given;
    } else if (parameter.default_value != nullptr) {
      Restore in_scope(scope_, &scope);
      item = Evaluate(*parameter.default_value);
      if (item.poisoned()) return false;
    } else {
      missing.push_back(parameter.name.text);
      continue;
    }
    Hint(item, absl::StrCat(scope.prefix, scope.prefix.empty() ? "" : ".", parameter.name.text));
    scope.names[parameter.name.text] = {std::move(item), parameter.name.range, false};
  }
  if (missing.empty()) return true;
  Diagnostic& diagnostic =
      Error(ErrorKind::kMissingArgument, range, absl::StrCat(what, " lacks its argument ", missing[0]));
  for (size_t i = 1; i < missing.size(); ++i) diagnostic.Note(absl::StrCat("and ", missing[i]));
  return false;
}

Item Lowering::EvaluateCall(const ast::Call& call, SourceRange range) {
  const Item callee = Evaluate(*call.callee);
  if (callee.poisoned()) {
    for (const ast::Argument& argument : call.arguments) Evaluate(*argument.value);
    return callee;
  }
  if (const BuiltinItem* builtin = callee.As<BuiltinItem>()) return CallBuiltin(builtin->name, call, range);
  if (const ir::DType* type = callee.As<ir::DType>()) {
    if (call.arguments.size() != 1 || !call.arguments[0].name.text.empty()) {
      return Fail(ErrorKind::kConversionArguments, range,
                  absl::StrCat("a conversion to ", ir::Name(*type), " takes one argument"));
    }
    return Cast(*type, Evaluate(*call.arguments[0].value), range);
  }
  if (const FunctionItem* function = callee.As<FunctionItem>()) {
    const size_t implied = ImpliedParameters(*function->function);
    auto arguments = BindArguments(function->function->name.text, function->function->parameters, call, implied);
    if (!arguments) return Poison();
    if (implied > 0 && FindArgument(*arguments, "shape") == nullptr) {
      return InitializerItem{*function, *std::move(arguments)};
    }
    const ast::Function& f = *function->function;
    const auto& parameters = f.parameters;
    WarnOfArguments(f, parameters.empty() ? nullptr : FindArgument(*arguments, parameters[0].name.text), range);
    // What goes wrong inside of a loss is mostly what it was given.
    const std::string advice =
        IsLibrary(f.name.range) && !IsLibrary(range) ? AdviceOnLoss(f.name.text, *arguments) : "";
    if (advice.empty()) return CallFunction(*function, *std::move(arguments), nullptr, statement_name_, range);
    bool advised = false;
    auto outer = diagnostics_.SetAdjust([&](Diagnostic& diagnostic) {
      Place(diagnostic);
      if (!std::exchange(advised, true)) diagnostic.Help(advice);
    });
    const Item result = CallFunction(*function, *std::move(arguments), nullptr, statement_name_, range);
    diagnostics_.SetAdjust(std::move(outer));
    return result;
  }
  if (const LayerItem* layer = callee.As<LayerItem>()) {
    auto arguments = BindArguments(layer->layer->name.text, layer->layer->parameters, call, 0);
    if (!arguments) return Poison();
    const std::string& what = layer->layer->name.text;
    if (IsLibrary(layer->layer->name.range) && !arguments->empty() && arguments->front().first == "n" &&
        arguments->front().second.As<TensorItem>() != nullptr) {
      Error(ErrorKind::kNotStatic, range,
            absl::StrCat("the layer ", what, " is made of sizes, found ", Describe(arguments->front().second)))
          .Help(absl::StrCat("bind it, then call it: layer1 = ", what, "(…), and layer1(x)"));
      return Poison();
    }
    return MakeInstance(*layer, *std::move(arguments), range);
  }
  if (const auto* instance = callee.As<std::shared_ptr<Instance>>()) {
    const auto& apply = (*instance)->layer.layer->apply;
    if (!apply)
      return Fail(ErrorKind::kNoApply, range, absl::StrCat((*instance)->layer.layer->name.text, " has no apply"));
    auto arguments = BindArguments((*instance)->layer.layer->name.text, apply->parameters, call, 0);
    if (!arguments) return Poison();
    return Apply(**instance, *std::move(arguments), range);
  }
  Diagnostic& diagnostic =
      Error(ErrorKind::kNotCallable, call.callee->range, absl::StrCat(Describe(callee), " cannot be called"));
  if (callee.As<TensorItem>() != nullptr) diagnostic.Help("`*` multiplies, and x[…] indexes");
  return Poison();
}

Item Lowering::CallFunction(const FunctionItem& function, NamedItems arguments, Scope* parent,
                            const std::string& prefix, SourceRange range) {
  const ast::Function& f = *function.function;
  const std::string what = parent == nullptr ? f.name.text : parent->owner->layer.layer->name.text;
  Scope& scope = kept_scopes_.emplace_back();
  scope.parent = parent;
  scope.unit = function.unit;
  scope.prefix = prefix;
  if (!FillParameters(what, f.parameters, std::move(arguments), scope, range)) return Poison();
  std::vector<ir::Value*> tensors;
  for (const ast::Parameter& parameter : f.parameters) {
    const TensorItem* tensor = scope.names[parameter.name.text].item.As<TensorItem>();
    if (tensor != nullptr) tensors.push_back(tensor->value);
  }
  if (!Enter(what, range)) return Poison();
  Item result;
  {
    Restore in_scope(scope_, &scope);
    Restore name(statement_name_, prefix);
    Restore returned(returned_, Item(None()));
    Restore in_function(in_function_, true);
    const size_t errors = diagnostics_.size();
    const bool done = Execute(f.body);
    result = returned_;
    if (!done) {
      result = Poison();
      if (diagnostics_.size() == errors)
        Error(ErrorKind::kNoReturn, f.name.range, absl::StrCat(what, " ends without a return"));
    }
    if (f.vjp && !result.poisoned() && !tensors.empty()) result = CustomVjp(f, scope, tensors, result, range);
  }
  frames_.pop_back();
  if (parent == nullptr) NoteMaker(result, f.name);
  return result;
}

// `sq 4:3`, `sq shapes.gr:4:3`: a function, and where its vjp begins; of one of the library, whose lines are not the
// reader's, the file alone: `softmax activation.gr`.
std::string Lowering::RuleText(const ast::Function& function) const {
  SourceRange where = function.vjp_parameters[0].name.range;
  where.begin = static_cast<int32_t>(where.file->text().rfind("vjp", static_cast<size_t>(where.begin)));
  std::string file;
  if (where.file != module_.program().source.get()) {
    file = absl::StrCat(where.file->path(), ":");
    file.erase(0, file.rfind('/') + 1);
    // It stands between quotes.
    for (char& c : file) c = c == '"' || c == '\\' || static_cast<unsigned char>(c) < ' ' ? '_' : c;
  }
  if (IsLibrary(where)) return absl::StrCat(function.name.text, " ", file.substr(0, file.find(':')));
  const Position start = where.start();
  return absl::StrCat(function.name.text, " ", file, start.line, ":", start.column);
}

// fn f(x) { … return y } vjp(g) { return … } is custom_vjp(y, arguments…, captures…) { … }: the region has the incoming
// gradient and what it reads of arguments and locals as parameters, and yields one gradient for each floating-point
// argument.
Item Lowering::CustomVjp(const ast::Function& function, Scope& scope, const std::vector<ir::Value*>& tensors,
                         const Item& result, SourceRange range) {
  Restore place(place_, range);
  const std::string& what = function.name.text;
  if (result.As<ListItem>() != nullptr) {
    return Fail(ErrorKind::kVjpShape, range, absl::StrCat(what, " has a vjp and several results; a vjp is for one"));
  }
  ir::Value* value = AsTensor(result, range);
  if (value == nullptr) return Poison();
  if (function.vjp_parameters.size() != 1) {
    return Fail(ErrorKind::kVjpShape, function.name.range,
                absl::StrCat("the vjp of ", what, " takes the incoming gradient alone, as in vjp(g)"));
  }
  auto custom = std::make_unique<ir::Statement>();
  custom->op = Op::kCustomVjp;
  custom->operands = {Import(value)};
  custom->attributes = {static_cast<int64_t>(tensors.size()), RuleText(function)};
  custom->region = std::make_unique<ir::Region>();
  custom->results.push_back(std::make_unique<ir::Value>(ir::Value{.type = value->type}));
  RegionContext context{custom.get(), custom->region.get(), {}, nullptr};
  const auto add_parameter = [&](const ir::Type& type) {
    auto& parameters = custom->region->parameters;
    parameters.push_back(
        std::make_unique<ir::Value>(ir::Value{.index = static_cast<int>(parameters.size()), .type = type}));
    level_[parameters.back().get()] = regions_.size() + 1;
    return parameters.back().get();
  };
  ir::Value* incoming = add_parameter(value->type);
  incoming->name = function.vjp_parameters[0].name.text;
  std::vector<const ir::Value*> differentiable;
  for (ir::Value* tensor : tensors) {
    ir::Value* operand = Import(tensor);
    // An argument given twice is two operands.
    if (std::find(custom->operands.begin() + 1, custom->operands.end(), operand) != custom->operands.end() ||
        operand->definition == nullptr || operand->definition->op == Op::kConstant) {
      operand = Emit(Op::kReshape, {operand}, {operand->type.shape});
      if (operand == nullptr) return Poison();
    }
    custom->operands.push_back(operand);
    ir::Value* parameter = add_parameter(tensor->type);
    context.captured.emplace(tensor, parameter);
    if (ir::IsFloat(tensor->type.element)) differentiable.push_back(tensor);
  }
  ir::Builder outer = builder_;
  builder_ = ir::Builder(*custom->region);
  regions_.push_back(std::move(context));
  Items gradients;
  bool ok = true;
  {
    Scope& inner = kept_scopes_.emplace_back();
    inner.parent = &scope;
    inner.unit = scope.unit;
    inner.prefix = scope.prefix;
    inner.names[function.vjp_parameters[0].name.text] = {TensorItem{incoming}, function.vjp_parameters[0].name.range,
                                                         false};
    Restore in_scope(scope_, &inner);
    Restore returned(returned_, Item(None()));
    ok = Execute(*function.vjp);
    if (!ok) {
      Error(ErrorKind::kNoReturn, function.name.range, absl::StrCat("the vjp of ", what, " ends without a return"));
    } else if (const ListItem* list = returned_.As<ListItem>()) {
      gradients = *list->items;
    } else {
      gradients.push_back(returned_);
    }
  }
  if (ok && gradients.size() != differentiable.size()) {
    Error(ErrorKind::kVjpShape, function.name.range,
          absl::StrCat("the vjp of ", what, " returns ", gradients.size(),
                       gradients.size() == 1 ? " gradient for " : " gradients for ", differentiable.size(),
                       " floating-point arguments"));
    ok = false;
  }
  for (size_t i = 0; ok && i < gradients.size(); ++i) {
    ir::Value* gradient = AsTensor(gradients[i], function.name.range, differentiable[i]->type.element);
    if (gradient == nullptr) {
      ok = false;
    } else if (gradient->type != differentiable[i]->type) {
      Error(ErrorKind::kVjpShape, function.name.range,
            absl::StrCat("the vjp of ", what, " returns ", ir::ToString(gradient->type),
                         " as the gradient of an argument of type ", ir::ToString(differentiable[i]->type)));
      ok = false;
    } else {
      custom->region->yields.push_back(Import(gradient));
    }
  }
  regions_.pop_back();
  builder_ = outer;
  if (!ok) return Poison();
  custom->note = NoteAt(range);
  // A rule belongs to the call that it is for.
  for (const auto& statement : custom->region->statements) statement->note = custom->note;
  custom->section = builder_.section();
  ir::Value* with_rule = custom->results[0].get();
  builder_.Append(std::move(custom));
  Added(with_rule);
  const bool local = value->definition != nullptr && !ir::IsDeclaration(value->definition->op) && !value->name.empty();
  if (local && value->name != scope.prefix) {
    with_rule->name = std::exchange(value->name, "");
    hints_[value] = absl::StrCat(with_rule->name, ".value");
  } else {
    hints_[with_rule] = statement_name_;
  }
  return TensorItem{with_rule};
}

Item Lowering::MakeInstance(const LayerItem& layer, NamedItems arguments, SourceRange range) {
  auto instance = std::make_shared<Instance>();
  instance->layer = layer;
  instance->where = range;
  instance->scope.unit = layer.unit;
  instance->scope.owner = instance.get();
  if (!FillParameters(layer.layer->name.text, layer.layer->parameters, std::move(arguments), instance->scope, range)) {
    return Poison();
  }
  return instance;
}

void Lowering::Build(Instance& instance) {
  instance.built = true;
  instance.scope.prefix = instance.path;
  if (!Enter(instance.layer.layer->name.text, instance.where)) return;
  Restore in_scope(scope_, &instance.scope);
  Restore in_function(in_function_, false);
  Restore name(statement_name_, instance.path);
  // A layer that came as an argument and has no name yet is called after its parameter.
  for (const ast::Parameter& parameter : instance.layer.layer->parameters) {
    NameInstances(FullName(parameter.name.text), instance.scope.names[parameter.name.text].item, instance.where);
  }
  Execute(instance.layer.layer->members);
  frames_.pop_back();
}

Item Lowering::Apply(Instance& instance, NamedItems arguments, SourceRange range) {
  if (!instance.built) {
    return Fail(ErrorKind::kLayerWithoutName, range,
                absl::StrCat("this ", instance.layer.layer->name.text,
                             " has no name, and its parameters are called after it: bind it first, as in l = ",
                             instance.layer.layer->name.text, "(…), then l(x)"));
  }
  const Item result = CallFunction({&*instance.layer.layer->apply, instance.layer.unit}, std::move(arguments),
                                   &instance.scope, instance.path, range);
  CommitStates(instance.scope);
  NoteMaker(result, instance.layer.layer->name);
  return result;
}

}  // namespace gradus::frontend
