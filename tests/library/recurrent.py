"""Writes recurrent.json: lstm, gru and rnn of PyTorch in f64, in 330 random configurations.

    python tests/library/recurrent.py        # where torch is installed; the file it writes is kept

A case is a model in the language with the scalar s and its gradients. Every tensor of it has the elements of `fill`, by its name, so that the file
holds results alone: s, and for each gradient its product with `fill` of another name.
"""
import json
import math
import pathlib
import random

import torch

torch.set_default_dtype(torch.float64)
FOLDER = pathlib.Path(__file__).parent


def fill(name, *shape):
    phase = sum(map(ord, name)) % 17
    count = math.prod(shape)
    return torch.tensor([0.8 * math.sin(1 + 0.7 * k + 2.3 * phase) for k in range(count)]).reshape(shape)


def step(kind, activation, x, state, p):
    if kind == "lstm":
        h, c = state
        i, f, g, o = (x @ p["wx"] + h @ p["wh"] + p["b"]).chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return (torch.sigmoid(o) * torch.tanh(c), c)
    (h,) = state
    if kind == "gru":
        xr, xz, xn = (x @ p["wx"] + p["b"]).chunk(3, dim=-1)
        hr, hz, hn = (h @ p["wh"] + p["bh"]).chunk(3, dim=-1)
        z = torch.sigmoid(xz + hz)
        return ((1 - z) * torch.tanh(xn + torch.sigmoid(xr + hr) * hn) + z * h,)
    return (getattr(torch, activation)(x @ p["wx"] + h @ p["wh"] + p["b"]),)


def masked(kind, activation, x, mask, state, p, reverse):
    """The definition, for what torch.nn has not: a step whose mask is false keeps the state."""
    times = range(x.shape[1])
    ys = [None] * x.shape[1]
    for t in reversed(times) if reverse else times:
        new = step(kind, activation, x[:, t], state, p)
        state = tuple(torch.where(mask[:, t, None], a, b) for a, b in zip(new, state))
        ys[t] = state[0]
    return torch.stack(ys, dim=1), state


def of_torch(kind, activation, x, state, p, reverse):
    m, n = p["wh"].shape[0], p["wx"].shape[0]
    if kind == "lstm":
        cell = torch.nn.LSTM(n, m, batch_first=True)
    elif kind == "gru":
        cell = torch.nn.GRU(n, m, batch_first=True)
    else:
        cell = torch.nn.RNN(n, m, nonlinearity=activation, batch_first=True)
    zero = torch.zeros_like(p["b"])
    weights = {"weight_ih_l0": p["wx"].T, "weight_hh_l0": p["wh"].T, "bias_ih_l0": p["b"], "bias_hh_l0": p.get("bh", zero)}
    x = x.flip(1) if reverse else x
    first = tuple(s[None] for s in state)
    y, last = torch.func.functional_call(cell, weights, (x, first if kind == "lstm" else first[0]))
    last = tuple(s[0] for s in (last if kind == "lstm" else (last,)))
    return (y.flip(1) if reverse else y), last


def case(number, rng):
    kind = ["lstm", "gru", "rnn"][number % 3]
    activation = rng.choice(["tanh", "relu"]) if kind == "rnn" else "tanh"
    batch, time, n, m = rng.randint(1, 3), rng.randint(1, 7), rng.randint(1, 4), rng.randint(1, 4)
    reverse, uses_mask, initial = rng.random() < 0.4, rng.random() < 0.3, rng.random() < 0.5
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[kind]
    p = {"wx": fill("cell.wx", n, gates * m), "wh": fill("cell.wh", m, gates * m), "b": fill("cell.b", gates * m)}
    if kind == "gru":
        p["bh"] = fill("cell.bh", gates * m)
    names = ["h", "c"] if kind == "lstm" else ["h"]
    state = {k: fill(k + "0", batch, m) if initial else torch.zeros(batch, m) for k in names}
    x = fill("x", batch, time, n)
    mask = fill("mask", batch, time) > -0.3
    leaves = {"x": x, **{"cell." + k: v for k, v in p.items()}}
    if initial:
        leaves.update({k + "0": v for k, v in state.items()})
    for leaf in leaves.values():
        leaf.requires_grad_()
    if uses_mask:
        y, last = masked(kind, activation, x, mask, tuple(state.values()), p, reverse)
    else:
        y, last = of_torch(kind, activation, x, tuple(state.values()), p, reverse)
    s = (y * fill("r", batch, time, m)).sum()
    for k, v in zip(names, last):
        s = s + (v * fill("r" + k, batch, m)).sum()
    s.backward()
    options = ["activation=relu"] if activation == "relu" else []
    options += ["reverse=true"] if reverse else []
    lines = ["model g {", f"  input x : float[{batch},{time},{n}]", f"  input r : float[{batch},{time},{m}]"]
    lines += [f"  input r{k} : float[{batch},{m}]" for k in names]
    lines += [f"  input {k}0 : float[{batch},{m}]" for k in names] if initial else []
    lines += [f"  input mask : bool[{batch},{time}]"] if uses_mask else []
    lines += [f"  cell = {kind}({', '.join([str(n), str(m)] + options)})"]
    given = [f"{k}={k}0" for k in names] if initial else []
    given += ["mask=mask"] if uses_mask else []
    lines += [f"  y, {', '.join(k + 'T' for k in names)} = cell({', '.join(['x'] + given + ['state=true'])})"]
    lines += ["  s = sum(y * r)" + "".join(f" + sum({k}T * r{k})" for k in names)]
    outputs = [f"g{i}" for i in range(len(leaves))]
    lines += [f"  {', '.join(outputs)} = grad(s, [{', '.join(leaves)}])", f"  output s, {', '.join(outputs)}", "}"]
    gradients = {k: (v.grad * fill("q" + k, *v.shape)).sum().item() for k, v in leaves.items()}
    return {"text": "\n".join(lines), "s": s.item(), "gradients": gradients}


rng = random.Random(5)
cases = [case(number, rng) for number in range(330)]
(FOLDER / "recurrent.json").write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")
