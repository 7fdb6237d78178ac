// The syntax tree of a source file, exactly as it was written: the parser resolves no name and rewrites nothing.
//
// Plain data, consumed with As<Node>(), null for another kind:
//
//   if (const ast::Call* call = expression.As<ast::Call>()) …
//
// Every node carries the range of text that it was read from; ToString(range) is `file:line:column`. Sub-expressions
// are never null except where a member is marked "may be null". The depth of an expression or of nested blocks is at
// most kMaxNesting, so recursion is safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "frontend/source.h"

namespace gradus::frontend::ast {

inline constexpr int kMaxNesting = 256;  // reported as the nesting limit

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<Expression>;
using Block = std::vector<Statement>;

// A name with its place, where a name is defined or mentioned outside an expression.
struct Identifier {
  std::string text;
  SourceRange range;
};

// ----------------------------------------------------------------------------------------------------------------
// expressions

// `64`, `0.5`, `1e-3`, `inf`, `nan`, as written: the type that it meets decides how it is converted. Never negative;
// `-2` is Unary.
struct Number {
  std::string text;
  bool is_integer = false;  // digits only, or hexadecimal: `0x1f`
};
struct String {
  std::string value;  // escapes resolved
};
struct Bool {
  bool value = false;
};
struct None {};      // `none`: a new axis in an index, or an absent argument
struct Ellipsis {};  // `...`, only as an item of Index

// `x`, `fc1.w`, `blocks.0`, `h'2`, `nn.linear`: one token. A final `.T` or `.shape` is not part of it: it is a Member
// of it.
struct Name {
  std::string text;
};

enum class UnaryOperator { kNegate, kNot };
struct Unary {
  UnaryOperator op;
  SourceRange op_range;
  ExpressionPtr operand;
};

enum class BinaryOperator {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kMatrixMultiply,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAnd,
  kOr,
};
struct Binary {
  BinaryOperator op;
  SourceRange op_range;  // where the caret of an error goes
  ExpressionPtr left;
  ExpressionPtr right;
};

// An argument of a call or of a region, a check or a train: `x`, `axis=1`. A positional one has an empty name.
struct Argument {
  Identifier name;
  ExpressionPtr value;
};
// `relu(fc1(x))`, `f32(0)`, `einsum("ij->ji", a)`. The callee is usually a Name.
struct Call {
  ExpressionPtr callee;
  std::vector<Argument> arguments;
};

// One item between the brackets of an index: an expression (None and Ellipsis included), or a slice `lower:upper:step`.
struct IndexItem {
  SourceRange range;
  bool is_slice = false;
  ExpressionPtr value;  // null for a slice
  ExpressionPtr lower;  // may be null
  ExpressionPtr upper;  // may be null
  ExpressionPtr step;   // may be null
};
struct Index {
  ExpressionPtr object;
  std::vector<IndexItem> items;
};
// `x.T`, `x.shape`, and any `.name` after something that is not a name: `f(x).T`, `e[0].w`.
struct Member {
  ExpressionPtr object;
  Identifier member;
};

struct List {
  std::vector<ExpressionPtr> items;
};
// `(a, b)`, and `a, b` where a statement takes several values.
struct Tuple {
  std::vector<ExpressionPtr> items;
};
// `[value for variable in list]`
struct Comprehension {
  ExpressionPtr value;
  Identifier variable;
  ExpressionPtr list;
};
// `repeat(count) item`
struct Repeat {
  ExpressionPtr count;
  ExpressionPtr item;
};

// An argument list in front of a block of its own: `vjp(g) { … }`.
struct Parameter {
  Identifier name;
  ExpressionPtr default_value;  // may be null
};
// A region of a printed graph: `fused(x, b) { …; yield … }`, `custom_vjp(y, x, arguments=1) vjp(g) { … }`. One of the
// blocks may be missing.
struct Region {
  Identifier kind;  // `fused`, …
  std::vector<Argument> arguments;
  std::optional<Block> body;
  std::vector<Parameter> vjp_parameters;
  std::optional<Block> vjp;
};

struct Carry {
  Identifier name;
  ExpressionPtr initial;
};
// `scan a, m in xs, mask axis=1 reverse carry h = h0 checkpoint every 8 { … }`, or without lists `scan length 64 …`.
struct Scan {
  std::vector<Identifier> variables;
  std::vector<ExpressionPtr> lists;
  ExpressionPtr length;  // null where lists say it
  ExpressionPtr axis;    // may be null
  bool reverse = false;
  std::vector<Carry> carries;
  ExpressionPtr checkpoint_every;    // may be null
  std::vector<Identifier> captures;  // printed graphs
  bool recompute = false;            // printed graphs
  Block body;
};
struct Cond {
  ExpressionPtr predicate;
  Block then_block;
  Block else_block;
};
struct While {
  std::vector<Carry> carries;
  ExpressionPtr until;
  std::vector<Identifier> captures;  // printed graphs
  Block body;
};

struct Expression {
  using Node = std::variant<Number, String, Bool, None, Ellipsis, Name, Unary, Binary, Call, Index, Member, List, Tuple,
                            Comprehension, Repeat, Region, Scan, Cond, While>;
  SourceRange range;
  Node node;
  int depth = 1;  // levels of nodes, this one included

