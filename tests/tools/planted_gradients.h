// Wrong gradients, planted: rules as a user might write them, and edits of a printed step.
#pragma once

namespace gradus::tools {

struct WrongRule {
  const char* what;
  const char* function;  // its vjp begins on line 2
  const char* call;
  const char* by;        // the arguments whose derivatives are wrong
  const char* how = "";  // what is said of it
};

// `k = …` is line 10 of the program; it stands between layers, so that errors spread.
inline constexpr char kProgram[] = R"(
model m {
  dim B = 4
  input x : float[B,3]
  input t : float[B,2]
  param s : float[5] = ones
  l1 = linear(3, 5); l2 = linear(5, 5); l3 = linear(5, 2)
  h = tanh(l1(x))
  k = CALL
  y = l3(k)
  loss = mean((y - t) ** 2)
}
train m { minimize loss; optimizer sgd(lr=0.1); batch B; steps 1 }
)";

inline constexpr WrongRule kWrongRules[] = {
    {"wrong sign", "fn f(x) = tanh(x)\nvjp(g) { return -g * (1 - tanh(x) ** 2) }", "f(l2(h))", "l2.z",
     "its sign is wrong"},
    {"missing factor", "fn f(x) = sin(2 * x)\nvjp(g) { return g * cos(2 * x) }", "f(l2(h))", "l2.z",
     "it is 0.5 times what it must be"},
    {"missing inner derivative", "fn f(x) = sqrt(1 + x * x)\nvjp(g) { return g * 0.5 / sqrt(1 + x * x) }", "f(l2(h))",
     "l2.z"},
    {"left operand transposed", "fn f(x, w) = x @ w\nvjp(g) { return g @ w, x.T @ g }", "f(h, l2.w)", "h"},
    {"right operand transposed", "fn f(x, w) = x @ w\nvjp(g) { return g @ w.T, (x.T @ g).T }", "f(h, l2.w)", "l2.w"},
    {"no sum over the repeated axis", "fn f(x, b) = x + b\nvjp(g) { return g, g[0, :] }", "f(h, s)", "s"},
    {"mean instead of sum", "fn f(x, b) = x * b\nvjp(g) { return g * b, mean(g * x, axis=0) }", "f(h, s)", "s",
     "it is 0.25 times what it must be"},
    {"operands swapped", "fn f(a, b) = a * b\nvjp(g) { return g * a, g * b }", "f(l2(h), h)", "h l2.z"},
    {"off by a constant", "fn f(x) = sigmoid(x)\nvjp(g) { return g * (sigmoid(x) * (1 - sigmoid(x)) + 0.001) }",
     "f(l2(h))", "l2.z"},
    {"one of two contributions", "fn f(x) = x * tanh(x)\nvjp(g) { return g * tanh(x) }", "f(l2(h))", "l2.z"},
    {"wrong for negative arguments alone",
     "fn f(x) = where(x > 0, x, 0.1 * x)\nvjp(g) { return where(x > 0, g, 0.2 * g) }", "f(l2(h))", "l2.z"},
    {"wrong for large arguments alone", "fn f(x) = x * x\nvjp(g) { return where(x > 0.5, g, 2 * g * x) }", "f(l2(h))",
     "l2.z"},
    {"softmax without its sum", "fn f(x) = softmax(x)\nvjp(g) { return g * softmax(x) }", "f(l2(h))", "l2.z"},
    {"incoming gradient forgotten", "fn f(x) = exp(x)\nvjp(g) { return exp(x) }", "f(l2(h))", "l2.z"},
    {"incoming gradient twice", "fn f(x) = exp(x)\nvjp(g) { return g * g * exp(x) }", "f(l2(h))", "l2.z"},
    {"quotient", "fn f(a, b) = a / b\nvjp(g) { return g / b, -(g * a) / b }", "f(l2(h), 2 + h)", "k.b"},
    {"absolute value", "fn f(x) = abs(x)\nvjp(g) { return g }", "f(l2(h))", "l2.z"},
    {"order not turned back", "fn f(x) = flip(x, axis=1)\nvjp(g) { return g }", "f(l2(h))", "l2.z"},
    {"parts joined the wrong way",
     "fn f(x) = concat([x[:, 2:5], x[:, 0:2]], axis=1)\nvjp(g) { return concat([g[:, 2:5], g[:, 0:2]], axis=1) }",
     "f(l2(h))", "l2.z"},
    {"one element of five", "fn f(x) = 3 * x\nvjp(g) { return g * where(arange(5) == 3, 3.003, 3) }", "f(l2(h))",
     "l2.z"},
    {"centering forgotten", "fn f(x) = x - mean(x, axis=1, keepdims=true)\nvjp(g) { return g }", "f(l2(h))", "l2.z"},
    {"gradient not passed at all", "fn f(x) = x ** 3\nvjp(g) { return 0 * g }", "f(l2(h))", "l2.z", "it is missing"},
};

