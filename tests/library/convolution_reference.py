"""Writes convolutions.npz: convolutions in random configurations, transposed and by groups too, as PyTorch has them. torch_cases.py says what is written.

    python tests/library/convolution_reference.py
"""
import random

import torch.nn.functional as F

from torch_cases import Case, first, last, listed, some, spelled, write

COUNT = 360
LAYOUTS = {1: ("nwc", "ncw"), 2: ("nhwc", "nchw"), 3: ("ndhwc", "ncdhw")}
CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def windows(w):
    """[taps, in, out] as PyTorch has it: [out, in, taps]."""
    return w.movedim(-1, 0).movedim(-1, 1).contiguous()


def convolution(seed):
    rng = random.Random(seed)
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

    def function(t):
        x, w, b = t["x"] if second else first(t["x"]), t["c.w"], t.get("c.b")
        if transposed:
            # [taps, in / groups, out] to [in, out / groups, taps]
            g = w.reshape(*taps, n // groups, groups, m // groups)
            g = g.movedim(-2, 0).reshape(groups, *taps, n // groups, m // groups).movedim(-2, 1).movedim(-1, 2)
            y = TRANSPOSE[rank](x, g.reshape(n, m // groups, *taps).contiguous(), b, stride, pad, after, groups, dilation)
        else:
            y = CONVOLVE[rank](x, windows(w), b, stride, "same" if same else pad, dilation, groups)
        return (y if second else last(y)), {}

    return Case(seed, f"c = {name}({', '.join(arguments)})\ny = c(x)", inputs, function)


if __name__ == "__main__":
    write("convolutions.npz", [convolution(seed) for seed in range(COUNT)])
