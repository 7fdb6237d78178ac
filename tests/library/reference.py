"""Writes the reference values of tests/library: values, gradients and updates of PyTorch in f64.

    python tests/library/reference.py        # where torch is installed; the files it writes are kept

A case of activations.json, losses.json and sorting.json is one expression of the language with its inputs, its value y and the gradient of
sum(y * r), r fixed, by every floating-point input. A case of optimizers.json is an optimizer, a parameter, 20 gradients and the
parameter after each of them; gradients that are left out are those of the case before. recipes.json has a small network and its data, then one
recipe a line: the examples of every batch, every parameter (and its average) after some updates, and what is predicted at the end. Numbers that JSON does not have are the strings "inf", "-inf" and "nan".
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


def case(name, text, function, inputs, setup="", fixed=(), gradients=None):
    """`function` of the inputs, in their order, is what `text` says, in torch; `fixed` inputs have no gradient of interest, and
    `gradients(r)` are those that PyTorch gives less exactly."""
    tensors = {}
    for key, value in inputs.items():
        wants = value.is_floating_point() and key not in fixed
        tensors[key] = value.clone().requires_grad_(wants)
    y = function(*tensors.values())
    generator = torch.Generator().manual_seed(7)
    r = torch.rand(y.shape, generator=generator) + 0.5
    (y * r).sum().backward()
    own = gradients(r) if gradients else {}
    described = {}
    for key, value in tensors.items():
        described[key] = {"shape": list(value.shape), "values": plain(value)}
        if not value.is_floating_point():
            described[key]["type"] = "i32"
        elif value.requires_grad:
            gradient = value.grad if value.grad is not None else torch.zeros_like(value)
            described[key]["gradient"] = plain(own.get(key, gradient))
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
        pointwise("soft_shrink", F.softshrink),
        pointwise("soft_shrink_limit", lambda x: F.softshrink(x, 3.0), "soft_shrink(x, limit=3)"),
        pointwise("hard_tanh", F.hardtanh),
        pointwise("hard_tanh_bounds", lambda x: F.hardtanh(x, -0.5, 3.0), "hard_tanh(x, lo=-0.5, hi=3)"),
    ]
    positive = torch.tensor([-0.5, -1e-5, -1e-17, 0.0, 1e-300, 1e-17, 1e-5, 0.1, 1.0, 1e3, 1e16, 1e300])
    cases.append(case("log1p", "log1p(x)", torch.log1p, {"x": positive}))
    near = torch.cat([KINKS, rows(16), torch.tensor([10.0, -19.0, 40.0, -300.0, 709.0])])
    cases.append(case("sinh", "sinh(x)", torch.sinh, {"x": near}))
    cases.append(case("cosh", "cosh(x)", torch.cosh, {"x": near}))
    above = torch.tensor([1e-300, 1e-17, 1e-5, 0.1, 0.5, 1.0, 2.0, 10.0, 1e3, 1e16, 1e300])
    cases.append(case("log2", "log2(x)", torch.log2, {"x": above}))
    cases.append(case("log10", "log10(x)", torch.log10, {"x": above}))
    a, b = torch.cat([rows(12, seed=8), torch.tensor([3.0, 1e200, 0.0, -5.0])]), torch.cat([rows(12, seed=9), torch.tensor([4.0, 1e200, 2.0, 0.0])])
    cases.append(case("hypot", "hypot(a, b)", torch.hypot, {"a": a, "b": b}))
    cases.append(case("logaddexp", "logaddexp(a, b)", torch.logaddexp, {"a": a * 20, "b": b * 20}))
    cases.append(case("prelu", "p(x)", lambda x: F.prelu(x, torch.tensor([0.25])), {"x": rows(4, 3)}, setup="p = prelu()"))
    # The slope is a parameter, p.slope.
    slopes = torch.tensor([0.25, -0.5, 0.0])
    grid = torch.cat([rows(4, 3), torch.zeros(1, 3)])
    cases.append(case("prelu_learnt", "p(x)", F.prelu, {"x": grid, "p.slope": slopes},
                      setup="p = prelu(3)"))
    hard = torch.tensor([[1e4, -1e4, 0.0], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4], [700.0, -700.0, 710.0], [1e-12, 0.0, -1e-12]])
    for name, function in [("softmax", F.softmax), ("log_softmax", F.log_softmax)]:
        cases.append(case(name, f"{name}(x)", lambda x: function(x, dim=-1), {"x": torch.cat([rows(3, 3), hard])}))
        cases.append(case(name + "_axis", f"{name}(x, axis=1)", lambda x: function(x, dim=1), {"x": rows(2, 5, 3)}))
    for axis in (-1, 0):
        cases.append(case(f"logsumexp_{axis}", f"logsumexp(x, axis={axis})", lambda x: torch.logsumexp(x, axis), {"x": torch.cat([rows(3, 3), hard])}))
        cases.append(case(f"glu_{axis}", f"glu(x, axis={axis})", lambda x: F.glu(x, axis), {"x": rows(4, 6)}))
    cases.append(case("logsumexp_keepdims", "logsumexp(x, axis=1, keepdims=true)", lambda x: torch.logsumexp(x, 1, keepdim=True), {"x": rows(2, 5, 3)}))
    cases.append(case("variance", "variance(x)", lambda x: torch.var(x, correction=0), {"x": rows(3, 5)}))
    cases.append(case("variance_corrected", "variance(x, axis=[0, 2], keepdims=true, correction=1)", lambda x: torch.var(x, (0, 2), keepdim=True), {"x": 1000 + rows(2, 5, 3)}))
    last_to_second = lambda x: F.pixel_shuffle(x.movedim(-1, 1), 2).movedim(1, -1)
    cases.append(case("pixel_shuffle", "pixel_shuffle(x, 2)", last_to_second, {"x": rows(2, 4, 3, 8)}))
    cases.append(case("pixel_shuffle_nchw", 'pixel_shuffle(x, 2, layout="nchw")', lambda x: F.pixel_shuffle(x, 2), {"x": rows(2, 8, 4, 3)}))
    cases.append(case("maxout", "maxout(x, 3)", lambda x: x.reshape(4, 2, 3).max(dim=-1).values, {"x": rows(4, 6)}))
    return cases


def losses():
    y, t = rows(4, 3, seed=2), rows(4, 3, seed=3)
    t[0] = y[0]  # differences of 0
    t[1, 0], t[1, 1], t[2, 0] = y[1, 0] - 1, y[1, 1] + 1, y[2, 0] - 1e3  # of delta, and far
    pair = {"x": y, "t": t}

    def on_pair(name, text, function):
        return case(name, text, function, pair)

    def least_squares(y, t):
        return ((y - t) ** 2).sum() / 2

    def log_cosh(y, t):
        e = y - t
        return torch.where(e.abs() < 20, torch.log(torch.cosh(e.clamp(-20, 20))), e.abs() - math.log(2))

    w = torch.tensor([0.0, 0.5, 2.0])
    cases = [
        on_pair("mse", "mse(x, t)", F.mse_loss),
        on_pair("least_squares", "least_squares(x, t)", least_squares),
        on_pair("mae", "mae(x, t)", F.l1_loss),
        on_pair("squared_error", "squared_error(x, t)", lambda x, t: F.mse_loss(x, t, reduction="none")),
        on_pair("squared_error_sum", "sum(squared_error(x, t))", lambda x, t: F.mse_loss(x, t, reduction="sum")),
        on_pair("absolute_error", "absolute_error(x, t)", lambda x, t: F.l1_loss(x, t, reduction="none")),
        on_pair("huber", "huber(x, t)", lambda x, t: F.huber_loss(x, t, reduction="none")),
        on_pair("huber_delta", "mean(huber(x, t, delta=0.3))", lambda x, t: F.huber_loss(x, t, delta=0.3)),
        on_pair("smooth_l1", "mean(smooth_l1(x, t, beta=0.5))", lambda x, t: F.smooth_l1_loss(x, t, beta=0.5)),
        on_pair("log_cosh", "log_cosh(x, t)", log_cosh),
        case("weighted_mean", "weighted_mean(squared_error(x, t), w)", lambda y, t, w: (((y - t) ** 2) * w).sum() / (4 * w.sum()),
             {**pair, "w": w}, fixed=("w",)),
    ]

    # Probabilities, saturated ones among them.
    p = torch.tensor([0.0, 1.0, 0.0, 1.0, 1e-300, 1 - 1e-16, 1e-20, 0.5, 0.2, 0.9, 0.37, 1e-5])
    q = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.3, 1.0, 0.0, 1.0])
    cases.append(case("binary_cross_entropy", "binary_cross_entropy(p, t)",
                      lambda p, t: F.binary_cross_entropy(p, t, reduction="none"), {"p": p[7:], "t": q[7:]}))
    # Where p is saturated PyTorch holds p (1 - p) at 1e-12 rounded to f32, and its gradient by t is infinite.
    cases.append(case("binary_cross_entropy_saturated", "binary_cross_entropy(p, t)",
                      lambda p, t: F.binary_cross_entropy(p, t, reduction="none"), {"p": p[:7], "t": q[:7]}, fixed=("t",),
                      gradients=lambda r: {"p": r * (p[:7] - q[:7]) / (p * (1 - p))[:7].clamp(min=1e-12)}))
    cases.append(case("binary_cross_entropy_one", "mean(binary_cross_entropy(p, 1))",
                      lambda p: F.binary_cross_entropy(p, torch.ones_like(p)), {"p": p[7:]}))
    z = torch.tensor([0.0, 1e4, -1e4, 1e4, -1e4, 40.0, -40.0, 700.0, 1e-12, -0.7, 2.5, -3.0])
    cases.append(case("binary_cross_entropy_with_logits", "binary_cross_entropy_with_logits(z, t)",
                      lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="none"), {"z": z, "t": q}))
    cases.append(case("binary_cross_entropy_with_logits_positive", "mean(binary_cross_entropy_with_logits(z, t, positive=3))",
                      lambda z, t: F.binary_cross_entropy_with_logits(z, t, pos_weight=torch.tensor(3.0)), {"z": z, "t": q}))

    def focal(z, t, gamma=2.0, alpha=None):
        """torchvision's sigmoid_focal_loss."""
        p, ce = torch.sigmoid(z), F.binary_cross_entropy_with_logits(z, t, reduction="none")
        loss = ce * (1 - (p * t + (1 - p) * (1 - t))) ** gamma
        return loss if alpha is None else (alpha * t + (1 - alpha) * (1 - t)) * loss

    cases.append(case("focal", "focal(z, t)", focal, {"z": z, "t": q}))
    cases.append(case("focal_all", "mean(focal(z, t, gamma=1.5, alpha=0.25))", lambda z, t: focal(z, t, 1.5, 0.25).mean(),
                      {"z": z[-3:], "t": q[-3:]}))

    hard = torch.tensor([[1e4, -1e4, 0.0, 5.0], [1e4, 1e4, 1e4, 1e4], [-1e4, 1e4, -1e4, 0.0], [700.0, -700.0, 710.0, 0.0]])
    logits = torch.cat([rows(4, 4, seed=4), hard])
    labels = torch.tensor([0, 3, 1, 2, 1, 0, 0, 2])
    ignored = torch.tensor([0, -100, 1, 2, -100, 0, 0, 2])
    weights = torch.tensor([1.0, 0.0, 2.5, 0.5])
    soft = F.softmax(rows(8, 4, seed=5), dim=-1)
    listed = "[1, 0, 2.5, 0.5]"
    hot = F.one_hot(labels, 4)

    def entropy(name, arguments, expected_arguments, target=labels, reduction="none", text="cross_entropy"):
        cases.append(case(name, f"{text}(z, t{arguments})", lambda z, y: F.cross_entropy(z, y, reduction=reduction, **expected_arguments),
                          {"z": logits, "t": target}))

    entropy("cross_entropy", "", {})
    entropy("cross_entropy_smoothing", ", smoothing=0.1", {"label_smoothing": 0.1})
    entropy("cross_entropy_weights", f", weights={listed}", {"weight": weights})
    entropy("cross_entropy_ignore", ", ignore=-100", {}, ignored)
    entropy("cross_entropy_ignore_class", ", ignore=2", {"ignore_index": 2})
    entropy("cross_entropy_all", f", smoothing=0.2, weights={listed}, ignore=-100", {"label_smoothing": 0.2, "weight": weights}, ignored)
    entropy("cross_entropy_soft", "", {}, soft)
    entropy("cross_entropy_soft_all", f", smoothing=0.1, weights={listed}", {"label_smoothing": 0.1, "weight": weights}, soft)
    cases.append(case("cross_entropy_one_hot", "cross_entropy(z, t)", lambda z, y: F.cross_entropy(z, y.double(), reduction="none"),
                      {"z": logits, "t": hot}))
    entropy("mean_cross_entropy", "", {}, reduction="mean", text="mean_cross_entropy")
    entropy("mean_cross_entropy_all", f", smoothing=0.2, weights={listed}, ignore=-100", {"label_smoothing": 0.2, "weight": weights},
            ignored, "mean", "mean_cross_entropy")

    log_q = F.log_softmax(rows(4, 5, seed=6), dim=-1)
    target = F.softmax(rows(4, 5, seed=7), dim=-1)
    with_zeros = target.clone()
    with_zeros[0, 1] = with_zeros[2, 4] = 0.0
    divergence = lambda log_q, p: F.kl_div(log_q, p, reduction="none").sum(dim=-1)
    cases.append(case("kl_divergence", "kl_divergence(log_q, p)", divergence, {"log_q": log_q, "p": target}))
    cases.append(case("kl_divergence_zeros", "kl_divergence(log_q, p)", divergence, {"log_q": log_q, "p": with_zeros}, fixed=("p",)))
    cases.append(case("kl_divergence_batch_mean", "mean(kl_divergence(log_q, p))",
                      lambda log_q, p: F.kl_div(log_q, p, reduction="batchmean"), {"log_q": log_q, "p": target}))

    signs = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, 1.0])
    margins = torch.tensor([1.0, -1.0, 0.2, 0.3, -2.0, 5.0])
    cases.append(case("hinge", "hinge(x, t)", lambda y, t: F.relu(1 - t * y), {"x": margins, "t": signs}, fixed=("t",)))

    a, b, c = rows(5, 4, seed=8), rows(5, 4, seed=9), rows(5, 4, seed=10)
    b[1] = 2 * a[1]  # cos = 1
    b[2] = -a[2]
    side = torch.tensor([1.0, 1.0, -1.0, -1.0, 1.0])
    cases.append(case("cosine_similarity", "cosine_similarity(a, b)", lambda a, b: F.cosine_similarity(a, b, dim=-1), {"a": a, "b": b}))
    cases.append(case("cosine_embedding", "cosine_embedding(a, b, t, margin=-0.3)",
                      lambda a, b, t: F.cosine_embedding_loss(a, b, t, margin=-0.3, reduction="none"), {"a": a, "b": b, "t": side},
                      fixed=("t",)))
    cases.append(case("triplet", "triplet(a, b, c)", lambda a, b, c: F.triplet_margin_loss(a, b, c, reduction="none"),
                      {"a": a, "b": b, "c": c}))
    cases.append(case("triplet_margin", "mean(triplet(a, b, c, margin=5))", lambda a, b, c: F.triplet_margin_loss(a, b, c, margin=5.0),
                      {"a": a, "b": b, "c": c}))

    rate, counts = rows(8, seed=11), torch.tensor([0.0, 1.0, 2.0, 5.0, 30.0, 0.0, 1.0, 3.0])
    positive = rate.exp()

    def poisson(name, arguments, x, **expected):
        cases.append(case(name, f"poisson_nll(x, t{arguments})", lambda x, t: F.poisson_nll_loss(x, t, reduction="none", **expected),
                          {"x": x, "t": counts}, fixed=("t",)))

    poisson("poisson_nll", "", rate)
    poisson("poisson_nll_rate", ", log_input=false", positive, log_input=False)
    poisson("poisson_nll_full", ", full=true", rate, full=True)
    variance = torch.tensor([1.0, 0.3, 5.0, 1e-6, 1e-9, 0.0, 100.0, 0.01])
    for full in (False, True):
        cases.append(case("gaussian_nll" + "_full" * full, f"gaussian_nll(x, t, v{', full=true' * full})",
                          lambda x, t, v: F.gaussian_nll_loss(x, t, v, full=full, reduction="none"),
                          {"x": rate, "t": rows(8, seed=12), "v": variance}))
    return cases


