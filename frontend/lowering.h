// The evaluator behind frontend/lower.h; only the lower*.cc files include this.
//
// An expression is evaluated once, in order: static numbers, lists, layers and functions on the spot, tensors by
// appending statements to the graph. After an error an expression is Poison, and what meets Poison is silent, so one
// mistake is one report and lowering goes on.
//
//   lower_names.cc         scopes, reports, names of values
//   lower_expression.cc    expressions, casts, literals
//   lower_elementwise.cc   the rows of ops.def
//   lower_contraction.cc   `@`, einsum
//   lower_index.cc         `x[…]`
//   lower_call.cc          functions, layers, vjp
//   lower_builtins.cc      reductions, movement, lists
//   lower_loop.cc          scan
//   lower_branch.cc        while, cond
//   lower_gradient.cc      grad
//   lower_random.cc        random bits and their keys, initialisers
//   lower_statement.cc     declarations and statements
//   lower_model.cc         models and their entries
//   lower_warnings.cc       what is hardly ever meant
//   lower_train.cc         settings and objectives of a recipe
//   lower_update.cc        accumulation, clipping, optimizers, averages
//   lower_metric.cc        metrics
//   lower_data.cc          data
//   lower_finish.cc        the statements in their final order and names
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "frontend/item.h"
#include "frontend/lower.h"
#include "frontend/suggest.h"
#include "ir/builder.h"
#include "ir/convolution.h"

namespace gradus::frontend {

// Sets a variable and restores it at the end of the block.
template <typename T>
class Restore {
 public:
  Restore(T& variable, T value) : variable_(variable), old_(std::exchange(variable, std::move(value))) {}
  ~Restore() { variable_ = std::move(old_); }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T& variable_;
  T old_;
};

// Limits of what unrolling may become, reported by name: the stack of lowering and its time are bounded by them.
inline constexpr int kMaxDepth = 1024;
inline constexpr int64_t kMaxEvaluations = int64_t{1} << 22;
inline constexpr int64_t kMaxListItems = int64_t{1} << 16;

class Lowering {
 public:
  Lowering(const Module& module, const LowerOptions& options, Entry entry, Diagnostics& diagnostics);
  ~Lowering() { diagnostics_.SetAdjust(std::move(outer_adjust_)); }
  Lowering(const Lowering&) = delete;
  Lowering& operator=(const Lowering&) = delete;

  // The whole of a recipe or a model; then, if nothing was reported, the graph.
  void LowerModel(const ast::Model& model, int unit, const ast::Train* train, int train_unit);
  ir::Graph Finish(std::string name);
  const Program& program() const { return program_; }
  Program TakeProgram() { return std::move(program_); }
  // Data and the expressions of metrics are lowered too.
  void DescribeAlso() { describe_ = true; }

  void LowerCheck(const ast::Model& model, int unit, const ast::Check& check, Check* result);
  // The initial values of declarations: outputs of the graph, in order.
  struct Initial {
    std::string name;
    ir::Type type;
    Item initializer;
    SourceRange where;
  };
  void LowerInitial(absl::Span<const Initial> initial);
  // Of the params, then of the states: as a graph declares them.
  std::vector<Initial> initial() const;
  // The value of `fn initial() = …`, as an initialiser; the name of one of the `earlier` parameters means a copy.
  Item EvaluateInitializer(const ast::Expression& expression, const std::map<std::string, ir::Value*>& earlier);

 private:
  friend struct BuiltinTable;
  using Op = ir::Op;
  using Items = std::vector<Item>;

