"""Writes the reference numbers of tests/textbook in f64: first updates of every optimizer, and derivatives of any order.

    python tests/textbook/reference.py       # where torch is installed; the files it writes are kept

A case of updates.json is an optimizer, as the language writes it, and w1, b1, w2, b2 of examples/textbook/network.gr (its default variant and
initial values) after each of three updates, one example a step.

A case of orders.json is the body of a model without inputs and what PyTorch gives for each of its outputs.
"""
import json
import math
import pathlib

import torch

torch.set_default_dtype(torch.float64)
FOLDER = pathlib.Path(__file__).parent

EXAMPLES = [([1.0, 0.0], 1.0), ([-0.5, 2.0], 0.0), ([0.3, 0.9], 0.75)]
INITIAL = {"w1": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], "b1": [0.1, -0.2, 0.3], "w2": [[0.7], [0.8], [0.9]], "b2": [-0.1]}


def write(file, cases):
    """One case a line."""
    (FOLDER / file).write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


def error(p, x, t):
    a2 = torch.sigmoid(torch.tensor(x) @ p["w1"] + p["b1"])
    a3 = torch.sigmoid(a2 @ p["w2"] + p["b2"])
    return ((a3 - t) ** 2).sum() / 2


def flat(tensor):
    return tensor.detach().flatten().tolist()


def torch_updates(text, make):
    p = {name: torch.nn.Parameter(torch.tensor(values)) for name, values in INITIAL.items()}
    optimizer = make(list(p.values()))
    steps = []
    for x, t in EXAMPLES:
        optimizer.zero_grad()
        error(p, x, t).backward()
        optimizer.step()
        steps.append({name: flat(w) for name, w in p.items()})
    return {"optimizer": text, "steps": steps}


def own_updates(text, update):
    """`update(w, g, state, step)` gives the next elements of one parameter, in plain arithmetic."""
    values = {name: flat(torch.tensor(v)) for name, v in INITIAL.items()}
    states = {name: {} for name in INITIAL}
    steps = []
    for step, (x, t) in enumerate(EXAMPLES, 1):
        p = {n: torch.tensor(v).reshape(torch.tensor(INITIAL[n]).shape).requires_grad_() for n, v in values.items()}
        error(p, x, t).backward()
        values = {n: update(values[n], flat(p[n].grad), states[n], step) for n in values}
        steps.append(values)
    return {"optimizer": text, "steps": steps}


def lion(lr, beta1=0.9, beta2=0.99, decay=0.0):
    def update(w, g, state, step):
        m = state.get("m", [0.0] * len(w))
        state["m"] = [beta2 * mi + (1 - beta2) * gi for mi, gi in zip(m, g)]
        sign = lambda v: (v > 0) - (v < 0)
        return [wi * (1 - lr * decay) - lr * sign(beta1 * mi + (1 - beta1) * gi) for wi, mi, gi in zip(w, m, g)]

    return update


def lamb(lr, beta1=0.9, beta2=0.999, eps=1e-6, decay=0.0):
    def update(w, g, state, step):
        n = len(w)
        m = state["m"] = [beta1 * a + (1 - beta1) * b for a, b in zip(state.get("m", [0.0] * n), g)]
        v = state["v"] = [beta2 * a + (1 - beta2) * b * b for a, b in zip(state.get("v", [0.0] * n), g)]
        r = [a / (1 - beta1**step) / (math.sqrt(b / (1 - beta2**step)) + eps) + decay * wi for a, b, wi in zip(m, v, w)]
        length, moved = math.sqrt(sum(wi * wi for wi in w)), math.sqrt(sum(ri * ri for ri in r))
        trust = length / moved if length and moved else 1.0
        return [wi - lr * trust * ri for wi, ri in zip(w, r)]

    return update


