"""Writes recurrences.npz: lstm, gru and rnn, in layers and in both directions, over padded sequences too, and running sums, in random configurations, as PyTorch
has them. torch_cases.py says what is written.

    python tests/library/recurrent_reference.py
"""
import random

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from torch_cases import Case, write

COUNT = 400
GATES = {"lstm": 4, "gru": 3, "rnn": 1}
MODULES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
CELLS = {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell, "rnn": torch.nn.RNNCell}


def shapes_of(kind, prefix, n, m):
    wide = GATES[kind] * m
    shapes = {"wx": [n, wide], "wh": [m, wide], "b": [wide], **({"bh": [wide]} if kind == "gru" else {})}
    return {prefix + name: {"shape": shape, "spread": 0.4} for name, shape in shapes.items()}


def weights_of(x, prefix, end):
    """Under the names of torch.nn, whose second bias only gru has."""
    b = x[prefix + "b"]
    return {
        "weight_ih" + end: x[prefix + "wx"].T,
        "weight_hh" + end: x[prefix + "wh"].T,
        "bias_ih" + end: b,
        "bias_hh" + end: x.get(prefix + "bh", torch.zeros_like(b)),
    }


def through_module(kind, options, x, weights, m, layers=1, both=False, lengths=None, state=None):
    """y, which is 0 where a sequence is over, and the last states, [layers and directions, batch, m]."""
    sequence = x["x"]
    module = MODULES[kind](sequence.shape[-1], m, layers, batch_first=True, bidirectional=both, **options)
    given = [] if state is None else [state if kind == "lstm" else state[0]]
    if lengths is not None:
        sequence = pack_padded_sequence(sequence, lengths, batch_first=True, enforce_sorted=False)
    y, last = torch.func.functional_call(module, weights, (sequence, *given))
    if lengths is not None:
        y = pad_packed_sequence(y, batch_first=True, total_length=x["x"].shape[1])[0]
    return y, last if kind == "lstm" else (last,)


def one_layer(seed, choose, kind, options, said, batch, time, n, m):
    """One layer with states, forward or in reverse, over whole, padded or interrupted sequences; torch.nn has the latter as cells."""
    reverse, initial = choose.random() < 0.4, choose.random() < 0.5
    given = choose.choice(["whole", "whole", "padded", "interrupted"])
    names = ["h", "c"] if kind == "lstm" else ["h"]
    inputs = {"x": [batch, time, n], **shapes_of(kind, "cell.", n, m)}
    inputs.update({name + "0": [batch, m] for name in names} if initial else {})
    arguments = ["x"] + ([f"{name}={name}0" for name in names] if initial else [])
    arguments += {"whole": [], "padded": ["mask=inside"], "interrupted": ["mask=flags"]}[given] + ["state=true"]
    inside = f"inside = arange({time}) < lengths[:, none] + 1\n" if given == "padded" else ""
    text = f"{inside}cell = {kind}({', '.join([str(n), str(m), *said] + (['reverse=true'] if reverse else []))})\n"
    text += f"y{'1' if inside else ''}, {', '.join(name + 'T' for name in names)} = cell({', '.join(arguments)})"
    text += "\ny = y1 * float(inside)[:, :, none]" if inside else ""

    def by_cells(x, state):
        cell, weights, ys = CELLS[kind](n, m, **options), weights_of(x, "cell.", ""), [None] * time
        for t in reversed(range(time)) if reverse else range(time):
            new = torch.func.functional_call(cell, weights, (x["x"][:, t], state if kind == "lstm" else state[0]))
            new = new if kind == "lstm" else (new,)
            state = tuple(torch.where(x["flags"][:, t, None], a, b) for a, b in zip(new, state))
            ys[t] = state[0]
        return torch.stack(ys, dim=1), state

    def function(x):
        zero = torch.zeros(batch, m, dtype=x["x"].dtype)
        state = tuple(x.get(name + "0", zero) for name in names)
        if given == "interrupted":
            y, last = by_cells(x, state)
        else:
            # torch.nn has reverse order as the second of two directions.
            weights = {**weights_of(x, "cell.", "_l0"), **(weights_of(x, "cell.", "_l0_reverse") if reverse else {})}
            lengths = x["lengths"] + 1 if given == "padded" else None
            state = tuple(torch.stack([s] * (2 if reverse else 1)) for s in state)
            y, last = through_module(kind, options, x, weights, m, both=reverse, lengths=lengths, state=state)
            y, last = y[..., -m:], [s[-1] for s in last]
        return {"y": y, **{name + "T": s for name, s in zip(names, last)}}, {}

    flags = {"flags": [batch, time]} if given == "interrupted" else None
    return Case(seed, text, inputs, function, flags=flags, indices={"lengths": ([batch], time)} if given == "padded" else None)