  // ---- lower_names.cc
  void Place(Diagnostic& diagnostic) const;
  Diagnostic& Error(ErrorKind kind, SourceRange where, absl::string_view message) {
    return diagnostics_.Error(kind, where, message);
  }
  Diagnostic& Error(SourceRange where, const absl::Status& status) { return diagnostics_.Error(where, status); }
  Item Fail(ErrorKind kind, SourceRange where, absl::string_view message) {
    Error(kind, where, message);
    return Poison();
  }
  Item Fail(SourceRange where, const absl::Status& status) {
    Error(where, status);
    return Poison();
  }
  // Adds a line for every operand that has a name.
  Diagnostic& WithOperands(Diagnostic& diagnostic, absl::Span<ir::Value* const> values);
  bool IsLibrary(SourceRange where) const;
  // Where a reader looks for it: `where`, or the user's call that led into the library.
  SourceRange UserPlace(SourceRange where) const;
  ir::Note NoteAt(SourceRange where) const;
  Item LookUp(const std::string& name, SourceRange where);
  absl::optional<Item> LookUpGlobal(const std::string& name, int unit, SourceRange where);
  absl::optional<Item> FindInUnit(int unit, absl::string_view name) const;
  Item UnknownName(const std::string& name, SourceRange where);
  Item MemberOf(const Item& object, const std::string& member, SourceRange where);
  std::vector<std::string> VisibleNames() const;
  // `h` in the scope of `fc1`: `fc1.h`.
  std::string FullName(const std::string& name) const;
  // Gives an item its name: a tensor that has none or a local one, an instance, the items of a list.
  void Bind(const ast::Identifier& name, Item item, int statement_start);
  void NameItem(const std::string& full, const Item& item, SourceRange where, int statement_start);
  void NameInstances(const std::string& full, const Item& item, SourceRange where);
  void NameValue(const std::string& full, ir::Value* value, SourceRange where, int statement_start);
  void Hint(const Item& item, const std::string& full);
  bool Declare(const ast::Identifier& name, Item item);

  // ---- lower_expression.cc
  Item Evaluate(const ast::Expression& e);
  Item EvaluateNode(const ast::Expression& e);
  Item EvaluateBinary(const ast::Binary& binary, SourceRange range);
  Item EvaluateUnary(const ast::Unary& unary, SourceRange range);
  Item EvaluateComprehension(const ast::Comprehension& c, SourceRange range);
  Item EvaluateRepeat(const ast::Repeat& repeat, SourceRange range);
  Item EvaluateMember(const ast::Member& member, SourceRange range);
  Item EvaluateLogic(const ast::Binary& binary, SourceRange range);
  absl::optional<Item> CompareStatic(const ast::Binary& binary, const Item& a, const Item& b);
  Item Cast(ir::DType type, const Item& item, SourceRange where);
  // Null, and reported, where the item is no tensor and cannot become one.
  ir::Value* AsTensor(const Item& item, SourceRange where, absl::optional<ir::DType> type = {});
  ir::Value* Literal(const Item& item, ir::DType type, SourceRange where);
  absl::optional<ir::Tensor> LiteralTensor(const Item& item, ir::DType type, SourceRange where);
  absl::optional<ir::DType> NaturalType(const Item& item) const;
  absl::optional<int64_t> AsInteger(const Item& item, SourceRange where, absl::string_view what);
  absl::optional<double> AsReal(const Item& item, SourceRange where, absl::string_view what);
  absl::optional<bool> AsBool(const Item& item, SourceRange where, absl::string_view what);
  absl::optional<ir::Shape> AsShape(const Item& item, SourceRange where);
  absl::optional<Items> AsItems(const Item& item, SourceRange where, absl::string_view what);
  absl::optional<ir::DType> AsType(const Item& item, SourceRange where);
  absl::optional<ir::Type> EvaluateType(const ast::TypeExpression& type);
  // The extents that a dim of a type stands for: one, or those of a list.
  absl::optional<ir::Shape> EvaluateDim(const ast::Expression& dim);
  bool CheckExtent(int64_t extent, SourceRange where);
  absl::optional<ir::DType> ElementType(const ast::Identifier& name);

  // ---- the graph
  // What `expressions_` made of its operands, with everything that it appended on the way. The operands are as the
  // current region sees them.
  Item Made(ir::Value* value);
  Operand AsOperand(ir::Value* value, SourceRange where);
  // Appends an operation; null, and reported, where the operands do not fit it.
  ir::Value* Emit(Op op, std::vector<ir::Value*> operands, std::vector<ir::AttributeValue> attributes = {});
  Item EmitItem(Op op, std::vector<ir::Value*> operands, std::vector<ir::AttributeValue> attributes = {});
  void Added(ir::Value* value);
  ir::Value* Constant(ir::Tensor value);
  // The value as the current region sees it: itself, or the parameter that captures it.
  ir::Value* Import(ir::Value* value);
  ir::Value* ImportAt(ir::Value* value, size_t level);
  ir::Value* ConvertTo(ir::Value* value, ir::DType type);
  // The i64 scalar `step`, `epoch` or `seed`: an input, or a literal where counters_ has it.
  ir::Value* StepInput(const std::string& name);

