"""Contractions against torch.mm and torch.bmm, in turn, on the shapes of the tables that the design measured.

    cmake -B build -DGRADUS_BENCHMARKS=ON && ninja -C build contraction_driver
    python benchmarks/contraction.py [--driver build/benchmarks/contraction_driver] [--threads 1,2]

Each line: GFLOP/s of both and their ratio, the best of several rounds that alternate between the two. Operand b lies
packed where it would be a parameter (`packed`, `input_packed`).
"""

import argparse
import subprocess
import time

import torch

# kind, M, K, N, batch
CASES = [
    ("packed", 128, 784, 512, 1),
    ("weight", 784, 128, 512, 1),
    ("input_packed", 128, 512, 784, 1),
    ("packed", 768, 384, 1536, 1),
    ("packed", 128, 512, 256, 1),
    ("weight", 512, 128, 256, 1),
    ("input_packed", 128, 256, 512, 1),
    ("forward", 1024, 1024, 1024, 1),
    ("forward", 2048, 2048, 2048, 1),
    ("forward", 64, 64, 64, 1),
    ("forward", 32, 32, 32, 1),
    ("forward", 8, 16, 8, 1),
    ("forward", 64, 32, 64, 96),
]


def torch_call(kind, m, k, n, batch):
    """The same product as PyTorch users write it, writing into an existing result."""
    lead = (batch,) if batch > 1 else ()
    a = torch.randn(*lead, k, m).mT if kind == "weight" else torch.randn(*lead, m, k)
    b = torch.randn(*lead, n, k).mT if kind.startswith("input") else torch.randn(*lead, k, n)
    c = torch.empty(*lead, m, n)
    product = torch.bmm if batch > 1 else torch.mm
    return lambda: product(a, b, out=c)


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
    parser.add_argument("--driver", default="build/benchmarks/contraction_driver")
    parser.add_argument("--target", default="host")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--milliseconds", type=float, default=40, help="of each side in each round")
    parser.add_argument("--only", default="", help="a substring of the case, as printed")
    args = parser.parse_args()
    driver = subprocess.Popen([args.driver, args.target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print(f"{'case':<36}{'threads':>8}{'torch':>10}{'gradus':>10}{'ratio':>8}{'compile ms':>12}")
    for threads in [int(t) for t in args.threads.split(",")]:
        torch.set_num_threads(threads)
        for kind, m, k, n, batch in CASES:
            name = f"{kind} {m}x{k}x{n}" + (f" x {batch}" if batch > 1 else "")
            if args.only not in name:
                continue
            call = torch_call(kind, m, k, n, batch)
            theirs = ours = compile_ms = float("inf")
            for _ in range(args.rounds):
                theirs = min(theirs, best_time(call, args.milliseconds))
                # A pool that still spins would share our cores.
                if threads > 1:
                    time.sleep(0.25)
                driver.stdin.write(f"{kind} {m} {k} {n} {batch} {threads} {args.milliseconds}\n")
                driver.stdin.flush()
                answer = [float(x) for x in driver.stdout.readline().split()]
                ours, compile_ms = min(ours, answer[0] * 1e-9), min(compile_ms, answer[1])
            work = 2e-9 * m * k * n * batch
            print(f"{name:<36}{threads:>8}{work / theirs:>10.1f}{work / ours:>10.1f}{theirs / ours:>8.2f}"
                  f"{compile_ms:>12.1f}", flush=True)
    driver.stdin.close()
    driver.wait()


if __name__ == "__main__":
    main()
