// What an expression is while a program is lowered: a tensor of the graph, or something that lowering alone knows.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "frontend/ast.h"
#include "frontend/expression_builder.h"
#include "ir/graph.h"

namespace gradus::frontend {

struct Instance;
struct Item;

// After an error: whatever meets it is silent.
struct Poison {};
struct None {};

// A weak tensor is an f64 scalar computed from `step` or `epoch`: it takes the type of the tensor that it meets.
struct TensorItem {
  ir::Value* value = nullptr;
  bool weak = false;
};

struct ListItem {
  std::shared_ptr<const std::vector<Item>> items;
};

struct BuiltinItem {
  std::string name;
};
struct FunctionItem {
  const ast::Function* function = nullptr;
  int unit = 0;  // of the module: where its global names are looked up
};
struct LayerItem {
  const ast::Layer* layer = nullptr;
  int unit = 0;
};
// `normal(std=0.02)`: a function whose first parameter is `shape`, called without it. It waits for a declaration.
struct InitializerItem {
  FunctionItem function;
  std::vector<std::pair<std::string, Item>> arguments;
};

struct Item {
  using Value = std::variant<Poison, None, TensorItem, Number, bool, std::string, ir::DType, ListItem, BuiltinItem,
                             FunctionItem, LayerItem, InitializerItem, std::shared_ptr<Instance>>;
  Value value;

  Item() = default;
  template <typename T>
    requires(std::is_constructible_v<Value, T> && !std::is_same_v<std::decay_t<T>, Item>)
  Item(T&& v) : value(std::forward<T>(v)) {}  // NOLINT: an item is written as what it is

  template <typename T>
  const T* As() const {
    return std::get_if<T>(&value);
  }
  bool poisoned() const { return As<Poison>() != nullptr; }
  bool none() const { return As<None>() != nullptr; }
};

inline Item MakeList(std::vector<Item> items) {
  return ListItem{std::make_shared<const std::vector<Item>>(std::move(items))};
}

// What a function or a loop with these results gives.
inline Item OneOrList(std::vector<Item> items) { return items.size() == 1 ? items[0] : MakeList(std::move(items)); }

// What it is, for messages: `f32[64,10]`, `a number`, `an instance of linear`.
std::string Describe(const Item& item);

// A name of a scope. A declared one (dim, input, param, state, layer instance) is not bound again.
struct Binding {
  Item item;
  SourceRange where;
  bool declared = false;
};

// The value of a state within a program: `pending` is what `next` said in the apply that is being lowered.
struct StateSlot {
  ir::Value* declared = nullptr;
  ir::Value* current = nullptr;
  ir::Value* pending = nullptr;
  SourceRange next;  // of the pending value
};

// The block of a loop or a branch while it is lowered.
struct LoopScope {
  struct Carry {
    ast::Identifier name;
    ir::Type type;
    SourceRange initial;
    bool whole = false;  // begins with a whole number that says no type
    ir::Value* next = nullptr;
    SourceRange place;    // of the next value
    bool failed = false;  // its next value was wrong
  };
  std::vector<Carry> carries;
  bool may_yield = true;
  bool yielded = false;
  std::vector<Item> yields;
  std::vector<SourceRange> places;  // of the yields
  std::unique_ptr<ir::Value> index;
};

// Names in the order of definition. A function has a scope of its own; that of an apply has the instance's as parent.
struct Scope {
  Scope* parent = nullptr;
  int unit = 0;
  std::string prefix;  // of the values that it names: "" in a model, `fc1`, `loss`
  absl::flat_hash_map<std::string, Binding> names;
  std::map<std::string, StateSlot*> states;
  Instance* owner = nullptr;  // the scope of the members of an instance
  LoopScope* loop = nullptr;  // the scope of the block of a loop or a branch

  Binding* Find(absl::string_view name) {
    for (Scope* scope = this; scope != nullptr; scope = scope->parent) {
      const auto found = scope->names.find(name);
      if (found != scope->names.end()) return &found->second;
    }
    return nullptr;
  }
};

// A layer with its arguments. It is built, which declares its parameters, when a name is first bound to it.
struct Instance {
  LayerItem layer;
  Scope scope;  // its arguments, then its members
  std::string path;
  bool built = false;
  SourceRange where;
};

}  // namespace gradus::frontend