  // ---- lower_elementwise.cc
  Item Elementwise(Op op, const Items& operands, SourceRange where);
  Item Power(const Item& base, const Item& exponent, SourceRange where);
  ir::Value* IntegerPower(ir::Value* base, int64_t exponent);
  Item ReportBroadcast(Op op, absl::Span<ir::Value* const> values, SourceRange where);

  // ---- lower_contraction.cc
  Item EvaluateMatmul(const ast::Binary& binary);
  Item Einsum(const Items& arguments, SourceRange where);
  std::optional<std::string> EinsumBand(const Item& argument, const std::string& spec, const std::string& product,
                                        const std::map<char, int64_t>& extents, SourceRange where);
  ir::Value* SumAxes(ir::Value* value, ir::Ints axes);

  // ---- lower_index.cc
  Item EvaluateIndex(const ast::Index& index, SourceRange range);
  Item IndexList(const Items& list, const ast::Index& index, SourceRange range);
  Item IndexTensor(ir::Value* value, const ast::Index& index, SourceRange range);

  // ---- lower_call.cc
  Item EvaluateCall(const ast::Call& call, SourceRange range);
  Item CallFunction(const FunctionItem& function, std::vector<std::pair<std::string, Item>> arguments, Scope* parent,
                    const std::string& prefix, SourceRange range);
  Item CallBuiltin(const std::string& name, const ast::Call& call, SourceRange range);
  Item MakeInstance(const LayerItem& layer, std::vector<std::pair<std::string, Item>> arguments, SourceRange range);
  Item Apply(Instance& instance, std::vector<std::pair<std::string, Item>> arguments, SourceRange range);
  void Build(Instance& instance);
  // Positional arguments get the names of their parameters.
  absl::optional<std::vector<std::pair<std::string, Item>>> BindArguments(const std::string& what,
                                                                          const std::vector<ast::Parameter>& parameters,
                                                                          const ast::Call& call, size_t skip);
  // Fills a scope with the arguments and the defaults of the rest.
  bool FillParameters(const std::string& what, const std::vector<ast::Parameter>& parameters,
                      std::vector<std::pair<std::string, Item>> arguments, Scope& scope, SourceRange range);
  std::string RuleText(const ast::Function& function) const;
  Item CustomVjp(const ast::Function& function, Scope& scope, const std::vector<ir::Value*>& tensors,
                 const Item& result, SourceRange range);
  bool Enter(const std::string& what, SourceRange call);

  // ---- lower_builtins.cc: `arguments` as the row of the table names them, None where absent.
  Item Reduce(const std::string& name, const Items& arguments, SourceRange where);
  Item Builtin(const std::string& name, const Items& arguments, SourceRange where);
  Item Movement(const std::string& name, const Items& arguments, SourceRange where);
  Item Grad(const Items& arguments, SourceRange where);
  absl::optional<int64_t> Axis(const Item& item, int64_t rank, SourceRange where);
  absl::optional<ir::Ints> Axes(const Item& item, int64_t rank, SourceRange where);
  // What y is computed from through values that carry a gradient; with `through_cuts`, in any way. With y itself.
  absl::flat_hash_set<const ir::Value*> DependenciesOf(const ir::Value* y, bool through_cuts = false) const;
  // One statement for the gradients of y by xs; names its results.
  std::vector<ir::Value*> EmitGrad(ir::Value* y, const std::vector<ir::Value*>& xs, SourceRange where);

  // ---- lower_window.cc
  Item Window(const std::string& name, const Items& arguments, SourceRange where);
  Item MoveChannels(bool to_the_end, const Items& arguments, SourceRange where);
  Item ListPerAxis(const Items& arguments, SourceRange where);
  bool Padding(const Item& item, std::vector<ir::WindowAxis>& axes, SourceRange where);
  absl::optional<ir::Ints> PerAxis(const Item& item, size_t rank, int64_t otherwise, absl::string_view what,
                                   SourceRange where);

