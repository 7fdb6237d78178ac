"""Writes tests/library/convolutions.npz: convolutions, pooling and resizing of PyTorch, values and gradients, in f64.

    python tests/library/convolution_reference.py        # where torch is installed; the file that it writes is kept

A case is a program of one expression: `setup`, then y = `text`, over inputs that both sides draw from `uniform`. Kept are y and the gradients of
sum(y * r) by every input, each as 32-bit integers times a scale, and the largest error of PyTorch's own float32 beside them, or one rounding of the largest sum
of magnitudes, which no float32 can promise to beat: a short sum is exact by chance. `cases` of the file is the text of a list in JSON, `values` the integers of all of them, one tensor behind the other.
"""
import json
import pathlib
import random

import numpy as np
import torch
import torch.nn.functional as F

FOLDER = pathlib.Path(__file__).parent
COUNT = 320  # of each family


def uniform(case, tensor, shape):
    """Numbers of 24 bits in [-1, 1): splitmix64 of the element, the tensor and the case."""
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + np.uint64(case * 1000003 + tensor * 7919 + 1) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1).reshape(shape)


def first(x):
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def windows(w):
    """[taps, in, out] as PyTorch has it: [out, in, taps]."""
    return w.movedim(-1, 0).movedim(-1, 1).contiguous()


def listed(numbers):
    return "[" + ", ".join(str(n) for n in numbers) + "]"


def some(rng, rank, choices):
    return [rng.choice(choices) for _ in range(rank)]


def spelled(rng, numbers):
    """One number where all are equal, as often as a list."""
    return str(numbers[0]) if len(set(numbers)) == 1 and rng.random() < 0.7 else listed(numbers)


