#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "frontend/builtins.h"
#include "frontend/lowering.h"

namespace gradus::frontend {
namespace {

// `d`, `d2`: what adjoints are called.
bool IsAdjointPrefix(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "d")) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return absl::ascii_isdigit(c); });
}

bool HoldsInstance(const Item& item) {
  if (item.As<std::shared_ptr<Instance>>() != nullptr) return true;
  if (const ListItem* list = item.As<ListItem>()) {
    return std::any_of(list->items->begin(), list->items->end(), HoldsInstance);
  }
  return false;
}

bool HoldsNewInstance(const Item& item) {
  if (const auto* instance = item.As<std::shared_ptr<Instance>>()) return !(*instance)->built;
  if (const ListItem* list = item.As<ListItem>()) {
    return std::any_of(list->items->begin(), list->items->end(), HoldsNewInstance);
  }
  return false;
}

}  // namespace

std::string Describe(const Item& item) {
  struct Visitor {
    std::string operator()(const Poison&) const { return "an error"; }
    std::string operator()(const None&) const { return "none"; }
    std::string operator()(const TensorItem& t) const { return ir::ToString(t.value->type); }
    std::string operator()(const Number& n) const { return absl::StrCat("the number ", ToString(n)); }
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(const std::string& s) const { return absl::StrCat("the string \"", s, "\""); }
    std::string operator()(ir::DType type) const { return absl::StrCat("the type ", ir::Name(type)); }
    std::string operator()(const ListItem& list) const { return absl::StrCat("a list of ", list.items->size()); }
    std::string operator()(const BuiltinItem& b) const { return absl::StrCat("the function ", b.name); }
    std::string operator()(const FunctionItem& f) const { return absl::StrCat("the function ", f.function->name.text); }
    std::string operator()(const LayerItem& l) const { return absl::StrCat("the layer ", l.layer->name.text); }
    std::string operator()(const InitializerItem& i) const {
      return absl::StrCat("the initialiser ", i.function.function->name.text);
    }
    std::string operator()(const std::shared_ptr<Instance>& i) const {
      return absl::StrCat("an instance of ", i->layer.layer->name.text);
    }
  };
  return std::visit(Visitor(), item.value);
}

bool Lowering::IsLibrary(SourceRange where) const {
  for (const auto& unit : module_.units) {
    if (unit->file.source.get() == where.file) return unit->library;
  }
  return false;
}

SourceRange Lowering::UserPlace(SourceRange where) const {
  for (auto frame = frames_.rbegin(); frame != frames_.rend() && IsLibrary(where); ++frame) where = frame->call;
  return where;
}

ir::Note Lowering::NoteAt(SourceRange where) const {
  ir::Note note;
  note.of = of_;
  where = UserPlace(where);
  if (where.file == nullptr) return note;
  const Position start = where.start();
  note.line = start.line;
  note.column = start.column;
  if (where.file != module_.program().source.get()) note.file = where.file->path();
  return note;
}

// In the library an error moves to the call that led there; elsewhere the calls are notes.
void Lowering::Place(Diagnostic& diagnostic) const {
  std::vector<const Frame*> notes;
  const SourceRange where = diagnostic.where();
  SourceRange shown = where;
  std::string within;
  for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) {
    if (IsLibrary(shown)) {
      within = frame->what;
      shown = frame->call;
      continue;
    }
    // A recursion is said once.
    const bool again =
        !notes.empty() && notes.back()->call.begin == frame->call.begin && notes.back()->call.file == frame->call.file;
    if (!again) notes.push_back(&*frame);
  }
  diagnostic.MoveTo(shown);
  if (!within.empty()) {
    const Position start = where.start();
    diagnostic.Note(absl::StrCat("in ", within, ", ", where.file->path(), ":", start.line, ":", start.column));
  }
  constexpr size_t kShownFrames = 4;
  for (size_t i = 0; i < std::min(notes.size(), kShownFrames); ++i) {
    diagnostic.Note(absl::StrCat("in ", notes[i]->what, ", called"), notes[i]->call);
  }
}

Diagnostic& Lowering::WithOperands(Diagnostic& diagnostic, absl::Span<ir::Value* const> values) {
  std::vector<const ir::Value*> shown;
  for (const ir::Value* value : values) {
    if (value == nullptr || std::find(shown.begin(), shown.end(), value) != shown.end()) continue;
    shown.push_back(value);
    std::string name = value->name;
    const auto hint = hints_.find(value);
    if (name.empty() && hint != hints_.end()) name = hint->second;
    if (name.empty()) continue;
    const auto where = defined_.find(value);
    diagnostic.Defined(name, ir::ToString(value->type), where == defined_.end() ? SourceRange() : where->second);
  }
  return diagnostic;
}

absl::optional<Item> Lowering::FindInUnit(int unit, absl::string_view name) const {
  for (const ast::Definition& definition : module_.units[unit]->file.definitions) {
    if (const auto* function = definition.As<ast::Function>(); function != nullptr && function->name.text == name) {
      return Item(FunctionItem{function, unit});
    }
    if (const auto* layer = definition.As<ast::Layer>(); layer != nullptr && layer->name.text == name) {
      return Item(LayerItem{layer, unit});
    }
  }
  return absl::nullopt;
}