def sorting():
    """Sorting, masks and bounds; in `ties` equal elements stand beside one another, and which comes first is PyTorch's stable order."""
    x, square = rows(3, 4, 5, seed=30), rows(2, 4, 6, seed=31)
    ties = torch.tensor([[2.0, 1.0, 2.0, -0.0, 1.0, 0.0], [3.0, 3.0, 3.0, 3.0, 3.0, -3.0]])
    long = rows(2, 70, seed=32)
    cases = []
    for axis in (-1, 0, 1):
        for down in (False, True):
            suffix = f", axis={axis}{', descending=true' * down}"
            cases.append(case(f"sort_{axis}_{down}", f"sort(x{suffix})",
                              lambda x: torch.sort(x, dim=axis, descending=down, stable=True).values, {"x": x}))
        cases.append(case(f"top_k_{axis}", f"top_k(x, 2, axis={axis})[0]", lambda x: torch.topk(x, 2, dim=axis).values, {"x": x}))
    for down in (False, True):
        word = ", descending=true" * down
        cases.append(case(f"sort_ties_{down}", f"sort(x{word})",
                          lambda x: torch.sort(x, dim=-1, descending=down, stable=True).values, {"x": ties}))
        cases.append(case(f"argsort_ties_{down}", f"x * float(argsort(x{word}))",
                          lambda x: x * torch.argsort(x, dim=-1, descending=down, stable=True), {"x": ties}))
        cases.append(case(f"sort_long_{down}", f"sort(x{word})", lambda x: torch.sort(x, descending=down).values, {"x": long}))
    weights = torch.tensor([[1.0, 2.0, 3.0]])
    cases.append(case("top_k_indices", "x[:, 0:3] * float(top_k(x, 3)[1])", lambda x: x[:, :3] * torch.topk(x, 3).indices, {"x": rows(4, 6, seed=33)}))
    cases.append(case("top_k_weighted", "top_k(x, 3)[0] * w", lambda x, w: torch.topk(x, 3).values * w, {"x": rows(4, 6, seed=33), "w": weights}))
    # PyTorch's median is the lower middle element; NumPy's mean of both is its quantile at one half.
    for n in (5, 6):
        cases.append(case(f"median_{n}", "median(x)", lambda x: torch.quantile(x, 0.5, dim=-1), {"x": rows(4, n, seed=34)}))
    cases.append(case("median_axis", "median(x, axis=0)", lambda x: torch.quantile(x, 0.5, dim=0), {"x": rows(4, 3, seed=34)}))
    for q in (0.0, 0.3, 0.75, 1.0):
        cases.append(case(f"quantile_{q}", f"quantile(x, {q})", lambda x: torch.quantile(x, q, dim=-1), {"x": rows(4, 7, seed=35)}))
    index = torch.tensor([[4, 0, 0], [1, 2, 2]])
    cases.append(case("take_along", "take_along(x, i)", lambda x, i: torch.take_along_dim(x, i, dim=-1), {"x": rows(2, 5, seed=36), "i": index}))
    cases.append(case("take_along_axis", "take_along(x, i, axis=0)", lambda x, i: torch.take_along_dim(x, i, dim=0),
                      {"x": rows(5, 3, seed=36), "i": index}))
    for offset in (-2, 0, 1, 9):
        cases.append(case(f"tril_{offset}", f"tril(x, offset={offset})", lambda x: torch.tril(x, offset), {"x": square}))
        cases.append(case(f"triu_{offset}", f"triu(x, offset={offset})", lambda x: torch.triu(x, offset), {"x": square}))
    inside = rows(40, seed=37)
    cases.append(case("clamp", "clamp(x, -1, 1.5)", lambda x: x.clamp(-1, 1.5), {"x": inside}))
    return cases