  template <typename T>
  const T* As() const {
    return std::get_if<T>(&node);
  }
};

// -----------------------------------------------------------------------------------------------------------------
// statements

// `float[B,784]`, `i32`, `like(w)`.
struct TypeExpression {
  SourceRange range;
  Identifier element;  // `float`, `f32`, …; `like`, when like is set
  ExpressionPtr like;  // may be null
  std::vector<ExpressionPtr> dims;
};

// `[of NAME] [file:]LINE:COLUMN [alias NAME …] [arena OFFSET+BYTES …]`, any subset: where a printed statement comes
// from. A statement of several results has one range of the arena for each of them, or `none`.
struct Note {
  // As ir::ArenaRange prints: OFFSET+BYTES, or in the body of a loop OFFSET+BYTES* or OFFSET+BYTES/TURN.
  struct Place {
    int64_t offset = 0;
    int64_t bytes = 0;
    bool stacked = false;
    int64_t turn = -1;
    friend bool operator==(const Place&, const Place&) = default;
  };
  SourceRange range;
  std::string of;
  std::string file;
  int line = 0;  // 0: no place
  int column = 0;
  std::vector<std::string> aliases;
  std::vector<std::optional<Place>> arena;
};

// `dim B = 64, H = 4 * B`: one statement for each of them.
struct Dim {
  Identifier name;
  ExpressionPtr value;
};
enum class DeclarationKind { kInput, kParam, kState };
// `param w : float[n,m] = he_normal`
struct Declaration {
  DeclarationKind kind;
  Identifier name;
  TypeExpression type;
  ExpressionPtr initial;  // may be null
};
// A value, or several: `h : f32[2] = …`, `q, k, v = …`. Layer instances and lists of them look the same.
struct Target {
  Identifier name;
  std::optional<TypeExpression> type;
};
struct Assignment {
  std::vector<Target> targets;
  ExpressionPtr value;
};
// `next mean = …`
struct Next {
  Identifier name;
  ExpressionPtr value;
};
// `output logits`, `output loss, acc`: one statement, in this order. In a printed graph `output acc = h` calls the
// value `h` by another name; names[i].text is empty where none is given.
struct Output {
  std::vector<Identifier> names;  // as many as values
  std::vector<ExpressionPtr> values;
};
struct Yield {
  std::vector<ExpressionPtr> values;
};
struct Return {
  std::vector<ExpressionPtr> values;
};
struct For {
  std::vector<Identifier> variables;
  ExpressionPtr list;
  Block body;
};
struct If {
  ExpressionPtr condition;
  Block then_block;
  Block else_block;  // `else if` is a block of one If
};
// `section backward`: belongs to the statements after it.
struct Section {
  Identifier name;  // `none`: no section
};

// `barrier`, in a printed graph.
struct Barrier {};

struct Statement {
  using Node = std::variant<Dim, Declaration, Assignment, Next, Output, Yield, Return, For, If, Section, Barrier>;
  SourceRange range;  // without the note
  Node node;
  int depth = 1;  // levels of nodes, this one included
  std::optional<Note> note;