def updates():
    o = torch.optim
    return [
        torch_updates("sgd(lr=0.5)", lambda w: o.SGD(w, lr=0.5)),
        torch_updates("sgd(lr=0.5, weight_decay=0.1)", lambda w: o.SGD(w, lr=0.5, weight_decay=0.1)),
        torch_updates("momentum(lr=0.5, mu=0.9)", lambda w: o.SGD(w, lr=0.5, momentum=0.9)),
        torch_updates("nesterov(lr=0.5, mu=0.9)", lambda w: o.SGD(w, lr=0.5, momentum=0.9, nesterov=True)),
        torch_updates("adagrad(lr=0.1)", lambda w: o.Adagrad(w, lr=0.1)),
        torch_updates("adadelta", lambda w: o.Adadelta(w)),
        torch_updates("rmsprop(lr=0.05)", lambda w: o.RMSprop(w, lr=0.05)),
        torch_updates("rmsprop(lr=0.05, mu=0.9, centered=true)", lambda w: o.RMSprop(w, lr=0.05, momentum=0.9, centered=True)),
        torch_updates("adam(lr=0.05)", lambda w: o.Adam(w, lr=0.05)),
        torch_updates("amsgrad(lr=0.05)", lambda w: o.Adam(w, lr=0.05, amsgrad=True)),
        torch_updates("adamax(lr=0.05)", lambda w: o.Adamax(w, lr=0.05)),
        torch_updates("nadam(lr=0.05)", lambda w: o.NAdam(w, lr=0.05)),
        torch_updates("radam(lr=0.05)", lambda w: o.RAdam(w, lr=0.05)),
        torch_updates("adamw(lr=0.05, weight_decay=0.1)", lambda w: o.AdamW(w, lr=0.05, weight_decay=0.1)),
        own_updates("lion(lr=0.05)", lion(0.05)),
        own_updates("lion(lr=0.05, weight_decay=0.1)", lion(0.05, decay=0.1)),
        own_updates("lamb(lr=0.05)", lamb(0.05)),
        own_updates("lamb(lr=0.05, weight_decay=0.1)", lamb(0.05, decay=0.1)),
    ]



W1 = [[0.5, -1.2, 0.8], [0.3, 0.9, -0.4]]
W2 = [[1.1], [-0.7], [0.6]]
X = [[0.2, -1.0], [1.5, 0.3], [-0.6, 0.7], [0.9, 1.4]]
T = [[0.5], [-0.2], [1.0], [0.1]]
NETWORK = f"""param w1 : float[2,3] = {W1}
  param w2 : float[3,1] = {W2}
  x = float({X}); t = float({T})
"""


def leaf(values):
    return torch.tensor(values).requires_grad_()


def network():
    return leaf(W1), leaf(W2), leaf(X), torch.tensor(T)


def by(y, xs):
    """Derivatives that can be differentiated again."""
    single = isinstance(xs, torch.Tensor)
    result = torch.autograd.grad(y, [xs] if single else xs, create_graph=True)
    return result[0] if single else result


def order(name, text, **values):
    outputs = "  output " + ", ".join(values)
    return {"name": name, "text": "  " + text.strip() + "\n" + outputs, "values": {k: flat(v) for k, v in values.items()}}


