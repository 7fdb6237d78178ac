"""Writes the reference values of tests/library: values, gradients and updates of PyTorch in f64.

    python tests/library/reference.py        # where torch is installed; the files it writes are kept

A case of activations.json and losses.json is one expression of the language with its inputs, its value y and the gradient of
sum(y * r), r fixed, by every floating-point input. A case of optimizers.json is an optimizer, a parameter, 20 gradients and the
parameter after each of them. Numbers that JSON does not have are the strings "inf", "-inf" and "nan".
"""
import json
import math
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
FOLDER = pathlib.Path(__file__).parent


def plain(tensor):
    """The elements in row-major order; integers stay integers."""
    if not tensor.is_floating_point():
        return [int(v) for v in tensor.flatten()]
    return [v if math.isfinite(v) else str(v) for v in tensor.detach().flatten().tolist()]


def case(name, text, function, inputs, setup="", fixed=()):
    """`function(**inputs)` is what `text` says, in torch; `fixed` inputs have no gradient of interest."""
    tensors = {}
    for key, value in inputs.items():
        wants = value.is_floating_point() and key not in fixed
        tensors[key] = value.clone().requires_grad_(wants)
    y = function(**tensors)
    generator = torch.Generator().manual_seed(7)
    r = torch.rand(y.shape, generator=generator) + 0.5
    (y * r).sum().backward()
    described = {}
    for key, value in tensors.items():
        described[key] = {"shape": list(value.shape), "values": plain(value)}
        if not value.is_floating_point():
            described[key]["type"] = "i32"
        elif value.requires_grad:
            gradient = value.grad if value.grad is not None else torch.zeros_like(value)
            described[key]["gradient"] = plain(gradient)
    return {"name": name, "setup": setup, "text": text, "inputs": described, "r": plain(r), "shape": list(y.shape), "value": plain(y)}


def write(file, cases):
    """One case a line."""
    lines = ",\n".join(json.dumps(c) for c in cases)
    (FOLDER / file).write_text("[\n" + lines + "\n]\n")


def rows(*shape, seed=1, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator) * scale


# Around 0, around every kink, and where exp overflows or a sigmoid is saturated.
KINKS = torch.tensor([0.0, -0.0, 1e-12, -1e-12, 1e-5, -1e-5, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 6.0, -6.0])
FAR = torch.tensor([10.0, -10.0, 19.0, -19.0, 40.0, -40.0, 300.0, -300.0, 1e4, -1e4])
POINTS = torch.cat([KINKS, FAR, rows(16)])


def activations():
    def pointwise(name, function, text=None):
        return case(name, (text or f"{name}(x)"), lambda x: function(x), {"x": POINTS})

    cases = [
        pointwise("identity", lambda x: x * 1),
        pointwise("sigmoid", torch.sigmoid),
        pointwise("tanh", torch.tanh),
        pointwise("expm1", torch.expm1),
        pointwise("relu", F.relu),
        pointwise("leaky_relu", F.leaky_relu),
        pointwise("leaky_relu_slope", lambda x: F.leaky_relu(x, 0.2), "leaky_relu(x, slope=0.2)"),
        pointwise("relu6", F.relu6),
        pointwise("elu", F.elu),
        pointwise("elu_alpha", lambda x: F.elu(x, 1.5), "elu(x, alpha=1.5)"),
        pointwise("selu", F.selu),
        pointwise("celu", F.celu),
        pointwise("celu_alpha", lambda x: F.celu(x, 1.5), "celu(x, alpha=1.5)"),
        pointwise("gelu", F.gelu),
        pointwise("gelu_tanh", lambda x: F.gelu(x, approximate="tanh")),
        pointwise("silu", F.silu),
        pointwise("mish", F.mish),
        # PyTorch switches to the identity at 20 unless told not to; the true value is asked for.
        pointwise("softplus", lambda x: F.softplus(x, threshold=500)),
        pointwise("softplus_beta", lambda x: F.softplus(x, beta=2, threshold=500), "softplus(x, beta=2)"),
        pointwise("log_sigmoid", F.logsigmoid),
        pointwise("softsign", F.softsign),
        # PyTorch's own kernels divide by 6 as f32 even in f64.
        pointwise("hard_sigmoid", lambda x: F.relu6(x + 3) / 6),
        pointwise("hard_swish", lambda x: x * (F.relu6(x + 3) / 6)),
        pointwise("hard_tanh", F.hardtanh),
        pointwise("hard_tanh_bounds", lambda x: F.hardtanh(x, -0.5, 3.0), "hard_tanh(x, lo=-0.5, hi=3)"),
    ]
    positive = torch.tensor([-0.5, -1e-5, -1e-17, 0.0, 1e-300, 1e-17, 1e-5, 0.1, 1.0, 1e3, 1e16, 1e300])
    cases.append(case("log1p", "log1p(x)", torch.log1p, {"x": positive}))
    cases.append(case("prelu", "p(x)", lambda x: F.prelu(x, torch.tensor([0.25])), {"x": rows(4, 3)}, setup="p = prelu()"))
    # The slope is a parameter, p.slope.
    slopes = torch.tensor([0.25, -0.5, 0.0])
    grid = torch.cat([rows(4, 3), torch.zeros(1, 3)])
    cases.append(case("prelu_learnt", "p(x)", lambda **i: F.prelu(i["x"], i["p.slope"]), {"x": grid, "p.slope": slopes},
                      setup="p = prelu(3)"))
    hard = torch.tensor([[1e4, -1e4, 0.0], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4], [700.0, -700.0, 710.0], [1e-12, 0.0, -1e-12]])
    for name, function in [("softmax", F.softmax), ("log_softmax", F.log_softmax)]:
        cases.append(case(name, f"{name}(x)", lambda x: function(x, dim=-1), {"x": torch.cat([rows(3, 3), hard])}))
        cases.append(case(name + "_axis", f"{name}(x, axis=1)", lambda x: function(x, dim=1), {"x": rows(2, 5, 3)}))
    cases.append(case("maxout", "maxout(x, 3)", lambda x: x.reshape(4, 2, 3).max(dim=-1).values, {"x": rows(4, 6)}))
    return cases


if __name__ == "__main__":
    write("activations.json", activations())
