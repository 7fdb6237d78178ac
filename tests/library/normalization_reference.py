"""Writes normalizations.npz: layers of normalisation in random configurations, as PyTorch has them. torch_cases.py says what is written.

    python tests/library/normalization_reference.py
"""
import math
import random

import torch.nn.functional as F

from torch_cases import Case, write

COUNT = 420


def channels_second(x, axis):
    """The channels where PyTorch has them."""
    return (x if axis == 1 else x.movedim(-1, 1)).contiguous()


def channels_back(y, axis):
    """What follows hands a gradient back that lies in one piece: of another one F.instance_norm of one example makes another gradient."""
    return y if axis == 1 else y.flatten().reshape(y.shape).movedim(1, -1)


def over_last_axes(seed, choose, kind, shape, more, affine, eps):
    several = choose.randint(1, min(2, len(shape) - 1))
    extents = shape[-several:]
    x = {"shape": shape, "offset": choose.choice([0, 1, 30, 1000]), "axis": 0} if choose.random() < 0.4 else shape
    inputs = {"x": x}
    if affine:
        inputs["n.scale"] = extents
        if kind == "layer":
            inputs["n.shift"] = extents
    if kind == "layer":
        function = lambda t: (F.layer_norm(t["x"], extents, t.get("n.scale"), t.get("n.shift"), eps), {})
    else:
        function = lambda t: (F.rms_norm(t["x"], extents, t.get("n.scale"), eps), {})
    return Case(seed, f"n = {kind}_norm({extents[0] if several == 1 else extents}{more})\ny = n(x)", inputs, function)


def batch(seed, choose, inputs, c, axis, more, eps, evaluate):
    momentum = choose.choice([0.1, 0.5, 0.01])
    far = choose.choice([0, 1, 30, 1000])
    states = {"n.running_mean": {"shape": [c], "offset": far, "axis": 0}, "n.running_variance": [c]}

    def function(t):
        mean, variance = t["n.running_mean"].clone(), t["n.running_variance"].clone()
        y = F.batch_norm(channels_second(t["x"], axis), mean, variance, t.get("n.scale"), t.get("n.shift"), not evaluate, momentum, eps)
        return channels_back(y, axis), {} if evaluate else {"n.running_mean": mean, "n.running_variance": variance}

    return Case(seed, f"n = batch_norm({c}{more}, momentum={momentum})\ny = n(x)", inputs, function, states=states, evaluate=evaluate)


def normalization(seed):
    choose = random.Random(seed)
    kind = ["layer", "rms", "group", "instance", "batch", "batch", "batch"][seed % 7]
    eps = choose.choice([1e-5, 1e-3, 0.1])
    affine = choose.random() < 0.7
    n = choose.choice([1, 2, 3, 4, 7])
    places = [choose.randint(1, 4) for _ in range(choose.randint(0, 3))]
    more = f", eps={eps}" + ("" if affine else ", affine=false")
    if kind in ("layer", "rms"):
        return over_last_axes(seed, choose, kind, [n] + places + [choose.choice([2, 3, 5, 8, 16, 17, 33])], more, affine, eps)
    c = choose.choice([1, 2, 4, 6, 12])
    axis = choose.choice([-1, 1])
    if kind != "batch" and not places:
        places = [choose.randint(2, 5)]
    if kind == "instance" and math.prod(places) == 1:
        places[0] = 3
    if n * math.prod(places) == 1:
        n = 2  # PyTorch refuses to train on one number a channel
    evaluate = seed % 7 == 6 and choose.random() < 0.6
    if kind == "batch" and not evaluate and choose.random() < 0.15:
        n = 600  # more than one block of a sum; nothing is summed over the batch in evaluation
    shape = [n, c] + places if axis == 1 else [n] + places + [c]
    more += ", axis=1" if axis == 1 else ""
    x = {"shape": shape, "offset": choose.choice([0, 1, 30, 1000]), "axis": axis}
    x.update({"constant": True} if choose.random() < 0.2 else {})
    inputs = {"x": x}
    if affine:
        inputs.update({"n.scale": [c], "n.shift": [c]})
    if kind == "batch":
        return batch(seed, choose, inputs, c, axis, more, eps, evaluate)
    if kind == "group":
        groups = choose.choice([g for g in (1, 2, 3, 4, c) if c % g == 0])
        if c // groups * math.prod(places) == 1:
            groups = 1
        function = lambda t: (channels_back(F.group_norm(channels_second(t["x"], axis), groups, t.get("n.scale"), t.get("n.shift"), eps), axis), {})
        return Case(seed, f"n = group_norm({groups}, {c}{more})\ny = n(x)", inputs, function)
    function = lambda t: (channels_back(F.instance_norm(channels_second(t["x"], axis), None, None, t.get("n.scale"), t.get("n.shift"), eps=eps), axis), {})
    return Case(seed, f"n = instance_norm({c}{more})\ny = n(x)", inputs, function)


if __name__ == "__main__":
    write("normalizations.npz", [normalization(seed) for seed in range(COUNT)])
