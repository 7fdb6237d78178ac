"""Writes poolings.npz: pooling and resizing in random configurations, as PyTorch has them. torch_cases.py says what is written.

    python tests/library/pooling_reference.py
"""
import random

import torch
import torch.nn.functional as F

from torch_cases import Case, first, last, listed, some, spelled, write

COUNT = 400
LAYOUTS = {1: ("nwc", "ncw"), 2: ("nhwc", "nchw"), 3: ("ndhwc", "ncdhw")}
MAXIMUM = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def pooling(seed):
    rng = random.Random(seed)
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
    up = rng.random() < 0.4
    rounded = ", ceil_mode=true" if up else ""
    if kind == "max":
        dilation = [1 if (t - 1) * 2 + 1 > e + 2 * p else rng.choice([1, 2]) for t, e, p in zip(taps, extents, pad)]
        text = f"max_pool(x, {common}, dilation={spelled(rng, dilation)}{rounded}{layout})"
        apply = lambda x: MAXIMUM[rank](x, taps, stride, pad, dilation, ceil_mode=up)
    elif kind == "avg":
        counts = rng.random() < 0.5
        text = f"avg_pool(x, {common}, count_include_pad={str(counts).lower()}{rounded}{layout})"
        apply = lambda x: AVERAGE[rank](x, taps, stride, pad, ceil_mode=up, count_include_pad=counts)
    elif kind == "adaptive":
        text = f"adaptive_avg_pool(x, {spelled(rng, sizes)}{layout})"
        apply = lambda x: ADAPTIVE[rank](x, sizes)
    elif kind == "global":
        mean = rng.random() < 0.5
        text = f"global_{'avg' if mean else 'max'}_pool(x{layout})"
        over = list(range(2, rank + 2))
        return Case(seed, "y = " + text, inputs, lambda t: ((torch.mean if mean else torch.amax)(t["x"] if second else first(t["x"]), dim=over), {}))
    elif kind == "nearest":
        sizes = [e * rng.choice([1, 2]) if rng.random() < 0.6 else max(1, e // 2) for e in extents]
        text = f"resize_nearest(x, {listed(sizes)}{layout})"
        apply = lambda x: F.interpolate(x, sizes, mode="nearest")
    else:
        corners = rng.random() < 0.5
        text = f"resize_bilinear(x, {spelled(rng, sizes)}, align_corners={str(corners).lower()}{layout})"
        apply = lambda x: F.interpolate(x, sizes, mode={1: "linear", 2: "bilinear", 3: "trilinear"}[rank], align_corners=corners)
    return Case(seed, "y = " + text, inputs, lambda t: (apply(t["x"]) if second else last(apply(first(t["x"]))), {}))


if __name__ == "__main__":
    write("poolings.npz", [pooling(seed) for seed in range(COUNT)])