def orders():
    cases = []

    # u'' inside a loss, which is then differentiated by the weights: the third order.
    w1, w2, x, t = network()
    u = torch.tanh(x @ w1) @ w2
    slope = by(u.sum(), x)
    curvature = by(slope[:, 0].sum(), x)[:, 0]
    loss = ((curvature + slope[:, 1] - t[:, 0]) ** 2).mean()
    d_w1, d_w2 = by(loss, [w1, w2])
    cases.append(order("second derivatives in a loss", NETWORK + """  u = tanh(x @ w1) @ w2
  slope = grad(sum(u), x)
  curvature = grad(sum(slope[:, 0]), x)[:, 0]
  loss = mean((curvature + slope[:, 1] - t[:, 0]) ** 2)
  d_w1, d_w2 = grad(loss, [w1, w2])""", curvature=curvature, loss=loss, d_w1=d_w1, d_w2=d_w2))

    x = leaf([0.3, -0.8, 1.7])
    y = (torch.exp(x) * torch.sin(2 * x) + x**5).sum()
    one = by(y, x)
    two = by(one.sum(), x)
    three = by(two.sum(), x)
    four = by(three.sum(), x)
    cases.append(order("up to the fourth order", """param x : float[3] = [0.3, -0.8, 1.7]
  y = sum(exp(x) * sin(2 * x) + x ** 5)
  one = grad(y, x)
  two = grad(sum(one), x)
  three = grad(sum(two), x)
  four = grad(sum(three), x)""", one=one, two=two, three=three, four=four))

    # H v three ways: the gradient of a product, the library, and torch's own hvp.
    w1, w2, x, t = network()
    v = torch.tensor([[0.7, -0.2, 1.0], [0.4, -1.3, 0.1]])
    f = lambda w: torch.nn.functional.binary_cross_entropy_with_logits(torch.sigmoid(x.detach() @ w) @ w2.detach(), t.abs())
    _, hvp = torch.autograd.functional.hvp(f, w1.detach(), v)
    cases.append(order("a product with the Hessian", NETWORK + f"""  loss = mean(binary_cross_entropy_with_logits(sigmoid(x @ w1) @ w2, abs(t)))
  v = float({v.tolist()})
  by_hand = grad(sum(grad(loss, w1) * v), w1)
  by_library = hessian_vector_product(loss, w1, v)""", by_hand=hvp, by_library=hvp))

    logits = leaf([[0.5, -1.0, 2.0], [0.1, 0.2, -0.3]])
    labels = torch.tensor([2, 0])
    v = torch.tensor([[1.0, 0.5, -0.5], [0.3, -2.0, 0.7]])
    f = lambda z: torch.nn.functional.cross_entropy(z, labels)
    _, hvp = torch.autograd.functional.hvp(f, logits.detach(), v)
    cases.append(order("the Hessian of cross-entropy", f"""param z : float[2,3] = {logits.tolist()}
  loss = mean(cross_entropy(z, i32([2, 0])))
  h = hessian_vector_product(loss, z, {v.tolist()})""", h=hvp))

    x = torch.tensor([-0.7, 1.3])
    rosenbrock = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    hessian = torch.autograd.functional.hessian(rosenbrock, x)
    cases.append(order("a whole Hessian, row by row", """param x : float[2] = [-0.7, 1.3]
  y = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
  g = grad(y, x)
  row0, row1 = [grad(g[i], x) for i in range(2)]""", row0=hessian[0], row1=hessian[1]))

    # J v and Jᵀ u of a function of several results, J v by differentiating Jᵀ u by u.
    x = torch.tensor([0.4, -1.1, 0.9])
    a = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]])
    u, v = torch.tensor([1.2, -0.6]), torch.tensor([0.3, 2.0, -1.0])
    f = lambda x: torch.tanh(a @ x) * x[0]
    cases.append(order("Jacobian products", f"""param x : float[3] = {x.tolist()}
  param u : float[2] = {u.tolist()}
  y = tanh(float({a.tolist()}) @ x) * x[0]
  backward = grad(sum(y * u), x)
  forward = grad(sum(backward * float({v.tolist()})), u)""",
                       backward=torch.autograd.functional.vjp(f, x, u)[1], forward=torch.autograd.functional.jvp(f, x, v)[1]))

    # By inputs, and a step along the sign of that (Goodfellow, Shlens, Szegedy, Explaining and harnessing adversarial examples, 2015).
    w1, w2, x, t = network()
    error = lambda x: ((torch.tanh(x @ w1) @ w2 - t) ** 2).mean()
    d_x = by(error(x), x)
    hostile = error((x + 0.1 * torch.sign(d_x)).detach())
    cases.append(order("by inputs", NETWORK + """  fn_of = tanh(x @ w1) @ w2
  d_x = grad(mse(fn_of, t), x)
  hostile = mse(tanh((x + 0.1 * sign(d_x)) @ w1) @ w2, t)
  d_w1 = grad(hostile, w1)""", d_x=d_x, hostile=hostile, d_w1=by(hostile, w1)))

    # Gulrajani and others, 2017.
    w1, w2, x, t = network()
    real, fake, mix = torch.tensor(X), torch.tensor(X).flip(0) * 0.5, torch.tensor([[0.1], [0.4], [0.75], [0.9]])
    point = (mix * real + (1 - mix) * fake).requires_grad_()
    slope = by((torch.tanh(point @ w1) @ w2).sum(), point)
    penalty = ((slope.norm(dim=-1) - 1) ** 2).mean()
    d_w1, d_w2 = by(penalty, [w1, w2])
    cases.append(order("a gradient penalty", NETWORK + f"""  critic = slope_of(w1, w2)
  fake = float({fake.tolist()})
  penalty = gradient_penalty(critic, x, fake, float({mix.tolist()}))
  d_w1, d_w2 = grad(penalty, [w1, w2])""", penalty=penalty, d_w1=d_w1, d_w2=d_w2))

    # A rule of one's own is what is differentiated again: twice the derivative of cube is 6 x, of wrong 2 x.
    x = torch.tensor([0.5, -2.0, 3.0])
    cases.append(order("a rule of one's own", """param x : float[3] = [0.5, -2, 3]
  cubes = sum(cube(x))
  one = grad(cubes, x)
  two = grad(sum(one), x)
  other = grad(sum(wrong(x)), x)
  other2 = grad(sum(other), x)
  reversed = grad(sum(reverse(x ** 2)), x)""", cubes=(x**3).sum(), one=3 * x**2, two=6 * x, other=x**2, other2=2 * x, reversed=-2 * x))

    x = leaf([0.5, -2.0, 3.0])
    y = (x**2 * x.detach() + torch.exp(x.detach())).sum()
    one = by(y, x)
    cases.append(order("what a gradient does not pass", """param x : float[3] = [0.5, -2, 3]
  y = sum(x ** 2 * stop_gradient(x) + exp(stop_gradient(x)))
  one = grad(y, x)
  two = grad(sum(one), x)""", y=y, one=one, two=by(one.sum(), x)))

    w, x = leaf([0.3, -0.8, 1.2, -0.1]), torch.tensor([1.0, 2.0, -1.5, 0.5])
    binary = w + (torch.sign(w) - w).detach()
    levels = w * 4 + ((w * 4).round() - w * 4).detach()
    loss = ((binary * x).sum() - 1) ** 2 + (levels**2 / 16).sum()
    cases.append(order("straight through a sign and a rounding", """param w : float[4] = [0.3, -0.8, 1.2, -0.1]
  binary = straight_through(sign(w), w)
  levels = straight_through(round(w * 4), w * 4)
  loss = (sum(binary * float([1, 2, -1.5, 0.5])) - 1) ** 2 + sum(levels ** 2 / 16)
  d_w = grad(loss, w)""", binary=binary, levels=levels, loss=loss, d_w=by(loss, w)))

    # The gradient through an update of gradient descent (Finn, Abbeel, Levine, Model-agnostic meta-learning, 2017).
    w1, w2, x, t = network()
    task = lambda w1, w2, half: ((torch.tanh(x.detach()[half] @ w1) @ w2 - t[half]) ** 2).mean()
    first, second = slice(0, 2), slice(2, 4)
    g1, g2 = by(task(w1, w2, first), [w1, w2])
    outer = task(w1 - 0.1 * g1, w2 - 0.1 * g2, second)
    d_w1, d_w2 = by(outer, [w1, w2])
    cases.append(order("through an update", NETWORK + """  inner = mse(tanh(x[0:2] @ w1) @ w2, t[0:2])
  g1, g2 = grad(inner, [w1, w2])
  outer = mse(tanh(x[2:4] @ (w1 - 0.1 * g1)) @ (w2 - 0.1 * g2), t[2:4])
  d_w1, d_w2 = grad(outer, [w1, w2])""", outer=outer, d_w1=d_w1, d_w2=d_w2))
    return cases


if __name__ == "__main__":
    write("updates.json", updates())
    write("orders.json", orders())
