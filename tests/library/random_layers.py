"""Writes normalizations.json and attentions.json: layers of the library in random configurations, as PyTorch has them.

    python tests/library/random_layers.py        # where torch is installed; the files it writes are kept

A line is one configuration: statements (`setup`), an expression of the inputs (`text`), and for the result `y`, for the gradient of sum(y * r) by every
input and for every new state (`n.running_mean'`) four numbers of PyTorch in f64: the first element, two sums with random weights, and the sum of
all magnitudes; then the largest error of an element that PyTorch makes in f32. Inputs, r and weights are not written: `numbers` below and
layers_test.cc make the same ones of the seed and the name.
"""
import json
import math
import pathlib
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

FOLDER = pathlib.Path(__file__).parent
CONFIGURATIONS = 330


def words(seed, name, count):
    """32 random bits an element."""
    h = 2166136261
    for byte in name.encode():
        h = (h ^ byte) * 16777619 % 2**32
    v = (np.arange(count, dtype=np.uint64) * 2654435769 + h + seed * 1000003) % 2**32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        v = ((v ^ (v >> shift)) * factor) % 2**32
    return v ^ (v >> 16)


def numbers(seed, name, shape):
    """Multiples of 2^-22 from -2 to 2, which f32 holds; variances are positive, means that run near 0."""
    x = (words(seed, name, math.prod(shape)) >> 8).astype(np.float64) / 2**22 - 2
    return (np.abs(x) + 0.25 if name.endswith("variance") else x / 16 if name.endswith("mean") else x).reshape(shape)


class Case:
    """`function(inputs)` gives y and a dictionary of new states, all as torch tensors of the inputs' type."""

    def __init__(self, seed, setup, text, shapes, function, states=None, flags=None, indices=None, evaluate=False):
        self.row = {"seed": seed, "setup": setup, "text": text, "inputs": shapes}
        if states:
            self.row["states"] = states
        if flags:
            self.row["flags"] = flags
        if indices:
            self.row["indices"] = {name: {"shape": shape, "below": below} for name, (shape, below) in indices.items()}
        if evaluate:
            self.row["evaluate"] = True
        runs = [self.run(function, dtype) for dtype in (torch.float64, torch.float32)]
        self.row["shape"] = list(runs[0]["y"].shape)
        results = {}
        for name, exact in runs[0].items():
            error = np.abs(runs[1][name].astype(np.float64) - exact).max()
            flat = exact.flatten()
            assert np.isfinite(flat).all(), (text, name)
            sums = [float((flat * numbers(seed, name + end, flat.shape)).sum()) for end in (":1", ":2")]
            results[name] = [float(flat[0]), *sums, float(np.abs(flat).sum()), float(f"{error:.3g}")]
        self.row["results"] = results

    def run(self, function, dtype):
        row = self.row
        inputs = {n: torch.tensor(numbers(row["seed"], n, s), dtype=dtype, requires_grad=True) for n, s in row["inputs"].items()}
        others = {n: torch.tensor(numbers(row["seed"], n, s), dtype=dtype) for n, s in row.get("states", {}).items()}
        for n, shape in row.get("flags", {}).items():
            others[n] = torch.tensor((words(row["seed"], n, math.prod(shape)) % 3 > 0).reshape(shape))
        for n, i in row.get("indices", {}).items():
            others[n] = torch.tensor((words(row["seed"], n, math.prod(i["shape"])) % i["below"]).astype(np.int64).reshape(i["shape"]))
        y, states = function({**inputs, **others})
        r = torch.tensor(numbers(row["seed"], "r", tuple(y.shape)), dtype=dtype)
        (y * r).sum().backward()
        results = {"y": y}
        for name, tensor in inputs.items():
            results[name] = tensor.grad if tensor.grad is not None else torch.zeros_like(tensor)
        results.update({name + "'": state for name, state in states.items()})
        return {name: tensor.detach().numpy().copy() for name, tensor in results.items()}


def write(file, cases):
    (FOLDER / file).write_text("[\n" + ",\n".join(json.dumps(c.row) for c in cases) + "\n]\n")


