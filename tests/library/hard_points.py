"""Writes hard_points.json: values and derivatives where digits are easily lost, from 1000 digits, and how far PyTorch is from them.

    python tests/library/hard_points.py        # where torch and mpmath are installed; the file is kept

A case is one expression of the language in f32 or f64, the gradient that comes in, the true value and gradient (rounded to f64), and PyTorch's error
at each element in units in the last place of the true one; below the smallest normal number an error counts as none.
"""
import json
import math
import pathlib

import mpmath as mp
import torch
import torch.nn.functional as F

mp.mp.dps = 1000  # so that no difference of the formulas below loses what counts
FOLDER = pathlib.Path(__file__).parent
EPSILON = {"f32": 2.0**-23, "f64": 2.0**-52}
SMALLEST = {"f32": 2.0**-126, "f64": 2.0**-1022}
TORCH = {"f32": torch.float32, "f64": torch.float64}


def ulps(found, true, kind):
    """|found - true| in units of the last place of `true`, rounded up."""
    if not math.isfinite(found):
        return 10**18
    error = abs(mp.mpf(found) - true)
    if error <= SMALLEST[kind]:
        return 0
    return min(int(mp.ceil(error / max(abs(true) * EPSILON[kind], mp.mpf(SMALLEST[kind])))), 10**18)


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def softplus(x):
    return mp.log(1 + mp.exp(-abs(x))) + max(x, 0) if abs(x) < 100 else max(x, 0) + mp.exp(-abs(x))


def dsigmoid(x):
    return mp.exp(-abs(x)) / (1 + mp.exp(-abs(x))) ** 2


def tanh_of_softplus(x):
    return mp.tanh(softplus(x))


HALF_PI = mp.sqrt(2 / mp.pi)


def gelu_tanh(x):
    return x * (1 + mp.tanh(HALF_PI * (x + mp.mpf("0.044715") * x**3))) / 2


def dgelu_tanh(x):
    u = HALF_PI * (x + mp.mpf("0.044715") * x**3)
    return (1 + mp.tanh(u)) / 2 + x * mp.sech(u) ** 2 * HALF_PI * (1 + 3 * mp.mpf("0.044715") * x**2) / 2


# text: PyTorch's, value, derivative
POINTWISE = {
    "sigmoid(x)": (torch.sigmoid, sigmoid, dsigmoid),
    "tanh(x)": (torch.tanh, mp.tanh, lambda x: mp.sech(x) ** 2),
    "log_sigmoid(x)": (F.logsigmoid, lambda x: -softplus(-x), lambda x: sigmoid(-x)),
    "softplus(x)": (F.softplus, softplus, sigmoid),
    "silu(x)": (F.silu, lambda x: x * sigmoid(x), lambda x: sigmoid(x) + x * dsigmoid(x)),
    "gelu(x)": (F.gelu, lambda x: x * mp.ncdf(x), lambda x: mp.ncdf(x) + x * mp.npdf(x)),
    "gelu_tanh(x)": (lambda x: F.gelu(x, approximate="tanh"), gelu_tanh, dgelu_tanh),
    "mish(x)": (F.mish, lambda x: x * tanh_of_softplus(x),
                lambda x: tanh_of_softplus(x) + x * mp.sech(softplus(x)) ** 2 * sigmoid(x)),
    "elu(x)": (F.elu, lambda x: x if x > 0 else mp.expm1(x), lambda x: mp.mpf(1) if x > 0 else mp.exp(x)),
    "log_cosh(x, 0)": (lambda x: x + F.softplus(-2 * x) - math.log(2), lambda x: softplus(2 * abs(x)) - abs(x) - mp.log(2), mp.tanh),
}
POSITIVE = {
    "log(x)": (torch.log, mp.log, lambda x: 1 / x),
    "log1p(x)": (torch.log1p, mp.log1p, lambda x: 1 / (1 + x)),
    "expm1(-x)": (lambda x: torch.expm1(-x), lambda x: mp.expm1(-x), lambda x: -mp.exp(-x)),
    "sqrt(x)": (torch.sqrt, mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x))),
}
FAR = [0.0, 1e-12, 1e-5, 0.01, 1.0, 9.0, 16.0, 17.0, 20.0, 37.0, 40.0, 60.0, 80.0, 100.0, 700.0, 1e4]
TINY = {"f32": [1e-37, 1e-30, 1e-12, 1e-5, 0.5, 1.0, 1e4], "f64": [1e-307, 1e-300, 1e-30, 1e-12, 1e-5, 0.5, 1.0, 1e4]}


