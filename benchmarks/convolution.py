"""Convolutions and their gradients against torch's, in turn, on the layers that the design measured and those of lenet
and resnet20.

    cmake -B build -DGRADUS_BENCHMARKS=ON && ninja -C build convolution_driver
    python benchmarks/convolution.py [--driver build/benchmarks/convolution_driver] [--threads 1,2]

Each line: GFLOP/s of both (terms in padding counted, on both sides) and their ratio, the best of several rounds that
alternate between the two. Channels stand last on both sides.
"""

import torch

from side_by_side import compare

# batch, size of the image, channels in, channels out, taps, stride, padding
LAYERS = [
    (32, 32, 16, 16, 3, 1, 1),
    (32, 16, 32, 32, 3, 1, 1),
    (32, 8, 64, 64, 3, 1, 1),
    (32, 32, 3, 16, 3, 1, 1),
    (32, 32, 16, 32, 3, 2, 1),
    (32, 16, 32, 64, 3, 2, 1),
    (32, 32, 16, 32, 1, 2, 0),
    (32, 16, 32, 64, 1, 2, 0),
    (64, 28, 1, 6, 5, 1, 2),
    (64, 14, 6, 16, 5, 1, 0),
    (8, 56, 64, 64, 3, 1, 1),
    (8, 28, 128, 128, 3, 1, 1),
    (8, 14, 256, 256, 3, 1, 1),
]
KINDS = ("forward", "input", "weights")


def torch_call(kind, batch, size, channels_in, out, taps, stride, pad):
    """One product as autograd calls it."""
    last = torch.channels_last
    x = torch.randn(batch, channels_in, size, size).contiguous(memory_format=last)
    w = torch.randn(out, channels_in, taps, taps).contiguous(memory_format=last)
    y = torch.nn.functional.conv2d(x, w, stride=stride, padding=pad)
    if kind == "forward":
        return lambda: torch.nn.functional.conv2d(x, w, stride=stride, padding=pad)
    g = torch.randn_like(y).contiguous(memory_format=last)
    mask = [kind == "input", kind == "weights", False]
    pair = [1, 1]
    return lambda: torch.ops.aten.convolution_backward(
        g, x, w, None, [stride] * 2, [pad] * 2, pair, False, [0, 0], 1, mask
    )


def cases():
    for layer in LAYERS:
        batch, size, channels_in, out, taps, stride, pad = layer
        outputs = (size + 2 * pad - taps) // stride + 1
        operations = 2 * batch * outputs**2 * taps**2 * channels_in * out
        for kind in KINDS:
            if kind == "input" and channels_in < 6:
                continue
            name = f"{kind} {batch}x{size}x{size}x{channels_in} {taps}x{taps}/{stride} -> {out}"
            case = (kind, *layer)
            yield name, " ".join(map(str, case)), operations, lambda case=case: torch_call(*case)


if __name__ == "__main__":
    compare(__doc__, "convolution_driver", rounds=3, milliseconds=30, cases=list(cases()))
