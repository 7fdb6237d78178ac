// A proof of the gradient of a user's own program, at one point, and, where it is wrong, the statement that makes it
// so.
//
// Everything is computed in double (ir/widen.h). Each gradient is compared as a whole, a parameter at a time: along
// random directions and at single elements, with tangents that know nothing of the gradient rules, and with differences
// of the value. Then every adjoint is compared alone, given the adjoints of what reads its value: of a wrong gradient
// this names the cause and none of its consequences (gradient_equation.h). Scans are unrolled for that, and branches
// taken as they are at the point (gradient_trace.h), so that the cause is found in the body of a loop too.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ir/graph.h"
#include "ir/interpreter.h"
#include "runtime/gradient_equation.h"
#include "runtime/gradient_locate.h"

namespace gradus::runtime {

struct GradientCheckOptions {
  uint64_t seed = 1;     // of directions
  int64_t elements = 4;  // how many single elements of each parameter
  // Functions whose vjp counts as right, because it is not meant to be the derivative of their value.
  // The library's straight_through is always among them; each of these must be there.
  std::vector<std::string> trusted;
  int64_t memory_limit = 0;  // bytes that values may take; 0: half of what the machine has left
  // What is done, from 0 to 1.
  std::function<void(double fraction, absl::string_view doing)> progress;
};

// The derivative by one parameter, or by whatever else is differentiated by.
struct ParameterCheck {
  std::string name;
  ir::Shape shape;
  GradientVerdict verdict = GradientVerdict::kRight;
  Judgement along;                   // the worst of the random directions
  double error = 0;                  // relative, the worst of all that was compared
  ir::Ints element;                  // the worst single element
  double analytic = 0, numeric = 0;  // there
};

// The first statement, in order, that is not finite though everything that it reads is.
struct NotFinite {
  std::string name;
  ir::Note place;
  std::string value;  // `nan`, `inf`
  std::string rule;   // of a derivative that a custom_vjp gives: its function and where the vjp begins
};

struct GradientCheck {
  std::string of;  // `loss`
  ir::Note place;  // of the `grad` or `minimize`
  std::vector<ParameterCheck> parameters;
  std::vector<WrongDerivative> wrong;  // in the order of the statements
  absl::optional<NotFinite> not_finite;
  std::vector<std::string> notes;

  bool ok() const;
};

// Whether the values of the graph as it stands fit into half of what memory there is, each in f64; its gradient, which
// comes on top, is counted when it is there. For before anything is allocated.
absl::Status CheckGradientFits(const ir::Graph& graph);

// Of every gradient of the graph, which has unfilled `grad` statements or was printed after backpropagation. `declared`
// binds every input, param and state.
absl::StatusOr<std::vector<GradientCheck>> CheckGradients(ir::Graph graph, const ir::NamedTensors& declared,
                                                          const GradientCheckOptions& options);

}  // namespace gradus::runtime