absl::optional<Item> Lowering::LookUpGlobal(const std::string& name, int unit, SourceRange where) {
  if (auto own = FindInUnit(unit, name)) return own;
  std::vector<std::pair<int, Item>> found;
  for (int import : module_.units[unit]->imports) {
    if (auto item = FindInUnit(import, name)) found.emplace_back(import, *item);
  }
  if (found.size() > 1) {
    Error(ErrorKind::kAmbiguousName, where,
          absl::StrCat(name, " comes from two imports, ", module_.units[found[0].first]->file.source->path(), " and ",
                       module_.units[found[1].first]->file.source->path()))
        .Help(absl::StrCat("say which one: ", module_.units[found[0].first]->stem, ".", name));
    return Item(Poison());
  }
  if (found.size() == 1) return found[0].second;
  for (size_t i = 0; i < module_.units.size(); ++i) {
    if (!module_.units[i]->library) continue;
    if (auto item = FindInUnit(static_cast<int>(i), name)) return item;
  }
  if (name == "step" || name == "epoch") {
    ir::Value* raw = name == "step" ? UpdateCount() : StepInput(name);
    return Item(TensorItem{ConvertTo(raw, ir::DType::kF64), true});
  }
  if (name == "training") return Item(entry_ == Entry::kStep);
  if (name == "pi") return Item(Number::Float(3.141592653589793));
  if (name == "float") return Item(*ElementType({name, where}));
  if (auto type = ir::ParseDType(name)) return Item(*type);
  if (IsBuiltin(name)) return Item(BuiltinItem{name});
  return absl::nullopt;
}

