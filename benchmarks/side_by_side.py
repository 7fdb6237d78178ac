"""One product by torch and by a driver of ours, in turn: what contraction.py and convolution.py share."""

import argparse
import subprocess
import time

import torch


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


def compare(description, driver, rounds, milliseconds, cases):
    """Prints a line for each of `cases`: (name, request to the driver, floating-point operations, maker of torch's call)."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", default=f"build/benchmarks/{driver}")
    parser.add_argument("--target", default="host")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--milliseconds", type=float, default=milliseconds, help="of each side in each round")
    parser.add_argument("--only", default="", help="a substring of the case, as printed")
    args = parser.parse_args()
    process = subprocess.Popen([args.driver, args.target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print(f"{'case':<40}{'threads':>8}{'torch':>10}{'gradus':>10}{'ratio':>8}{'compile ms':>12}")
    for threads in [int(t) for t in args.threads.split(",")]:
        torch.set_num_threads(threads)
        for name, request, operations, make_call in cases:
            if args.only not in name:
                continue
            call = make_call()
            theirs = ours = compile_ms = float("inf")
            for _ in range(args.rounds):
                theirs = min(theirs, best_time(call, args.milliseconds))
                # A pool that still spins would share our cores.
                if threads > 1:
                    time.sleep(0.25)
                process.stdin.write(f"{request} {threads} {args.milliseconds}\n")
                process.stdin.flush()
                answer = [float(x) for x in process.stdout.readline().split()]
                ours, compile_ms = min(ours, answer[0] * 1e-9), min(compile_ms, answer[1])
            work = operations * 1e-9
            print(f"{name:<40}{threads:>8}{work / theirs:>10.1f}{work / ours:>10.1f}{theirs / ours:>8.2f}"
                  f"{compile_ms:>12.1f}", flush=True)
    process.stdin.close()
    process.wait()
