"""Convolutions and their gradients against torch's, in turn, on the layers that the design measured and those of lenet
and resnet20.

    cmake -B build -DGRADUS_BENCHMARKS=ON && ninja -C build convolution_driver
    python benchmarks/convolution.py [--driver build/benchmarks/convolution_driver] [--threads 1,2]

Each line: GFLOP/s of both (terms in padding counted, on both sides) and their ratio, the best of several rounds that
alternate between the two. Channels stand last on both sides.
"""

import argparse
import subprocess
import time

import torch

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


def best_time(call, milliseconds):
    repetitions, best, start = 1, float("inf"), time.perf_counter()
    while True:
        before = time.perf_counter()
        for _ in range(repetitions):
            call()
        now = time.perf_counter()
        if now - before < 5e-4:
            repetitions *= 2
            continue
        best = min(best, (now - before) / repetitions)
        if now - start > milliseconds * 1e-3:
            return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", default="build/benchmarks/convolution_driver")
    parser.add_argument("--target", default="host")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milliseconds", type=float, default=30, help="of each side in each round")
    parser.add_argument("--only", default="", help="a substring of the case, as printed")
    args = parser.parse_args()
    driver = subprocess.Popen([args.driver, args.target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print(f"{'case':44} {'torch':>8} {'gradus':>8} {'ratio':>6} {'compile':>8}")
    for threads in [int(t) for t in args.threads.split(",")]:
        torch.set_num_threads(threads)
        for layer in LAYERS:
            batch, size, channels_in, out, taps, stride, pad = layer
            for kind in KINDS:
                name = f"{kind} {batch}x{size}x{size}x{channels_in} {taps}x{taps}/{stride} -> {out}, {threads} thr"
                if args.only not in name or (kind == "input" and channels_in < 6):
                    continue
                call = torch_call(kind, *layer)
                theirs = ours = float("inf")
                for _ in range(args.rounds):
                    theirs = min(theirs, best_time(call, args.milliseconds))
                    numbers = " ".join(str(n) for n in layer)
                    driver.stdin.write(f"{kind} {numbers} {threads} {args.milliseconds}\n")
                    driver.stdin.flush()
                    nanoseconds, compile_ms = map(float, driver.stdout.readline().split())
                    ours = min(ours, nanoseconds * 1e-9)
                outputs = (size + 2 * pad - taps) // stride + 1
                gflop = 2e-9 * batch * outputs**2 * taps**2 * channels_in * out
                print(f"{name:44} {gflop / theirs:8.1f} {gflop / ours:8.1f} {theirs / ours:6.2f} {compile_ms:5.1f} ms",
                      flush=True)


if __name__ == "__main__":
    main()