  // ---- lower_loop.cc, lower_branch.cc
  Item EvaluateScan(const ast::Scan& scan, SourceRange range);
  Item EvaluateWhile(const ast::While& loop, SourceRange range);
  Item EvaluateCond(const ast::Cond& cond, SourceRange range);
  void ExecuteBody(const ast::Block& block, absl::string_view what);
  void ExecuteYield(const ast::Yield& yield, SourceRange where);
  bool ExecuteLoopNext(const ast::Next& next);
  bool EvaluateCarries(const std::vector<ast::Carry>& carries, LoopScope& loop, std::vector<ir::Value*>& initial);
  bool CheckNexts(const LoopScope& loop);
  const LoopScope::Carry* WholeCarry(const ir::Value& value) const;
  static std::string BeginAsFloat(const LoopScope::Carry& carry);
  // Runs `body` with statements going to the region of `statement`; false after an error.
  bool InRegion(ir::Statement& statement, LoopScope& loop, const std::function<void(Scope&)>& body);
  ir::Value* RegionParameter(std::vector<std::unique_ptr<ir::Value>>& parameters, const std::string& name,
                             const ir::Type& type, SourceRange where);
  // The results; empty after an error.
  std::vector<ir::Value*> AppendLoop(std::unique_ptr<ir::Statement> statement,
                                     std::vector<std::unique_ptr<ir::Value>> parameters,
                                     std::vector<ir::Value*> operands, SourceRange where);
  std::vector<ir::Value*> AppendCheckpointed(std::unique_ptr<ir::Statement> steps,
                                             std::vector<std::unique_ptr<ir::Value>> parameters,
                                             std::vector<ir::Value*> operands, int64_t every, SourceRange where);
  ir::Value* MoveAxis(ir::Value* value, int64_t from, int64_t to);

  // ---- lower_random.cc
  // The seed of a value drawn here: another one in every step of the scans around.
  ir::Value* SeedHere();
  Item RandomBits(const Items& arguments, SourceRange where);
  Item InitialValue(const Item& initializer, const ir::Type& type, const std::string& path, SourceRange where);
  bool IsLibraryInitializer(absl::string_view name) const;
  std::string InitializerText(const Item& initializer, const ir::Type& type, SourceRange where);

  // ---- lower_statement.cc
  // Whether a `return` was met; its value is in returned_.
  bool Execute(const ast::Block& block);
  bool ExecuteStatement(const ast::Statement& statement);
  void ExecuteDim(const ast::Dim& dim);
  void ExecuteDeclaration(const ast::Declaration& declaration);
  void ExecuteAssignment(const ast::Assignment& assignment);
  void ExecuteNext(const ast::Next& next);
  bool ExecuteFor(const ast::For& loop);
  void BindVariables(const std::vector<ast::Identifier>& names, Item item, SourceRange where);
  void CommitStates(Scope& scope);

  // ---- lower_model.cc
  void OverrideDims(const ast::Model& model, const std::vector<ast::Argument>& arguments, int unit);
  void AddOutput(const std::string& name, ir::Value* value, SourceRange where);

  // ---- lower_train.cc
  void LowerTrain(const ast::Train& train, int unit);
  struct Objective;
  void ReadSettings(const ast::Train& train);
  void LowerMetric(const ast::Metric& metric, SourceRange where);
  void LowerData(const ast::Data& data, SourceRange where);
  ir::Value* AddSource(Source source);
  Item TextSource(const Items& arguments, SourceRange where);
  // A list of the rank of the input, in an expression of data that names no file, is where its examples come from;
  // anything else stays as it is.
  Item AsSource(const Item& item, SourceRange where);
  // The dims and other static names of a model, for an expression beside it.
  void InheritStatics(const Lowering& other);
  bool LowerObjective(Objective& objective);
  void NoteLeftOut(const std::vector<Objective>& objectives);

  // ---- lower_warnings.cc
  std::string MadeBy(const ir::Value* value) const;
  void NoteMaker(const Item& result, const ast::Identifier& maker);
  void WarnOfArguments(const ast::Function& function, const Item* first, SourceRange call);
  void WarnOfPairs(absl::Span<ir::Value* const> values, SourceRange where);