  template <typename T>
  const T* As() const {
    return std::get_if<T>(&node);
  }
};

// ----------------------------------------------------------------------------------------------------------------
// definitions

struct Import {
  std::string path;
  SourceRange path_range;
};

// `fn name(a, b=1) = expression` has the body { return expression }.
struct Function {
  Identifier name;  // `apply` for that of a layer
  std::vector<Parameter> parameters;
  Block body;
  std::vector<Parameter> vjp_parameters;
  std::optional<Block> vjp;
};

struct Layer {
  Identifier name;
  std::vector<Parameter> parameters;
  Block members;
  std::optional<Function> apply;
};

struct Model {
  Identifier name;
  Block body;
};

// `fc2.*`, `*.b`, as written: names of parameters, where `*` stands for any characters.
struct Pattern {
  std::string text;
  SourceRange range;
};
// `minimize loss wrt fc2.* every 2`
struct Minimize {
  ExpressionPtr value;
  std::vector<Pattern> wrt;  // empty: all parameters
  ExpressionPtr every;       // may be null
};
// `optimizer adam(lr=1e-3) for *.b every 2`: belongs to the minimize before it, or to the only one.
struct Optimizer {
  ExpressionPtr value;
  std::vector<Pattern> parameters;  // empty: all others
  ExpressionPtr every;              // may be null
};
// `metric acc`, `metric ppl = exp(loss)`; `metric a, b` is two of them.
struct Metric {
  Identifier name;
  ExpressionPtr value;  // null: the value of that name
};
// `data x = "a.npy" / 255` and `validate …`; one of them for each input.
struct Data {
  bool validate = false;
  Identifier input;
  ExpressionPtr source;
};
enum class SettingKind { kBatch, kEpochs, kSteps, kSeed, kAccumulate, kClip, kEma };
// `batch B`, `epochs 5`, …
struct Setting {
  SettingKind kind;
  ExpressionPtr value;
};
struct TrainItem {
  using Node = std::variant<Minimize, Optimizer, Metric, Data, Setting>;
  SourceRange range;
  Node node;

  template <typename T>
  const T* As() const {
    return std::get_if<T>(&node);
  }
};
// `train char_gpt(B=4, T=256) as gpt_medium { … }`
struct Train {
  Identifier model;
  std::vector<Argument> dims;
  Identifier name;  // empty text: that of the model
  std::vector<TrainItem> items;
};

// `loss ~ 0.0526 tol 1e-4`
struct Expectation {
  SourceRange range;
  ExpressionPtr value;
  ExpressionPtr expected;
  ExpressionPtr tolerance;  // may be null
};
// `check textbook(x=[1, 0], t=[1]) { … }`
struct Check {
  Identifier model;
  std::vector<Argument> arguments;
  std::vector<Expectation> expectations;
};

// `graph mlp.step numerics 1 frozen target avx512 threads 2 { … }`
struct Graph {
  Identifier name;
  std::vector<ExpressionPtr> header;  // the words between the name and the block, in order: names, numbers, calls
  Block body;
};

struct Definition {
  using Node = std::variant<Import, Function, Layer, Model, Train, Check, Graph>;
  SourceRange range;
  Node node;

  template <typename T>
  const T* As() const {
    return std::get_if<T>(&node);
  }
};

struct File {
  std::shared_ptr<const SourceFile> source;  // what every range of the tree points into
  std::vector<Definition> definitions;
};

}  // namespace gradus::frontend::ast