struct WrongEdit {
  const char* what;
  const char* from;
  const char* to;
  const char* statement;  // forward
  const char* adjoint;    // as written
};

inline constexpr char kStepProgram[] = R"(model m {
  dim B = 4
  input x : float[B,3]
  input y : i32[B]
  l1 = linear(3, 5); l2 = linear(5, 5); l3 = linear(5, 5)
  param s : float[5] = ones
  h = relu(l1(x))
  k = tanh(l2(h)) * s + h
  n = exp(k[:, 1:5])
  r = sum(n, axis=1)
  logits = l3(k) / r[:, none]
  decay = sum(l3.w ** 2)
  loss = mean(cross_entropy(logits, y)) + 0.01 * decay
}
train m { minimize loss; optimizer sgd(lr=0.1); batch B; steps 1 }
)";

inline constexpr WrongEdit kWrongEdits[] = {
    {"another factor at the loss", "broadcast(f32(0.25), [4])", "broadcast(f32(0.5), [4])", "loss", "d.loss.ce"},
    {"a label too many", "exp(loss.lsm) - one_hot(y, 5, type=f32))", "exp(loss.lsm) - 2 * one_hot(y, 5, type=f32))",
     "loss.ce", "d.logits"},
    {"add for sub", "(exp(loss.lsm) - one_hot", "(exp(loss.lsm) + one_hot", "loss.ce", "d.logits"},
    {"sign", "sum(-(d.logits * logits) / logits'2", "sum((d.logits * logits) / logits'2", "logits", "d.r"},
    {"stale operand", "sum(-(d.logits * logits) /", "sum(-(d.logits * l3.z) /", "logits", "d.r"},
    {"product for quotient", "= d.logits / logits'2", "= d.logits * logits'2", "logits", "d.l3.z"},
    {"one row for the sum", "d.l3.b    : f32[5] = sum(d.l3.z, axis=0)", "d.l3.b    : f32[5] = d.l3.z[1, :]", "l3.z",
     "d.l3.b"},
    {"not transposed", "d.l3.z @ l3.w.T", "d.l3.z @ l3.w", "l3.a", "d.k'2"},
    {"other operand transposed", "k.T @ d.l3.z", "(k.T @ d.l3.z).T", "l3.a", "d.l3.w"},
    {"sub for add in a sum", "d.l3.w'2 + k.T", "d.l3.w'2 - k.T", "l3.a", "d.l3.w"},
    {"contribution dropped", "= d.l3.w'2 + k.T @ d.l3.z", "= k.T @ d.l3.z", "decay", "d.l3.w"},
    {"the power rule forgotten", "0.02 * l3.w", "0.01 * l3.w", "decay", "d.l3.w'2"},
    {"contribution twice", "= d.k + d.l2.z @ l2.w.T", "= d.k + d.k + d.l2.z @ l2.w.T", "k", "d.h"},
    {"padding on the other side", "0, low=[0, 1])", "0, high=[0, 1])", "n", "d.k"},
    {"chain rule forgotten", "pad(d.n * n, 0", "pad(broadcast(d.n, [4,4]), 0", "n", "d.k"},
    {"scale forgotten", "d.k * s * (1 - k'2 * k'2)", "d.k * (1 - k'2 * k'2)", "k", "d.l2.z"},
    {"add for sub in tanh", "s * (1 - k'2 * k'2)", "s * (1 + k'2 * k'2)", "k", "d.l2.z"},
    {"an operand that is not saved", "sum(d.k * k'2, axis=0)", "sum(d.k * k, axis=0)", "k", "d.s"},
    {"mask turned around", "where(l1.z > 0, d.h, 0)", "where(l1.z > 0, 0, d.h)", "h", "d.l1.z"},
    {"mask of another value", "where(l1.z > 0, d.h, 0)", "where(l2.z > 0, d.h, 0)", "h", "d.l1.z"},
    {"sum over the other axis", "d.l2.b    : f32[5] = sum(d.l2.z, axis=0)",
     "d.l2.b    : f32[5] = broadcast(sum(d.l2.z, axis=[0, 1]), [5])", "l2.z", "d.l2.b"},
    {"stale input", "x.T @ d.l1.z", "(x * x).T @ d.l1.z", "l1.a", "d.l1.w"},
    {"adjoint of the wrong layer", "h.T @ d.l2.z", "h.T @ d.k", "l2.a", "d.l2.w"},
};

