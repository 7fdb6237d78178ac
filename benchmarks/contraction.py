"""Contractions against torch.mm and torch.bmm, in turn, on the shapes of the tables that the design measured.

    cmake -B build -DGRADUS_BENCHMARKS=ON && ninja -C build contraction_driver
    python benchmarks/contraction.py [--driver build/benchmarks/contraction_driver] [--threads 1,2]

Each line: GFLOP/s of both and their ratio, the best of several rounds that alternate between the two. Operand b lies
packed where it would be a parameter (`packed`, `input_packed`).
"""

import torch

from side_by_side import compare

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


def cases():
    for kind, m, k, n, batch in CASES:
        name = f"{kind} {m}x{k}x{n}" + (f" x {batch}" if batch > 1 else "")
        case = (kind, m, k, n, batch)
        yield name, " ".join(map(str, case)), 2 * m * k * n * batch, lambda case=case: torch_call(*case)


if __name__ == "__main__":
    compare(__doc__, "contraction_driver", rounds=5, milliseconds=40, cases=list(cases()))
