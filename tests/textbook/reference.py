"""Writes the reference numbers of tests/textbook in f64: the first updates of every optimizer on the textbook's network.

    python tests/textbook/reference.py       # where torch is installed; the files it writes are kept

A case of updates.json is an optimizer, as the language writes it, and w1, b1, w2, b2 of examples/textbook/network.gr (its default variant and
initial values) after each of three updates, one example a step.
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
        torch_updates("adamw(lr=0.05, weight_decay=0.1)", lambda w: o.AdamW(w, lr=0.05, weight_decay=0.1)),
        own_updates("lion(lr=0.05)", lion(0.05)),
        own_updates("lion(lr=0.05, weight_decay=0.1)", lion(0.05, decay=0.1)),
        own_updates("lamb(lr=0.05)", lamb(0.05)),
        own_updates("lamb(lr=0.05, weight_decay=0.1)", lamb(0.05, decay=0.1)),
    ]


if __name__ == "__main__":
    write("updates.json", updates())