# --- normalisation


def channels_second(x, axis):
    """The channels where PyTorch has them."""
    return x if axis == 1 else x.movedim(-1, 1)


def channels_back(y, axis):
    return y if axis == 1 else y.movedim(1, -1)


def normalization(seed):
    choose = random.Random(seed)
    kind = ["layer", "rms", "group", "instance", "batch", "batch"][seed % 6]
    eps = choose.choice([1e-5, 1e-3, 0.1])
    affine = choose.random() < 0.7
    rank = choose.randint(2, 5)
    n = choose.choice([1, 2, 3, 4, 7])
    places = [choose.randint(1, 4) for _ in range(rank - 2)]
    more = f", eps={eps}" + ("" if affine else ", affine=false")
    if kind in ("layer", "rms"):
        d = choose.choice([2, 3, 5, 8, 16, 17, 33])
        several = choose.randint(1, min(2, rank - 1))
        extents = (places + [d])[-several:]
        shape = [n] + places + [d]
        text = d if several == 1 else extents
        inputs = {"x": shape}
        if affine:
            inputs["n.scale"] = extents
            if kind == "layer":
                inputs["n.shift"] = extents
        if kind == "layer":
            function = lambda t: (F.layer_norm(t["x"], extents, t.get("n.scale"), t.get("n.shift"), eps), {})
        else:
            function = lambda t: (F.rms_norm(t["x"], extents, t.get("n.scale"), eps), {})
        return Case(seed, f"n = {kind}_norm({text}{more})", "n(x)", inputs, function)
    c = choose.choice([1, 2, 4, 6, 12])
    axis = choose.choice([-1, 1])
    if kind != "batch" and not places:
        places = [choose.randint(2, 5)]
    if kind == "instance" and math.prod(places) == 1:
        places[0] = 3
    if kind == "batch" and n * math.prod(places) < 8:
        n = 9  # the variance of a few numbers can be as small as the rounding of their squares
    shape = [n, c] + places if axis == 1 else [n] + places + [c]
    if axis == 1:
        more += ", axis=1"
    inputs = {"x": shape}
    if affine:
        inputs.update({"n.scale": [c], "n.shift": [c]})
    if kind == "group":
        groups = choose.choice([g for g in (1, 2, 3, 4, c) if c % g == 0])
        if c // groups * math.prod(places) == 1:
            groups = 1
        function = lambda t: (channels_back(F.group_norm(channels_second(t["x"], axis), groups, t.get("n.scale"), t.get("n.shift"), eps), axis), {})
        return Case(seed, f"n = group_norm({groups}, {c}{more})", "n(x)", inputs, function)
    if kind == "instance":

        def instance(t):
            # Not F.instance_norm, whose gradient of one example is another one where channels lie last.
            x = channels_second(t["x"], axis)
            over = tuple(range(2, x.ndim))
            y = (x - x.mean(over, keepdim=True)) / torch.sqrt(x.var(over, unbiased=False, keepdim=True) + eps)
            if affine:
                along = [c] + [1] * len(over)
                y = y * t["n.scale"].reshape(along) + t["n.shift"].reshape(along)
            return channels_back(y, axis), {}

        return Case(seed, f"n = instance_norm({c}{more})", "n(x)", inputs, instance)
    momentum = choose.choice([0.1, 0.5, 0.01])
    evaluate = seed % 6 == 5 and choose.random() < 0.5
    states = {"n.running_mean": [c], "n.running_variance": [c]}

    def batch(t):
        mean, variance = t["n.running_mean"].clone(), t["n.running_variance"].clone()
        y = F.batch_norm(channels_second(t["x"], axis), mean, variance, t.get("n.scale"), t.get("n.shift"), not evaluate, momentum, eps)
        return channels_back(y, axis), {} if evaluate else {"n.running_mean": mean, "n.running_variance": variance}

    return Case(seed, f"n = batch_norm({c}{more}, momentum={momentum})", "n(x)", inputs, batch, states=states, evaluate=evaluate)