PARAMETER = [0.5, -1.0, 2.0, 0.0, 1e-3]


def gradients(seed=20):
    generator = torch.Generator().manual_seed(seed)
    g = torch.randn(20, 5, generator=generator)
    g[:, 3] *= 1e-9  # below eps
    g[4:8, 1] = 0.0  # for a while
    g[10] *= 1e3  # once
    return g


def updates(name, text, make, schedule=None, before=None, given=None):
    """20 updates by the optimizer that `make` gives for a parameter; `before` works on the gradient first."""
    w = torch.nn.Parameter(torch.tensor(PARAMETER))
    optimizer = make([w])
    scheduler = schedule(optimizer) if schedule else None
    given = gradients() if given is None else given
    values = []
    for g in given:
        w.grad = g.clone()
        if before:
            before(w)
        optimizer.step()
        if scheduler:
            scheduler.step()
        values.append(plain(w))
    return {"name": name, "text": text, "parameter": PARAMETER, "gradients": [plain(g) for g in given], "values": values}


def without_repetition(cases):
    """Gradients that the case before had already are left out."""
    last = None
    for c in cases:
        if c["gradients"] == last:
            del c["gradients"]
        else:
            last = c["gradients"]
    return cases


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of the paper; PyTorch has none."""

    def __init__(self, parameters, lr, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (b1, b2), lr = group["betas"], group["lr"]
            for w in group["params"]:
                m = self.state[w].setdefault("m", torch.zeros_like(w))
                u = torch.sign(b1 * m + (1 - b1) * w.grad)
                w -= lr * (u + group["weight_decay"] * w)
                m.mul_(b2).add_((1 - b2) * w.grad)


class Lamb(torch.optim.Optimizer):
    """Algorithm 2 of the paper with phi the identity; PyTorch has none."""

    def __init__(self, parameters, lr, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for w in group["params"]:
                state = self.state[w]
                if not state:
                    state.update(t=0, m=torch.zeros_like(w), v=torch.zeros_like(w))
                state["t"] += 1
                state["m"] = b1 * state["m"] + (1 - b1) * w.grad
                state["v"] = b2 * state["v"] + (1 - b2) * w.grad**2
                m = state["m"] / (1 - b1 ** state["t"])
                v = state["v"] / (1 - b2 ** state["t"])
                r = m / (v.sqrt() + group["eps"]) + group["weight_decay"] * w
                ratio = w.norm() / r.norm() if w.norm() > 0 and r.norm() > 0 else 1.0
                w -= group["lr"] * ratio * r


def optimizers():
    o = torch.optim
    cases = []

    def add(text, make, **more):
        cases.append(updates(text, text, make, **more))

    add("sgd(lr=0.1)", lambda p: o.SGD(p, lr=0.1))
    add("sgd(lr=0.1, weight_decay=0.2)", lambda p: o.SGD(p, lr=0.1, weight_decay=0.2))
    add("momentum(lr=0.1)", lambda p: o.SGD(p, lr=0.1, momentum=0.9))
    add("momentum(lr=0.1, mu=0.5, weight_decay=0.2)", lambda p: o.SGD(p, lr=0.1, momentum=0.5, weight_decay=0.2))
    add("nesterov(lr=0.1)", lambda p: o.SGD(p, lr=0.1, momentum=0.9, nesterov=True))
    add("nesterov(lr=0.1, mu=0.5, weight_decay=0.2)", lambda p: o.SGD(p, lr=0.1, momentum=0.5, weight_decay=0.2, nesterov=True))
    add("adagrad(lr=0.1)", lambda p: o.Adagrad(p, lr=0.1))
    add("adagrad(lr=0.1, lr_decay=0.1, start=0.5, weight_decay=0.2)",
        lambda p: o.Adagrad(p, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.5, weight_decay=0.2))
    add("adadelta", lambda p: o.Adadelta(p))
    add("adadelta(lr=0.5, rho=0.8, weight_decay=0.2)", lambda p: o.Adadelta(p, lr=0.5, rho=0.8, weight_decay=0.2))
    add("rmsprop(lr=0.1)", lambda p: o.RMSprop(p, lr=0.1))
    add("rmsprop(lr=0.1, mu=0.9)", lambda p: o.RMSprop(p, lr=0.1, momentum=0.9))
    add("rmsprop(lr=0.1, centered=true)", lambda p: o.RMSprop(p, lr=0.1, centered=True))
    add("rmsprop(lr=0.1, rho=0.9, mu=0.5, centered=true, weight_decay=0.2)",
        lambda p: o.RMSprop(p, lr=0.1, alpha=0.9, momentum=0.5, centered=True, weight_decay=0.2))
    add("adam(lr=0.1)", lambda p: o.Adam(p, lr=0.1))
    add("adam(lr=0.1, beta1=0.8, beta2=0.9, eps=0.001, weight_decay=0.2)",
        lambda p: o.Adam(p, lr=0.1, betas=(0.8, 0.9), eps=0.001, weight_decay=0.2))
    add("adam(lr=0.1, weight_decay=0.2, decoupled=true)", lambda p: o.AdamW(p, lr=0.1, weight_decay=0.2))
    add("amsgrad(lr=0.1, weight_decay=0.2)", lambda p: o.Adam(p, lr=0.1, weight_decay=0.2, amsgrad=True))
    add("adamax(lr=0.1)", lambda p: o.Adamax(p, lr=0.1))
    add("adamax(lr=0.1, weight_decay=0.2)", lambda p: o.Adamax(p, lr=0.1, weight_decay=0.2))
    add("nadam(lr=0.1)", lambda p: o.NAdam(p, lr=0.1))
    add("nadam(lr=0.1, weight_decay=0.2, decoupled=true)",
        lambda p: o.NAdam(p, lr=0.1, weight_decay=0.2, decoupled_weight_decay=True))
    add("radam(lr=0.1)", lambda p: o.RAdam(p, lr=0.1))
    add("radam(lr=0.1, beta2=0.9, weight_decay=0.2, decoupled=true)",
        lambda p: o.RAdam(p, lr=0.1, betas=(0.9, 0.9), weight_decay=0.2, decoupled_weight_decay=True))
    add("adamw(lr=0.1)", lambda p: o.AdamW(p, lr=0.1))
    add("adamw(lr=0.1, weight_decay=0.2)", lambda p: o.AdamW(p, lr=0.1, weight_decay=0.2))
    add("lion(lr=0.1)", lambda p: Lion(p, lr=0.1))
    add("lion(lr=0.1, weight_decay=0.2)", lambda p: Lion(p, lr=0.1, weight_decay=0.2))
    add("lamb(lr=0.1)", lambda p: Lamb(p, lr=0.1))
    add("lamb(lr=0.1, weight_decay=0.2)", lambda p: Lamb(p, lr=0.1, weight_decay=0.2))
    add("adam(lr=0.1, clip=0.5, weight_decay=0.2)", lambda p: o.Adam(p, lr=0.1, weight_decay=0.2),
        before=lambda w: torch.nn.utils.clip_grad_value_([w], 0.5))
    add("momentum(lr=0.1, clip_norm=1.5)", lambda p: o.SGD(p, lr=0.1, momentum=0.9),
        before=lambda w: torch.nn.utils.clip_grad_norm_([w], 1.5))

    # Schedules: 40 updates against a gradient of 1.
    s = o.lr_scheduler
    ones = torch.ones(40, 5)

    def schedule(text, make, lr=0.1):
        add(f"sgd(lr={text})", lambda p: o.SGD(p, lr=lr), schedule=make, given=ones)

    schedule("step_decay(0.1, 7, factor=0.5)", lambda x: s.StepLR(x, 7, gamma=0.5))
    schedule("exponential_decay(0.1, 0.9)", lambda x: s.ExponentialLR(x, 0.9))
    schedule("polynomial_decay(0.1, 30, power=2)", lambda x: s.PolynomialLR(x, 30, power=2.0))
    schedule("cosine_decay(0.1, 39, last=0.01)", lambda x: s.CosineAnnealingLR(x, 39, eta_min=0.01))
    schedule("cosine_restarts(0.1, 12, last=0.01)", lambda x: s.CosineAnnealingWarmRestarts(x, 12, eta_min=0.01))
    schedule("cosine_restarts(0.1, 5, growth=2)", lambda x: s.CosineAnnealingWarmRestarts(x, 5, T_mult=2))
    schedule("warmup(0.1, 10)", lambda x: s.LambdaLR(x, lambda t: min(1.0, (t + 1) / 10)))
    schedule("warmup(0.1, 10, first=0.25)", lambda x: s.LinearLR(x, start_factor=0.25, total_iters=10))
    schedule("one_cycle(0.1, 41)", lambda x: s.OneCycleLR(x, 0.1, total_steps=41, cycle_momentum=False))
    schedule("piecewise([0.1, 0.05, 0.005], [10, 25])", lambda x: s.LambdaLR(x, lambda t: 1.0 if t < 10 else 0.5 if t < 25 else 0.05))
    schedule("warmup(cosine_decay(0.1, 40), 5)",
             lambda x: s.LambdaLR(x, lambda t: min(1.0, (t + 1) / 5) * 0.5 * (1 + math.cos(math.pi * min(t, 40) / 40))))
    return cases


class Recipe:
    """What a recipe does, by PyTorch: the parameters of fc2(tanh(fc1(x))) after every update, and what its average predicts."""

    NAMES = {"fc1.w": (3, 4), "fc1.b": (4,), "fc2.w": (4, 2), "fc2.b": (2,)}
    EXAMPLES = 12

    def __init__(self):
        generator = torch.Generator().manual_seed(30)
        self.initial = {name: torch.randn(*shape, generator=generator) * 0.7 for name, shape in self.NAMES.items()}
        self.x = torch.randn(self.EXAMPLES, 3, generator=generator)
        self.t = 3 * torch.randn(self.EXAMPLES, 2, generator=generator)

    @staticmethod
    def forward(w, x):
        return torch.tanh(x @ w["fc1.w"] + w["fc1.b"]) @ w["fc2.w"] + w["fc2.b"]

    def run(self, name, text, optimizers, batch=4, accumulate=1, clip=None, ema=None, frozen=(), updates=8, scale=1.0):
        """`optimizers(w)` are those of the groups, `clip(parameters)` works on their gradients; a frozen parameter wants none."""
        w = {key: torch.nn.Parameter(value.clone(), requires_grad=key not in frozen) for key, value in self.initial.items()}
        steps = optimizers(w)
        trained = [p for p in w.values() if p.requires_grad]
        average = None
        if ema is not None:
            holder = torch.nn.ParameterDict({key.replace(".", "_"): p for key, p in w.items()})
            average = torch.optim.swa_utils.AveragedModel(holder, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(ema))
            average.update_parameters(holder)  # the first call copies: the average begins as the parameters do
        generator = torch.Generator().manual_seed(31)
        batches, values, averages = [], [], []
        order = []
        for _ in range(updates):
            for p in w.values():
                p.grad = None
            big = []
            for _ in range(accumulate):
                if len(order) < batch:
                    order = torch.randperm(self.EXAMPLES, generator=generator).tolist()
                batches.append(order[:batch])
                big += order[:batch]
                order = order[batch:]
            # One batch of all the examples: what accumulation stands for.
            (scale * F.mse_loss(self.forward(w, self.x[big]), self.t[big])).backward()
            if clip:
                clip(trained)
            for optimizer in steps:
                optimizer.step()
            values.append({key: plain(p) for key, p in w.items()})
            if average is not None:
                average.update_parameters(holder)
                averages.append({key: plain(average.module[key.replace(".", "_")]) for key in w})
        last = {key: average.module[key.replace(".", "_")] if average is not None else p for key, p in w.items()}
        kept = sorted({1, 2, 3, updates})
        result = {"name": name, "text": text, "batch": batch, "accumulate": accumulate, "batches": batches,
                  "values": {i: values[i - 1] for i in kept}}
        if average is not None:
            result["averages"] = {i: averages[i - 1] for i in kept}
        return {**result, "predicted": plain(self.forward(last, self.x[:batch]))}


def recipes():
    recipe = Recipe()
    cases = []
    o, utils = torch.optim, torch.nn.utils
    sgd = lambda w: [o.SGD([p for p in w.values() if p.requires_grad], lr=0.1)]
    adam = lambda w: [o.Adam([p for p in w.values() if p.requires_grad], lr=0.1)]
    by_norm = lambda limit: lambda parameters: [utils.clip_grad_norm_([p], limit) for p in parameters]

    def add(name, text, optimizers, **more):
        cases.append(recipe.run(name, text, optimizers, **more))

    add("full batch", "optimizer sgd(lr=0.1)", sgd, batch=12)
    add("mini-batch", "optimizer sgd(lr=0.1)", sgd, batch=4)
    add("one at a time", "optimizer sgd(lr=0.1)", sgd, batch=1, updates=16)
    add("clip by value", "optimizer sgd(lr=0.1); clip by_value(0.3)", sgd, clip=lambda p: utils.clip_grad_value_(p, 0.3))
    add("clip by norm", "optimizer sgd(lr=0.1); clip by_norm(0.8)", sgd, clip=by_norm(0.8))
    add("clip by global norm", "optimizer adam(lr=0.1); clip by_global_norm(1.5)", adam, clip=lambda p: utils.clip_grad_norm_(p, 1.5))
    add("clip a number", "optimizer sgd(lr=0.1); clip 1.5", sgd, clip=lambda p: utils.clip_grad_norm_(p, 1.5))
    add("clip what is short", "optimizer sgd(lr=0.1); clip 1000", sgd, clip=lambda p: utils.clip_grad_norm_(p, 1000))
    add("accumulate", "optimizer sgd(lr=0.1); accumulate 3", sgd, batch=2, accumulate=3)
    add("accumulate, adam", "optimizer adam(lr=0.1); accumulate 4", adam, batch=1, accumulate=4)
    add("ema", "optimizer sgd(lr=0.1); ema 0.9", sgd, ema=0.9)
    add("weight decay, coupled", "optimizer adam(lr=0.1, weight_decay=0.3)",
        lambda w: [o.Adam(w.values(), lr=0.1, weight_decay=0.3)])
    add("weight decay, decoupled", "optimizer adam(lr=0.1, weight_decay=0.3, decoupled=true)",
        lambda w: [o.AdamW(w.values(), lr=0.1, weight_decay=0.3)])
    add("weight decay of weights alone", "optimizer adamw(lr=0.1, weight_decay=0.3) for *.w; optimizer adamw(lr=0.1, weight_decay=0)",
        lambda w: [o.AdamW([{"params": [w["fc1.w"], w["fc2.w"]], "weight_decay": 0.3},
                            {"params": [w["fc1.b"], w["fc2.b"]], "weight_decay": 0.0}], lr=0.1)])
    groups = lambda w: [o.SGD([w["fc1.b"], w["fc2.b"]], lr=0.2), o.Adam([w["fc2.w"]], lr=0.05), o.RMSprop([w["fc1.w"]], lr=0.01)]
    add("groups", "optimizer sgd(lr=0.2) for *.b; optimizer adam(lr=0.05) for fc2.*; optimizer rmsprop", groups)
    add("a frozen layer", "optimizer none for fc1.*; optimizer adam(lr=0.1)", adam, frozen=("fc1.w", "fc1.b"))
    add("a frozen parameter", "optimizer sgd(lr=0.1); optimizer none for fc2.w; clip 1.5", sgd, frozen=("fc2.w",),
        clip=lambda p: utils.clip_grad_norm_(p, 1.5))
    add("frozen by wrt", "wrt fc2.*; optimizer sgd(lr=0.1); clip 0.5", sgd, frozen=("fc1.w", "fc1.b"),
        clip=lambda p: utils.clip_grad_norm_(p, 0.5))
    add("all of it", "optimizer none for fc1.b; optimizer momentum(lr=0.05) for *.b; optimizer adam(lr=0.1, weight_decay=0.1); "
        "clip 1.5; accumulate 3; ema 0.8",
        lambda w: [o.SGD([w["fc2.b"]], lr=0.05, momentum=0.9), o.Adam([w["fc1.w"], w["fc2.w"]], lr=0.1, weight_decay=0.1)],
        batch=2, accumulate=3, clip=lambda p: utils.clip_grad_norm_(p, 1.5), ema=0.8, frozen=("fc1.b",))
    return {"x": plain(recipe.x), "t": plain(recipe.t), "initial": {key: plain(value) for key, value in recipe.initial.items()},
            "cases": cases}


if __name__ == "__main__":
    write("activations.json", activations())
    write("losses.json", losses())
    write("sorting.json", sorting())
    write("optimizers.json", without_repetition(optimizers()))
    given = recipes()
    cases = given.pop("cases")
    write("recipes.json", [given] + cases)