  // ---- lower_update.cc
  struct Group;
  // The number of this step's update, from 1: an i64 scalar.
  ir::Value* UpdateCount();
  // A function or layer of the library alone.
  absl::optional<Item> FromLibrary(absl::string_view name) const;
  // A bool of the step, hinted `name`: whether count % every == 0.
  ir::Value* EveryTime(ir::Value* count, int64_t every, const std::string& name, SourceRange where);
  absl::optional<std::vector<std::pair<std::string, Item>>> RecipeArguments(
      const std::string& what, const std::vector<ast::Parameter>& parameters, const ast::Call* call, SourceRange where);
  bool ReadGroups(const Objective& objective, std::vector<Group>& groups);
  void Accumulate(Objective& objective);
  bool Clip(Objective& objective);
  absl::optional<Item> AverageDecay();
  void Update(Objective& objective);

  // ---- lower_finish.cc
  void Prune(ir::Graph& graph) const;
  void SettleNames(ir::Graph& graph);

  struct Frame {
    std::string what;
    SourceRange call;
  };
  struct RegionContext {
    ir::Statement* statement;
    ir::Region* region;
    absl::flat_hash_map<const ir::Value*, ir::Value*> captured;
    std::unique_ptr<ir::Value> index;  // of a scan in which values are drawn: the parameter for the number of the step
  };

  const Module& module_;
  const LowerOptions& options_;
  const Entry entry_;
  Diagnostics& diagnostics_;
  Diagnostics::Adjust outer_adjust_;
  Program program_;

  ir::Graph graph_;
  ir::Builder builder_;
  ExpressionBuilder expressions_;
  ir::Region inputs_, params_, states_;  // declarations, joined at the end
  std::vector<Initial> initial_params_, initial_states_;
  std::vector<RegionContext> regions_;
  ir::NameTable names_;
  absl::flat_hash_map<const ir::Value*, std::string> hints_;
  absl::flat_hash_map<const ir::Value*, SourceRange> defined_;
  absl::flat_hash_map<const ir::Value*, size_t> level_;  // regions around the value
  absl::flat_hash_map<const ir::Value*, int> serial_;    // order of creation
  int created_ = 0;
  int depth_ = 0;
  int64_t evaluations_ = 0;
  int gradients_ = 0;
  std::map<std::string, int64_t> counters_;                  // step, epoch, seed where they are literals
  std::map<std::string, ir::Value*> counter_inputs_;         // and where they are inputs
  std::map<std::string, std::pair<Item, SourceRange>> fed_;  // a check: the values of inputs
  std::string draw_path_;  // what random values are drawn for: an instance, a parameter, a statement of the model
  std::map<std::string, int> draws_;
  std::map<uint64_t, std::string> keys_;
  std::string of_;  // what the notes of statements say they come from: `adam`

  Scope model_scope_;
  Scope* scope_ = nullptr;
  std::deque<Scope> kept_scopes_;  // of functions: what a scope holds may outlive the call
  std::vector<Frame> frames_;
  SourceRange place_;
  std::string statement_name_;
  Item returned_;
  bool in_function_ = false;
  std::vector<Source>* sources_ = nullptr;  // where strings are data files: of the input `source_type_`
  ir::Type source_type_;
  bool sources_are_lists_ = false;
  std::map<std::string, int64_t> dim_overrides_;
  std::set<std::string> dims_seen_;
  std::string batch_dim_;
  std::vector<const ast::Output*> pending_outputs_;         // read after the model: they mean the last binding
  std::vector<std::unique_ptr<StateSlot>> slots_;           // in the order of declaration
  std::vector<std::pair<ir::Value*, ir::Value*>> updates_;  // params and their next values
  std::set<const ir::Value*> updated_;
  std::vector<std::shared_ptr<Instance>> optimizers_;  // and what else a recipe keeps of a parameter
  const ast::TrainItem* clip_ = nullptr;
  const ast::TrainItem* ema_ = nullptr;
  SourceRange accumulate_place_;
  ir::Value* update_ = nullptr;  // the count of updates, where it is not `step`
  ir::Value* due_ = nullptr;     // of the step: whether this batch completes an update; null: every one does
  ir::ValueMap averages_;        // params and the averages of their values
  bool describe_ = false;
  absl::flat_hash_map<const ir::Value*, std::string> made_by_;  // the function of the library that a value comes from
};

}  // namespace gradus::frontend