# --- attention


def linear(t, name, x):
    return F.linear(x, t[name + ".w"].T, t[name + ".b"])


def heads_apart(x, heads):
    return x.unflatten(-1, (heads, -1)).movedim(-2, -3)


def attend(q, k, v, heads, shared=None, **more):
    q, k, v = heads_apart(q, heads), heads_apart(k, shared or heads), heads_apart(v, shared or heads)
    with sdpa_kernel(SDPBackend.MATH):
        y = F.scaled_dot_product_attention(q, k, v, enable_gqa=shared is not None, **more)
    return y.movedim(-3, -2).flatten(-2)


def turned(x, heads, base=10000, interleaved=False):
    x = heads_apart(x, heads)
    t, d = x.shape[-2:]
    angle = torch.arange(t, dtype=torch.float64)[:, None] * base ** (-2 * torch.arange(d // 2, dtype=torch.float64) / d)
    c, s = torch.cos(angle).to(x.dtype), torch.sin(angle).to(x.dtype)
    u, v = (x[..., 0::2], x[..., 1::2]) if interleaved else x.split(d // 2, -1)
    pair = (u * c - v * s, v * c + u * s)
    y = torch.stack(pair, -1).flatten(-2) if interleaved else torch.cat(pair, -1)
    return y.movedim(-3, -2).flatten(-2)


def many_heads(t, name, x, heads, context=None, shared=None, rotate=False, **more):
    other = x if context is None else context
    q, k, v = linear(t, name + "query", x), linear(t, name + "key", other), linear(t, name + "value", other)
    if rotate:
        q, k = turned(q, heads), turned(k, shared or heads)
    return linear(t, name + "out", attend(q, k, v, heads, shared=shared, **more))


def owned(name, n, m):
    return {name + ".w": [n, m], name + ".b": [m]}


def attention_parameters(name, d, read, narrow):
    return {**owned(name + "query", d, d), **owned(name + "key", read, narrow), **owned(name + "value", read, narrow), **owned(name + "out", d, d)}


def norm_parameters(name, d):
    return {name + ".scale": [d], name + ".shift": [d]}


def attention(seed):
    choose = random.Random(seed)
    kind = ["plain", "plain", "plain", "grouped", "layer", "layer", "block", "embedding", "rotary"][seed % 9]
    heads = choose.choice([1, 2, 3, 4])
    d = heads * choose.choice([1, 2, 4, 5, 8])
    t, s = choose.randint(1, 7), choose.randint(1, 7)
    lead = choose.choice([[], [1], [2], [3], [2, 2]])
    causal = choose.random() < 0.4
    if kind in ("plain", "grouped"):
        shared, text, apart = None, "", heads
        if kind == "grouped":
            shared = choose.choice([g for g in (1, 2, 3, 4) if heads % g == 0])
            text, apart = f", shared={shared}", shared
        width = apart * choose.choice([1, 3, 4])
        shapes = {"q": lead + [t, d], "k": lead + [s, d // heads * apart], "v": lead + [s, width]}
        more, flags = {}, {}
        if causal:
            text, more["is_causal"] = text + ", causal=true", True
        elif choose.random() < 0.6:
            text += ", mask=mask"
            mask = lead + [heads, t, s]
            for i in range(len(mask)):
                if choose.random() < 0.4:
                    mask[i] = 1
            if choose.random() < 0.6:
                flags = {"mask": mask}
            else:
                shapes["mask"] = mask
        if choose.random() < 0.3:
            text, more["scale"] = text + ", scale=0.7", 0.7

        def plain(x):
            if "mask" in x:
                more["attn_mask"] = x["mask"]
            return attend(x["q"], x["k"], x["v"], heads, shared=shared, **more), {}

        return Case(seed, "", f"attention(q, k, v, {heads}{text})", shapes, plain, flags=flags)
    n = choose.choice([1, 2, 3])
    if kind == "layer":
        shared = choose.choice([None, None] + [g for g in (1, 2) if heads % g == 0])
        cross = not causal and choose.random() < 0.5
        rotate = d // heads % 2 == 0 and choose.random() < 0.4
        padded = choose.random() < 0.5
        read = choose.choice([d, 3]) if cross else d
        s = s if cross else t
        shapes = {"x": [n, t, d], **({"c": [n, s, read]} if cross else {}), **attention_parameters("a.", d, read, d // heads * (shared or heads))}
        text = f"a = multi_head_attention({d}, {heads}"
        text += (f", shared={shared}" if shared else "") + (f", inner={read}" if read != d else "") + (", causal=true" if causal else "")
        text += (", rotate=true)" if rotate else ")")
        call = "a(x" + (", context=c" if cross else "") + (f", mask=padding_mask(lengths, {s})" if padded else "") + ")"

        def layer(x):
            more = {}
            allowed = torch.ones(t, s, dtype=torch.bool).tril() if causal else torch.ones(t, s, dtype=torch.bool)
            if padded:
                more["attn_mask"] = allowed & (torch.arange(s) < x["lengths"][:, None])[:, None, None, :]
            elif causal:
                more["attn_mask"] = allowed
            return many_heads(x, "a.", x["x"], heads, context=x.get("c"), shared=shared, rotate=rotate, **more), {}

        return Case(seed, text, call, shapes, layer, indices={"lengths": ([n], s + 1)} if padded else None)
    if kind == "block":
        pre, decoder = choose.random() < 0.5, choose.random() < 0.5
        activation, function = choose.choice([("relu", F.relu), ("gelu", F.gelu)])
        inner = choose.choice([3, 8])
        shapes = {"x": [n, t, d]}
        if decoder:
            shapes["c"] = [n, s, d]
        for name in ["attend."] + (["cross."] if decoder else []):
            shapes.update(attention_parameters("b." + name, d, d, d))
        for i in range(3 if decoder else 2):
            shapes.update(norm_parameters(f"b.norm{i + 1}", d))
        shapes.update({**owned("b.feed.up", d, inner), **owned("b.feed.down", inner, d)})
        text = f"b = {'decoder' if decoder else 'encoder'}_block({d}, {heads}, inner={inner}, pre_norm={str(pre).lower()}, activation={activation})"

        def block(x):
            parts = [lambda z: many_heads(x, "b.attend.", z, heads, is_causal=decoder)]
            if decoder:
                parts.append(lambda z: many_heads(x, "b.cross.", z, heads, context=x["c"]))
            parts.append(lambda z: linear(x, "b.feed.down", function(linear(x, "b.feed.up", z))))
            y = x["x"]
            for i, part in enumerate(parts):
                norm = lambda z: F.layer_norm(z, [d], x[f"b.norm{i + 1}.scale"], x[f"b.norm{i + 1}.shift"])
                y = y + part(norm(y)) if pre else norm(y + part(y))
            return y, {}

        return Case(seed, text, "b(x, c)" if decoder else "b(x)", shapes, block)
    if kind == "embedding":
        rows, padding = choose.randint(2, 9), choose.random() < 0.4
        text = f"e = embedding({rows}, {d}{', padding=1' if padding else ''})"

        def rows_of(x):
            y = F.embedding(x["i"], x["e.table"])
            return torch.where((x["i"] == 1)[..., None], torch.zeros_like(y), y) if padding else y, {}

        return Case(seed, text, "e(i)", {"e.table": [rows, d]}, rows_of, indices={"i": (lead + [t], rows)})
    d = heads * choose.choice([2, 4, 6])
    interleaved = choose.random() < 0.5
    text = f"rotary(x, heads={heads}" + (", interleaved=true)" if interleaved else ")")
    return Case(seed, "", text, {"x": lead + [t, d]}, lambda x: (turned(x["x"], heads, interleaved=interleaved), {}))


if __name__ == "__main__":
    write("normalizations.json", [normalization(seed) for seed in range(CONFIGURATIONS)])
    write("attentions.json", [attention(seed) for seed in range(CONFIGURATIONS)])