// A recurrent network in whose body, on line 12, stands `k = CALL`; LOOP has `checkpoint every k`, or nothing.
inline constexpr char kLoopProgram[] = R"(
model m {
  dim B = 2
  input x : float[B,6,3]
  input t : float[B,6,4]
  param wx : float[3,4] = uniform(-1, 1)
  param wh : float[4,4] = uniform(-1, 1)
  param s : float[4] = ones
  ys, last = scan a in x axis=1 carry h = fill(0.1, [B, 4]) LOOP {
    z = a @ wx + h @ wh
    k = CALL
    next h = k; yield k * s
  }
  loss = mean((ys - t) ** 2) + sum(last ** 2)
}
train m { minimize loss; optimizer sgd(lr=0.1); batch B; steps 1 }
)";

inline constexpr WrongRule kWrongRulesInLoops[] = {
    {"wrong sign", "fn f(x) = tanh(x)\nvjp(g) { return -g * (1 - tanh(x) ** 2) }", "f(z)", "z", "its sign is wrong"},
    {"a factor too much", "fn f(x) = tanh(x)\nvjp(g) { return 2 * g * (1 - tanh(x) ** 2) }", "f(z)", "z",
     "it is 2 times what it must be"},
    {"nothing passes", "fn f(x) = sin(x)\nvjp(g) { return 0 * g }", "f(z)", "z", "it is missing"},
    {"wrong for large arguments alone",
     "fn f(x) = tanh(x)\nvjp(g) { return where(x > 0.5, 0, g * (1 - tanh(x) ** 2)) }", "f(z)", "z"},
    {"the carry forgotten", "fn f(x, h) = tanh(x) + 0.5 * h\nvjp(g) { return g * (1 - tanh(x) ** 2), 0 * g }",
     "f(z, h)", "h", "it is missing"},
    {"the sum of a captured value forgotten",
     "fn f(x, s) = tanh(x) * s\nvjp(g) { return g * s * (1 - tanh(x) ** 2), g[0, :] }", "f(z, s)", "s"},
    {"in a branch", "fn f(x) = tanh(x)\nvjp(g) { return g }", "cond(sum(a) < 100) { yield f(z) } else { yield 0 * z }",
     "z"},
    {"in a loop of the loop", "fn f(x) = tanh(x)\nvjp(g) { return -g * (1 - tanh(x) ** 2) }",
     "scan length 2 carry q = z { next q = f(q) }", "q", "its sign is wrong"},
};

// The step that `gradus grad` prints of the same with `tanh(z)`.
inline constexpr WrongEdit kWrongEditsInLoops[] = {
    {"add for sub in tanh", "(1 - k * k)", "(1 + k * k)", "k", "d.z"},
    {"an adjoint that is not passed on", "d.z = d.k * (1", "d.z = d.h * (1", "k", "d.z"},
    {"what the step behind gives is subtracted", "d.k = d.h + ", "d.k = -d.h + ", "ys.steps", "d.k"},
    {"what comes in is not scaled", "d.h + d.ys.steps * s", "d.h + d.ys.steps", "ys.steps", "d.k"},
    {"a carry that is not transposed", "next d.h = d.z @ wh.T", "next d.h = d.z @ wh", "z", "d.h"},
    {"half a carry", "next d.h = d.z @ wh.T", "next d.h = 0.5 * d.z @ wh.T", "z", "d.h"},
    {"a sum that starts anew", "next d.s = d.s + ", "next d.s = ", "ys.steps", "d.s"},
    {"a sum of something else", "sum(d.ys.steps * k, axis=0)", "sum(d.k * k, axis=0)", "ys.steps", "d.s"},
    {"a stacked adjoint twice", "    yield d.z\n", "    yield 2 * d.z\n", "ys.steps", "d.wx"},
    {"a stacked value of the wrong kind", "ys.steps.h, d.ys.steps.steps", "ys.steps.k, d.ys.steps.steps", "ys.steps",
     "d.wh"},
    {"a product of the steps that is transposed", "\"abc,abd->cd\", ys.steps.h", "\"abc,abd->dc\", ys.steps.h",
     "ys.steps", "d.wh"},
    {"the same direction", " reverse carry", " carry", "ys.steps", "d.k"},
    {"a carry that begins as something else", " carry d.h = d.last", " carry d.h = broadcast(f32(1), [2, 4])",
     "ys.steps", "d.k"},
};

}  // namespace gradus::tools