def several_layers(seed, choose, kind, options, said, batch, time, n, m):
    layers = choose.choice([1, 2, 3])
    both = layers == 1 or choose.random() < 0.6
    padded = choose.random() < 0.4
    inputs, parts, prefixes = {"x": [batch, time, n]}, [], []
    for i in range(layers):
        of = n if i == 0 else m * (2 if both else 1)
        cell = lambda more: f"{kind}({', '.join([str(of), str(m), *said, *more])})"
        parts.append(f"bidirectional({cell([])}, {cell(['reverse=true'])})" if both else cell([]))
        prefix = "cell." + (f"layers.{i}." if layers > 1 else "")
        prefixes += [(prefix + "forward.", f"_l{i}"), (prefix + "backward.", f"_l{i}_reverse")] if both else [(prefix, f"_l{i}")]
        for name, _ in prefixes[-2:] if both else prefixes[-1:]:
            inputs.update(shapes_of(kind, name, of, m))
    text = f"inside = arange({time}) < lengths[:, none] + 1\n" if padded else ""
    text += f"cell = {parts[0] if layers == 1 else 'deep([' + ', '.join(parts) + '])'}\n"
    text += "y = cell(x, mask=inside) * float(inside)[:, :, none]" if padded else "y = cell(x)"

    def function(x):
        weights = {}
        for name, end in prefixes:
            weights.update(weights_of(x, name, end))
        lengths = x["lengths"] + 1 if padded else None
        return through_module(kind, options, x, weights, m, layers, both, lengths)[0], {}

    return Case(seed, text, inputs, function, indices={"lengths": ([batch], time)} if padded else None)


def running(seed, choose):
    name = choose.choice(["cumsum", "cumprod", "cummax", "cummin"])
    shape = [choose.randint(1, 9) for _ in range(choose.randint(1, 3))]
    axis = choose.randrange(-1, len(shape))
    x = {"shape": shape, **({"zeros": 3} if choose.random() < 0.5 else {})}
    apply = getattr(torch, name)
    return Case(seed, f"y = {name}(x, axis={axis})", {"x": x}, lambda t: (apply(t["x"], axis) if name[3:] in ("sum", "prod") else apply(t["x"], axis)[0], {}))


def recurrence(seed):
    choose = random.Random(seed)
    if seed % 7 == 6:
        return running(seed, choose)
    kind = ["lstm", "gru", "rnn"][seed % 3]
    relu = kind == "rnn" and choose.random() < 0.5
    options, said = ({"nonlinearity": "relu"}, ["activation=relu"]) if relu else ({}, [])
    batch, time, n, m = choose.randint(1, 3), choose.choice([1, 2, 3, 5, 7, 20]), choose.randint(1, 4), choose.randint(1, 5)
    make = one_layer if seed % 2 else several_layers
    return make(seed, choose, kind, options, said, batch, time, n, m)


if __name__ == "__main__":
    write("recurrences.npz", [recurrence(seed) for seed in range(COUNT)])