LAYOUTS = {1: ("nwc", "ncw"), 2: ("nhwc", "nchw"), 3: ("ndhwc", "ncdhw")}
CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAXIMUM = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def convolution(rng):
    rank = rng.choice([1, 2, 2, 2, 3])
    transposed = rng.random() < 0.35
    depthwise = rng.random() < 0.2
    groups = rng.choice([1, 1, 2, 3])
    n = rng.randint(2, 4) if depthwise else groups * rng.randint(1, 3 if groups == 1 else 2)
    groups = n if depthwise else groups
    m = groups * rng.randint(1, 5 if groups == 1 else 2)
    taps = some(rng, rank, [1, 2, 3, 3] if rank < 3 else [1, 2])
    stride, dilation = some(rng, rank, [1, 1, 2, 3]), some(rng, rank, [1, 1, 2])
    pad = [rng.randint(0, d * (t - 1)) for t, d in zip(taps, dilation)]
    extents = [max(rng.randint(2, {1: 12, 2: 6, 3: 3}[rank]), 1 + d * (t - 1) - 2 * p) for t, d, p in zip(taps, dilation, pad)]
    after = [rng.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation)]
    bias, second = rng.random() < 0.7, rng.random() < 0.3
    if transposed:
        pad = [min(p, (e - 1) * s + d * (t - 1)) // 2 for p, e, s, d, t in zip(pad, extents, stride, dilation, taps)]
    x = [rng.randint(1, 2), *extents, n]
    same = not transposed and set(stride) == {1} and rng.random() < 0.3
    arguments = [str(n), str(m), spelled(rng, taps) if rank > 1 else str(taps[0])]
    arguments += [f"stride={spelled(rng, stride)}", f"dilation={spelled(rng, dilation)}"]
    arguments += ['pad="same"' if same else f"pad={spelled(rng, pad)}", f"groups={groups}", f"bias={str(bias).lower()}"]
    if transposed:
        arguments.append(f"output_pad={spelled(rng, after)}")
    name = f"conv_transpose{rank}d" if transposed else f"conv{rank}d"
    if depthwise and rank == 2 and not transposed:
        name, arguments = "depthwise_conv2d", [str(n), *arguments[2:-2], arguments[-1], f"multiplier={m // n}"]
    if second:
        arguments.append(f'layout="{LAYOUTS[rank][1]}"')
    inputs = {"x": [x[0], n, *extents] if second else x, "c.w": [*taps, n // groups, m]}
    if bias:
        inputs["c.b"] = [m]

    def function(x, w, b=None):
        x = x if second else first(x)
        if transposed:
            # [taps, in / groups, out] to [in, out / groups, taps]
            g = w.reshape(*taps, n // groups, groups, m // groups)
            g = g.movedim(-2, 0).reshape(groups, *taps, n // groups, m // groups).movedim(-2, 1).movedim(-1, 2)
            y = TRANSPOSE[rank](x, g.reshape(n, m // groups, *taps).contiguous(), b, stride, pad, after, groups, dilation)
        else:
            y = CONVOLVE[rank](x, windows(w), b, stride, "same" if same else pad, dilation, groups)
        return y if second else last(y)

    return f"c = {name}({', '.join(arguments)})", "c(x)", inputs, function


def pooling(rng):
    rank = rng.choice([1, 2, 2, 2, 3])
    kind = rng.choice(["max", "max", "avg", "avg", "adaptive", "global", "nearest", "linear"])
    extents = some(rng, rank, range(3, {1: 12, 2: 7, 3: 5}[rank]))
    x = [rng.randint(1, 2), *extents, rng.randint(1, 2)]
    second = rng.random() < 0.3
    layout = f', layout="{LAYOUTS[rank][1]}"' if second else ""
    inputs = {"x": [x[0], x[-1], *extents] if second else x}
    taps = [rng.randint(1, min(3, e)) for e in extents]
    stride, pad = some(rng, rank, [1, 2, 3]), [rng.randint(0, t // 2) for t in taps]
    sizes = some(rng, rank, range(1, 8 if rank < 3 else 5))
    common = f"{spelled(rng, taps)}, stride={spelled(rng, stride)}, pad={spelled(rng, pad)}"
    if kind == "max":
        dilation = [1 if (t - 1) * 2 + 1 > e + 2 * p else rng.choice([1, 2]) for t, e, p in zip(taps, extents, pad)]
        text = f"max_pool(x, {common}, dilation={spelled(rng, dilation)}{layout})"
        apply = lambda x: MAXIMUM[rank](x, taps, stride, pad, dilation)
    elif kind == "avg":
        counts = rng.random() < 0.5
        text = f"avg_pool(x, {common}, count_include_pad={str(counts).lower()}{layout})"
        apply = lambda x: AVERAGE[rank](x, taps, stride, pad, count_include_pad=counts)
    elif kind == "adaptive":
        text = f"adaptive_avg_pool(x, {spelled(rng, sizes)}{layout})"
        apply = lambda x: ADAPTIVE[rank](x, sizes)
    elif kind == "global":
        mean = rng.random() < 0.5
        text = f"global_{'avg' if mean else 'max'}_pool(x{layout})"
        return "", text, inputs, lambda x: (torch.mean if mean else torch.amax)(x if second else first(x), dim=list(range(2, rank + 2)))
    elif kind == "nearest":
        sizes = [e * rng.choice([1, 2]) if rng.random() < 0.6 else max(1, e // 2) for e in extents]
        text = f"resize_nearest(x, {listed(sizes)}{layout})"
        apply = lambda x: F.interpolate(x, sizes, mode="nearest")
    else:
        corners = rng.random() < 0.5
        text = f"resize_bilinear(x, {spelled(rng, sizes)}, align_corners={str(corners).lower()}{layout})"
        apply = lambda x: F.interpolate(x, sizes, mode={1: "linear", 2: "bilinear", 3: "trilinear"}[rank], align_corners=corners)
    return "", text, inputs, lambda x: apply(x) if second else last(apply(first(x)))


def run(function, arrays, r, dtype):
    tensors = [torch.tensor(a, dtype=dtype, requires_grad=True) for a in arrays]
    y = function(*tensors)
    r = torch.tensor(r, dtype=dtype) if r is not None else torch.ones_like(y)
    (y * r).sum().backward()
    return [t.detach().double().numpy() for t in [y, *(t.grad for t in tensors)]]


def main():
    cases, values = [], []
    rng = random.Random(20240601)
    for make in [convolution] * COUNT + [pooling] * COUNT:
        number = len(cases)
        setup, text, inputs, function = make(rng)
        arrays = [uniform(number, i, shape) for i, shape in enumerate(inputs.values())]
        shape = list(run(function, arrays, None, torch.float64)[0].shape)
        r = uniform(number, len(arrays), shape)
        exact, single = (run(function, arrays, r, dtype) for dtype in (torch.float64, torch.float32))
        sizes = run(function, [np.abs(a) for a in arrays], np.abs(r), torch.float64)
        scales, errors = [], []
        for a, b, size in zip(exact, single, sizes):
            scale = max(np.abs(a).max(), 1e-30) / (2**31 - 1)
            scales.append(scale)
            errors.append(max(float(np.abs(a - b).max()), float(size.max()) * 2**-24))
            values.append(np.rint(a / scale).astype(np.int32).ravel())
        cases.append(dict(setup=setup, text=text, inputs=list(inputs.items()), shape=shape, scales=scales, errors=errors))
    np.savez_compressed(FOLDER / "convolutions.npz", cases=np.frombuffer(json.dumps(cases, separators=(",", ":")).encode(), np.uint8),
                        values=np.concatenate(values))


if __name__ == "__main__":
    main()