def case(text, kind, inputs, pytorch, value, gradient, incoming):
    """`value` and `gradient` are lists of true numbers; `gradient` is by the first input."""
    tensors = [torch.tensor(v, dtype=TORCH[kind] if dtype is None else dtype) for v, dtype in inputs.values()]
    tensors[0].requires_grad_(True)
    y = pytorch(*tensors)
    r = torch.tensor(incoming, dtype=TORCH[kind]).reshape(y.shape)
    (y * r).sum().backward()
    found, slope = y.detach().flatten().tolist(), tensors[0].grad.flatten().tolist()
    described = {}
    for (key, (_, dtype)), tensor in zip(inputs.items(), tensors):
        described[key] = {"shape": list(tensor.shape), "values": tensor.detach().flatten().tolist()}
        if dtype is not None:
            described[key]["type"] = "i32"
    return {"text": text, "type": kind, "inputs": described, "shape": list(y.shape), "r": r.flatten().tolist(),
            "value": [float(v) for v in value], "gradient": [float(g) for g in gradient],
            "value_ulps": [ulps(f, t, kind) for f, t in zip(found, value)],
            "gradient_ulps": [ulps(f, t, kind) for f, t in zip(slope, gradient)]}


def rounded(values, kind):
    return torch.tensor(values, dtype=TORCH[kind]).tolist()


def pointwise(text, functions, points, kind):
    pytorch, value, slope = functions
    x = rounded(points, kind)
    return case(text, kind, {"x": (x, None)}, pytorch, [value(mp.mpf(v)) for v in x], [slope(mp.mpf(v)) for v in x], [1.0] * len(x))


def rows(kind):
    """Softmax and what is made of it, over logits that overflow one by one."""
    cases = []
    logits = [[1e4, -1e4, 0.0], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4], [1e-12, 0.0, -1e-12], [50.0, 0.0, -50.0], [3.0, 2.5, -1.0],
              [-1e4, 1e4, 1e4]]
    incoming = [1.0, 2.0, 0.5]
    for z in logits:
        z = rounded(z, kind)
        true = [mp.mpf(v) for v in z]
        e = [mp.exp(v - max(true)) for v in true]
        total = sum(e)
        p = [v / total for v in e]
        lsm = [v - max(true) - mp.log(total) for v in true]
        dot = sum(a * b for a, b in zip(p, incoming))
        cases.append(case("softmax(x)", kind, {"x": (z, None)}, lambda x: F.softmax(x, dim=-1), p,
                          [a * (g - dot) for a, g in zip(p, incoming)], incoming))
        cases.append(case("log_softmax(x)", kind, {"x": (z, None)}, lambda x: F.log_softmax(x, dim=-1), lsm,
                          [g - a * sum(incoming) for a, g in zip(p, incoming)], incoming))
        for label in range(3):
            cases.append(case("cross_entropy(x, t)", kind, {"x": ([z], None), "t": ([label], torch.int64)},
                              lambda x, t: F.cross_entropy(x, t, reduction="none"), [-lsm[label]],
                              [a - (1 if i == label else 0) for i, a in enumerate(p)], [1.0]))
    return cases


def binary(kind):
    cases = []
    x = rounded([s * v for v in FAR for s in (1, -1)], kind)
    for t in (0.0, 0.5, 1.0):
        # The forms that vanish nowhere before they should.
        slope = {0.0: sigmoid, 0.5: lambda v: sigmoid(v) - mp.mpf("0.5"), 1.0: lambda v: -sigmoid(-v)}[t]
        value = {0.0: softplus, 0.5: lambda v: softplus(v) - v / 2, 1.0: lambda v: softplus(-v)}[t]
        cases.append(case("binary_cross_entropy_with_logits(x, t)", kind, {"x": (x, None), "t": ([t] * len(x), None)},
                          lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none"), [value(mp.mpf(v)) for v in x],
                          [slope(mp.mpf(v)) for v in x], [1.0] * len(x)))
    return cases


if __name__ == "__main__":
    cases = []
    for kind in ("f32", "f64"):
        for text, functions in POINTWISE.items():
            cases.append(pointwise(text, functions, [s * v for v in FAR for s in (1, -1)], kind))
        for text, functions in POSITIVE.items():
            cases.append(pointwise(text, functions, TINY[kind], kind))
        cases += rows(kind) + binary(kind)
    lines = ",\n".join(json.dumps(c) for c in cases)
    (FOLDER / "hard_points.json").write_text("[\n" + lines + "\n]\n")