std::vector<std::string> Lowering::VisibleNames() const {
  std::vector<std::string> names = BuiltinNames();
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    for (const auto& [name, binding] : scope->names) names.push_back(name);
  }
  const int unit = scope_ == nullptr ? 0 : scope_->unit;
  for (size_t i = 0; i < module_.units.size(); ++i) {
    const auto& imports = module_.units[unit]->imports;
    const bool visible = static_cast<int>(i) == unit || module_.units[i]->library ||
                         std::find(imports.begin(), imports.end(), static_cast<int>(i)) != imports.end();
    if (!visible) continue;
    for (const ast::Definition& definition : module_.units[i]->file.definitions) {
      if (const auto* function = definition.As<ast::Function>()) names.push_back(function->name.text);
      if (const auto* layer = definition.As<ast::Layer>()) names.push_back(layer->name.text);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Item Lowering::UnknownName(const std::string& name, SourceRange where) {
  Diagnostic& diagnostic = Error(ErrorKind::kUnknownName, where, absl::StrCat("unknown name ", name));
  const std::string foreign = HelpForForeignName(name);
  const std::string nearest = Nearest(name, VisibleNames());
  if (!foreign.empty()) {
    diagnostic.Help(foreign);
  } else if (!nearest.empty()) {
    diagnostic.Help(absl::StrCat("did you mean ", nearest, "?"));
  }
  return Poison();
}

Item Lowering::LookUp(const std::string& name, SourceRange where) {
  const std::vector<std::string> parts = absl::StrSplit(name, '.');
  Item item;
  size_t next = 1;
  if (const Binding* binding = scope_ == nullptr ? nullptr : scope_->Find(parts[0])) {
    item = binding->item;
  } else if (auto global = LookUpGlobal(parts[0], scope_ == nullptr ? 0 : scope_->unit, where)) {
    item = *std::move(global);
  } else {
    bool found = false;
    if (parts.size() > 1) {
      for (size_t i = 0; i < module_.units.size() && !found; ++i) {
        if (module_.units[i]->stem != parts[0]) continue;
        if (auto qualified = FindInUnit(static_cast<int>(i), parts[1])) {
          item = *std::move(qualified);
          found = true;
          next = 2;
        }
      }
    }
    if (!found) return UnknownName(parts[0], where);
  }
  for (; next < parts.size() && !item.poisoned(); ++next) item = MemberOf(item, parts[next], where);
  return item;
}

Item Lowering::MemberOf(const Item& object, const std::string& member, SourceRange where) {
  if (object.poisoned()) return object;
  if (const auto* instance = object.As<std::shared_ptr<Instance>>()) {
    Instance& i = **instance;
    if (!i.built)
      return Fail(ErrorKind::kLayerWithoutName, where,
                  absl::StrCat("this layer needs a name before its ", member, " is read"));
    const auto found = i.scope.names.find(member);
    if (found != i.scope.names.end()) return found->second.item;
    std::vector<std::string> members;
    for (const auto& [name, binding] : i.scope.names) members.push_back(name);
    std::sort(members.begin(), members.end());
    Diagnostic& diagnostic =
        Error(ErrorKind::kUnknownMember, where,
              absl::StrCat(i.path, ", an instance of ", i.layer.layer->name.text, ", has no ", member));
    const std::string nearest = Nearest(member, members);
    diagnostic.Help(nearest.empty() ? absl::StrCat("it has ", absl::StrJoin(members, ", "))
                                    : absl::StrCat("did you mean ", i.path, ".", nearest, "?"));
    return Poison();
  }
  if (const ListItem* list = object.As<ListItem>()) {
    int64_t index = 0;
    if (absl::SimpleAtoi(member, &index)) {
      if (index < static_cast<int64_t>(list->items->size())) return (*list->items)[index];
      return Fail(ErrorKind::kIndexRange, where,
                  absl::StrCat("item ", member, " of a list of ", list->items->size(), " items"));
    }
  }
  if (const TensorItem* tensor = object.As<TensorItem>(); tensor != nullptr && member == "type") {
    return tensor->value->type.element;
  }
  Diagnostic& diagnostic =
      Error(ErrorKind::kUnknownMember, where, absl::StrCat(Describe(object), " has no member ", member));
  if (object.As<TensorItem>() != nullptr) {
    const std::string nearest = Nearest(member, {"T", "shape", "type"});
    const std::string call = Nearest(member, VisibleNames());
    diagnostic.Help(!nearest.empty() ? absl::StrCat("did you mean .", nearest, "?")
                    : call == member ? absl::StrCat("functions stand before their arguments: ", member, "(x)")
                                     : "a tensor has .T, .shape and .type");
  }
  return Poison();
}

std::string Lowering::FullName(const std::string& name) const {
  return scope_->prefix.empty() ? name : absl::StrCat(scope_->prefix, ".", name);
}

void Lowering::NameValue(const std::string& full, ir::Value* value, SourceRange where, int statement_start) {
  if (value->definition == nullptr || ir::IsDeclaration(value->definition->op)) return;
  if (value->definition->op == ir::Op::kConstant && value->type.rank() == 0) return;
  // A name that an inlined call gave within this statement gives way to that of the statement.
  if (!value->name.empty() && serial_[value] < statement_start) return;
  value->name = names_.Unique(full);
  defined_[value] = UserPlace(where);
}

void Lowering::NameItem(const std::string& full, const Item& item, SourceRange where, int statement_start) {
  if (const TensorItem* tensor = item.As<TensorItem>()) {
    NameValue(full, tensor->value, where, statement_start);
  } else if (const auto* instance = item.As<std::shared_ptr<Instance>>()) {
    if ((*instance)->built) return;
    (*instance)->path = full;
    Build(**instance);
  } else if (const ListItem* list = item.As<ListItem>()) {
    for (size_t i = 0; i < list->items->size(); ++i) {
      NameItem(absl::StrCat(full, ".", i), (*list->items)[i], where, statement_start);
    }
  }
}

void Lowering::Hint(const Item& item, const std::string& full) {
  const TensorItem* tensor = item.As<TensorItem>();
  if (tensor != nullptr && tensor->value->name.empty()) hints_.emplace(tensor->value, full);
}

void Lowering::NameInstances(const std::string& full, const Item& item, SourceRange where) {
  if (HoldsNewInstance(item)) NameItem(full, item, where, created_);
}

bool Lowering::Declare(const ast::Identifier& name, Item item) {
  const auto found = scope_->names.find(name.text);
  if (found != scope_->names.end()) {
    Error(ErrorKind::kDeclaredTwice, name.range, absl::StrCat(name.text, " is declared already"))
        .Defined(name.text, Describe(found->second.item), found->second.where);
    return false;
  }
  scope_->names[name.text] = {std::move(item), name.range, true};
  return true;
}

void Lowering::Bind(const ast::Identifier& name, Item item, int statement_start) {
  const bool instance = HoldsInstance(item);
  const bool fresh = HoldsNewInstance(item);
  if (fresh && IsAdjointPrefix(name.text)) {
    Error(ErrorKind::kReservedName, name.range,
          absl::StrCat("an instance cannot be called ", name.text,
                       ": that is what the gradient of its parameters is called"));
    scope_->names.insert({name.text, {Poison(), name.range, false}});
    return;
  }
  const auto found = scope_->names.find(name.text);
  if (found != scope_->names.end() && (found->second.declared || fresh)) {
    Diagnostic& diagnostic = Error(ErrorKind::kDeclaredTwice, name.range,
                                   absl::StrCat(name.text, " is declared already, and only values are bound again"))
                                 .Defined(name.text, Describe(found->second.item), found->second.where);
    if (fresh) diagnostic.Help("a list holds several instances: repeat(n) layer(…), or [layer(…) for i in range(n)]");
    if (scope_->states.contains(name.text))
      diagnostic.Help(absl::StrCat("next ", name.text, " = … is its value in the next step"));
    return;
  }
  NameItem(FullName(name.text), item, name.range, statement_start);
  scope_->names[name.text] = {std::move(item), name.range, instance};
}

}  // namespace gradus::frontend
