// Lowering: a model, or a recipe that trains one, becomes graphs (ir/graph.h).
//
// Functions and layers are inlined, loops over lists unrolled, sizes and attributes evaluated; what remains is
// operations on tensors, named as language.md §3 says. `grad` and `minimize` become `grad` statements that backprop
// fills; optimizers, ordinary layers of the library, are instantiated once a parameter on their results.
//
// Inputs that lowering adds, present only where something uses them: `step : i64` (from 1), `epoch : i64` (from 1) and
// `seed : i64`. Scalars computed from step or epoch are f64 and round once on meeting a tensor.
//
// Errors are InvalidArgument with the whole rendered text (frontend/diagnostics.h).
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "frontend/program.h"
#include "ir/graph.h"

namespace gradus::frontend {

enum class Entry {
  kStep,        // forward, gradients, updates; outputs the objectives and what metrics read; `training` holds
  kEvaluate,    // forward alone, every `next` dropped; the same outputs
  kPredict,     // what `output` names, and the inputs that it needs
  kInitialize,  // outputs the initial value of every param and state, under its name
};

struct LowerOptions {
  std::string name;                        // of a train or a model; empty: the only train, else the only model
  std::map<std::string, std::string> set;  // `B` -> `128`; `float` -> `f64`
  std::set<std::string> fed;               // inputs with an initialiser that are fed instead of drawn
  bool keep_rules = false;  // of functions with a vjp, where no gradient is taken: for who takes one later
};

// `text("corpus.txt", window=T, shift=1)`: how examples are cut from a file of text.
struct TextWindows {
  int64_t window = 0;       // characters an example
  int64_t shift = 0;        // how far behind the window of the same number without a shift
  int64_t stride = 0;       // from the start of a window to that of the next
  double from = 0, to = 1;  // the share of the file that is cut
  std::string vocabulary;   // the file whose characters are numbered; empty: the same file
  bool bytes = false;       // bytes are the characters
};

// A file or literal from which an input is filled.
struct Source {
  std::string path;  // as written; empty: a literal
  absl::optional<ir::Tensor> literal;
  std::string place;                 // `mlp.gr:19:17`, for messages
  absl::optional<TextWindows> text;  // the file is text
};

// `data x = "a.npy" / 255`: the sources, converted to the declared type and reshaped to the declared shape of a batch,
// are the inputs `source0`, `source1`, … of `transform`, whose only output is the input's value. No transform: the only
// source is the value. For another batch size lower again with `set`.
struct DataBinding {
  std::string input;
  std::vector<Source> sources;
  absl::optional<ir::Graph> transform;
};

struct ProgramInput {
  std::string name;
  ir::Type type;
  int64_t batch_axis = -1;  // the axis of the batch dim; -1: fed whole
  bool drawn = false;       // has an initialiser: drawn at every step unless fed
};

// A metric is computed on the averages of what it reads. `post` has scalar inputs named as `reads` and one output; no
// `post`: the metric is the average of reads[0].
struct Metric {
  std::string name;
  std::vector<std::string> reads;  // outputs of the step and evaluate entries
  absl::optional<ir::Graph> post;
};

// What a recipe says beside the graphs.
struct Program {
  std::string name;  // of the recipe or the model
  std::string model;
  bool trains = false;    // there is a recipe: kStep and kEvaluate exist
  std::string batch_dim;  // `B`; empty: no batch
  int64_t batch = 0;      // its size
  absl::optional<int64_t> epochs;
  absl::optional<int64_t> steps;
  int64_t seed = 0;
  int64_t accumulate = 1;  // batches an update: the step entry runs that often for it
  std::vector<ir::NamedSize> dims;
  std::vector<ProgramInput> inputs;     // of the model, as declared
  std::vector<std::string> objectives;  // outputs of the step, in text order
  std::vector<Metric> metrics;          // as declared; the objectives are not among them
  std::vector<std::string> outputs;     // outputs of kPredict
  std::vector<DataBinding> data;
  std::vector<DataBinding> validate;
  std::string warnings;            // rendered; empty where nothing looks like a mistake
  std::vector<std::string> notes;  // `mlp.gr:9:3: note: w is not trained: …`: no errors, but hardly meant
};

// Everything but the graphs. Lowers every entry once to find what is wrong with the program.
absl::StatusOr<Program> Describe(const Module& module, const LowerOptions& options);

// One entry: `mlp.step`, `mlp.evaluate`, `mlp.predict`, `mlp.initialize`. Step, evaluate and predict declare the same
// params and states in the same order; initialize declares none and has one output for each of them, in that order.
absl::StatusOr<ir::Graph> Lower(const Module& module, const LowerOptions& options, Entry entry);

// The initialize entry of a printed graph, from the initialisers that its declarations carry.
absl::StatusOr<ir::Graph> LowerInitializers(const ir::Graph& graph);

// `check textbook(x=[1, 0], t=[1]) { loss ~ 0.0526 tol 1e-4 }`.
struct Expectation {
  std::string text;      // `loss`
  std::string place;     // `textbook.gr:9:3`
  std::string value;     // output of the graph
  std::string expected;  // output of the graph, of the same type
  double tolerance = 0;  // |value - expected| <= tolerance, at every element
};
struct Check {
  std::string model;
  std::string place;
  ir::Graph graph;       // inputs are literals in it; it declares the params and states of the model
  ir::Graph initialize;  // their initial values
  std::vector<Expectation> expectations;
};
// The checks of the program's own file, in text order.
absl::StatusOr<std::vector<Check>> LowerChecks(const Module& module, const LowerOptions& options);

}  // namespace gradus::frontend
