"""How the library is compared with PyTorch: what a case is, and how far from PyTorch the library may be.

The scripts *_reference.py draw random configurations and write a file each, where torch is installed; the files are kept, and torch_cases.cc reads
them. A case is statements of the language over inputs that both sides make of a seed and a name (`numbers`), with outputs, and the same as a function of
tensors of torch. Of each output, each gradient of the sum of the outputs times random numbers, and each new state the file has PyTorch's numbers in f64
(`digest`) and an error: the largest that PyTorch's f32 makes.

**What PyTorch's own error is.** The largest distance of an element in f32 from the same in f64, over the case itself and as many neighbours as NEIGHBOURS
says, in which each input is scaled by a factor within 1/1000 of 1. A neighbour is the same problem with the same conditioning, and other roundings: a few
elements can be exact by chance (a short sum of numbers with few digits, a mean of two), all neighbours of them are not. Nor is it below half a unit in the
last place of the tensor's largest element, which is what writing down the exact result costs. The library may make four times that in f32, and in f64 the
same fraction of what it may make in f32 as a rounding of f64 is of one of f32, 32 times over.
"""
import json
import math
import pathlib

import numpy as np
import torch

FOLDER = pathlib.Path(__file__).parent
NEIGHBOURS = 16
SUMS, ELEMENTS = 3, 3
torch.set_num_threads(1)


def words(seed, name, count):
    """32 random bits an element."""
    h = 2166136261
    for byte in name.encode():
        h = (h ^ byte) * 16777619 % 2**32
    v = (np.arange(count, dtype=np.uint64) * 2654435769 + h + seed * 1000003) % 2**32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        v = ((v ^ (v >> shift)) * factor) % 2**32
    return v ^ (v >> 16)


def uniform(seed, name, count):
    """Multiples of 2^-22 from -2 to 2, which f32 holds."""
    return (words(seed, name, count) >> 8).astype(np.float64) / 2**22 - 2


def numbers(seed, name, given):
    """The elements of an input, in f64, as f32 has them: a shape, or a shape with more to say.

    `spread` times uniform numbers, variances positive. `offset`: so many times one uniform number for each index of `axis` is added; where `constant` is
    said, about one index of four has the offset alone. `zeros`: one element of so many is 0.
    """
    given = given if isinstance(given, dict) else {"shape": given}
    shape = given["shape"]
    x = uniform(seed, name, math.prod(shape)).reshape(shape)
    if name.endswith("variance"):
        x = np.abs(x) + 0.25
    x = given.get("spread", 1.0) * x
    if "offset" in given:
        extent = shape[given["axis"]]
        along = [extent if i == given["axis"] % len(shape) else 1 for i in range(len(shape))]
        if given.get("constant"):
            x = np.where((words(seed, name + ":constant", extent) % 4 == 0).reshape(along), 0, x)
        x = x + given["offset"] * uniform(seed, name + ":offset", extent).reshape(along)
    if "zeros" in given:
        x = np.where((words(seed, name + ":zeros", x.size) % given["zeros"] == 0).reshape(shape), 0, x)
    return x.astype(np.float32).astype(np.float64)


def digest(seed, name, tensor):
    """All elements of a small tensor, else a few sums with random weights and a few elements."""
    flat = tensor.flatten()
    if flat.size <= SUMS + ELEMENTS:
        return list(flat)
    sums = [float((flat * uniform(seed, f"{name}:{i}", flat.size)).sum()) for i in range(SUMS)]
    return sums + [flat[i] for i in words(seed, name + ":at", ELEMENTS) % flat.size]


class Case:
    """`function(inputs)` gives the outputs and the new states, dictionaries of tensors of the inputs' type; one output may come as a tensor: y."""

    def __init__(self, seed, text, inputs, function, states=None, flags=None, indices=None, evaluate=False):
        """`inputs` are differentiated and `states` carried on, both as `numbers` reads them; `flags` are shapes of booleans, `indices` (shape, below)."""
        self.row = {"seed": seed, "text": text, "inputs": inputs}
        if states:
            self.row["states"] = states
        if flags:
            self.row["flags"] = flags
        if indices:
            self.row["indices"] = {name: {"shape": shape, "below": below} for name, (shape, below) in indices.items()}
        if evaluate:
            self.row["evaluate"] = True
        exact, single = self.run(function, torch.float64), self.run(function, torch.float32)
        largest = {name: np.abs(tensor).max() for name, tensor in exact.items()}
        errors = {name: max(np.abs(single[name] - exact[name]).max(), largest[name] * 2**-24) for name in exact}
        for neighbour in range(1, NEIGHBOURS + 1):
            near, rounded = (self.run(function, dtype, neighbour) for dtype in (torch.float64, torch.float32))
            for name in exact:
                errors[name] = max(errors[name], np.abs(rounded[name] - near[name]).max())
        self.numbers = [n for name, tensor in exact.items() for n in digest(seed, name, tensor)]
        assert np.isfinite(self.numbers).all(), text
        self.row["errors"] = [[name, float(f"{error:.3g}")] for name, error in errors.items()]

    def tensor(self, name, given, dtype, neighbour):
        x = numbers(self.row["seed"], name, given)
        if neighbour:
            x = (x * (1 + uniform(self.row["seed"], f"{name}:neighbour", neighbour)[-1] / 2000)).astype(np.float32)
        return torch.tensor(x, dtype=dtype)

    def run(self, function, dtype, neighbour=0):
        row, seed = self.row, self.row["seed"]
        inputs = {n: self.tensor(n, given, dtype, neighbour).requires_grad_() for n, given in row["inputs"].items()}
        others = {n: self.tensor(n, given, dtype, neighbour) for n, given in row.get("states", {}).items()}
        for n, shape in row.get("flags", {}).items():
            others[n] = torch.tensor((words(seed, n, math.prod(shape)) % 3 > 0).reshape(shape))
        for n, i in row.get("indices", {}).items():
            others[n] = torch.tensor((words(seed, n, math.prod(i["shape"])) % i["below"]).astype(np.int64).reshape(i["shape"]))
        outputs, states = function({**inputs, **others})
        outputs = outputs if isinstance(outputs, dict) else {"y": outputs}
        row["outputs"] = {name: list(y.shape) for name, y in outputs.items()}
        sum((y * self.tensor("r_" + name, list(y.shape), dtype, neighbour)).sum() for name, y in outputs.items()).backward()
        results = {**outputs, **{n: x.grad if x.grad is not None else torch.zeros_like(x) for n, x in inputs.items()}}
        results.update({name + "'": state for name, state in states.items()})
        return {name: tensor.detach().double().numpy().copy() for name, tensor in results.items()}


def first(x):
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def listed(numbers):
    return "[" + ", ".join(str(n) for n in numbers) + "]"


def some(rng, rank, choices):
    return [rng.choice(choices) for _ in range(rank)]


def spelled(rng, numbers):
    """One number where all are equal, as often as a list."""
    return str(numbers[0]) if len(set(numbers)) == 1 and rng.random() < 0.7 else listed(numbers)


def write(file, cases):
    text = json.dumps([case.row for case in cases], separators=(",", ":"))
    np.savez_compressed(FOLDER / file, cases=np.frombuffer(text.encode(), np.uint8), numbers=np.concatenate([case.numbers for case in cases]))
    print(f"{file}: {len(cases)} cases, {(FOLDER / file).stat().st_size} bytes")
