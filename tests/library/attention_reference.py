"""Writes attentions.npz: attention, its layers and blocks, positions and embeddings in random configurations, as PyTorch has them.
torch_cases.py says what is written.

    python tests/library/attention_reference.py
"""
import random

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from torch_cases import Case, write

COUNT = 360


def heads_apart(x, heads):
    return x.unflatten(-1, (heads, -1)).movedim(-2, -3)


def attend(q, k, v, heads, shared=None, **more):
    q, k, v = heads_apart(q, heads), heads_apart(k, shared or heads), heads_apart(v, shared or heads)
    with sdpa_kernel(SDPBackend.MATH):
        y = F.scaled_dot_product_attention(q, k, v, enable_gqa=shared is not None, **more)
    return y.movedim(-3, -2).flatten(-2)


def functional(seed, choose, heads, d, t, s, lead):
    """F.scaled_dot_product_attention: its masks of booleans and of numbers, is_causal, enable_gqa, scale."""
    shared, text, apart = None, "", heads
    if seed % 8 == 3:
        shared = apart = choose.choice([g for g in (1, 2, 3, 4) if heads % g == 0])
        text = f", shared={shared}"
    shapes = {"q": lead + [t, d], "k": lead + [s, d // heads * apart], "v": lead + [s, apart * choose.choice([1, 3, 4])]}
    more, flags = {}, {}
    if choose.random() < 0.4:
        text, more["is_causal"] = text + ", causal=true", True
    elif choose.random() < 0.6:
        text += ", mask=mask"
        mask = [1 if choose.random() < 0.4 else extent for extent in lead + [heads, t, s]]
        if choose.random() < 0.6:
            flags = {"mask": mask}
        else:
            shapes["mask"] = mask
    if choose.random() < 0.3:
        text, more["scale"] = text + ", scale=0.7", 0.7

    def function(x):
        given = {"attn_mask": x["mask"], **more} if "mask" in x else more
        return attend(x["q"], x["k"], x["v"], heads, shared=shared, **given), {}

    return Case(seed, f"y = attention(q, k, v, {heads}{text})", shapes, function, flags=flags)


def linear(t, name, x):
    return F.linear(x, t[name + ".w"].T, t[name + ".b"])


def linear_shapes(name, n, m):
    return {name + ".w": [n, m], name + ".b": [m]}


def heads_shapes(name, d, read, narrow):
    return {**linear_shapes(name + "query", d, d), **linear_shapes(name + "key", read, narrow), **linear_shapes(name + "value", read, narrow), **linear_shapes(name + "out", d, d)}


def of_module(t, name, separate=False):
    """Our parameters under the names that torch.nn.MultiheadAttention has for its own."""
    parts = [name + part for part in ("query", "key", "value")]
    weights = [t[part + ".w"].T for part in parts]
    named = dict(zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), weights)) if separate else {"in_proj_weight": torch.cat(weights)}
    return {**named, "in_proj_bias": torch.cat([t[part + ".b"] for part in parts]), "out_proj.weight": t[name + "out.w"].T, "out_proj.bias": t[name + "out.b"]}


def turned(x, heads, base=10000, interleaved=False):
    x = heads_apart(x, heads)
    t, d = x.shape[-2:]
    angle = torch.arange(t, dtype=torch.float64)[:, None] * base ** (-2 * torch.arange(d // 2, dtype=torch.float64) / d)
    c, s = torch.cos(angle).to(x.dtype), torch.sin(angle).to(x.dtype)
    u, v = (x[..., 0::2], x[..., 1::2]) if interleaved else x.split(d // 2, -1)
    pair = (u * c - v * s, v * c + u * s)
    y = torch.stack(pair, -1).flatten(-2) if interleaved else torch.cat(pair, -1)
    return y.movedim(-3, -2).flatten(-2)


def hidden(lengths, places):
    """What torch.nn calls a padding mask: true for what may not be read."""
    return torch.arange(places) >= lengths[:, None] + 1


def future(t, s):
    return torch.ones(t, s, dtype=torch.bool).triu(1)


def layer(seed, choose, heads, d, t, s, n):
    """torch.nn.MultiheadAttention; with shared or turned heads, which it has not, what it is made of."""
    shared = choose.choice([None, None] + [g for g in (1, 2) if heads % g == 0])
    causal = choose.random() < 0.4
    cross = not causal and choose.random() < 0.5
    rotate = d // heads % 2 == 0 and choose.random() < 0.4
    padded = choose.random() < 0.5
    read = choose.choice([d, 3]) if cross else d
    s = s if cross else t
    shapes = {"x": [n, t, d], **({"c": [n, s, read]} if cross else {}), **heads_shapes("a.", d, read, d // heads * (shared or heads))}
    text = f"a = multi_head_attention({d}, {heads}"
    text += (f", shared={shared}" if shared else "") + (f", inner={read}" if read != d else "") + (", causal=true" if causal else "")
    text += (", rotate=true)" if rotate else ")")
    text += "\ny = a(x" + (", context=c" if cross else "") + (f", mask=padding_mask(lengths + 1, {s})" if padded else "") + ")"
    module = torch.nn.MultiheadAttention(d, heads, kdim=read, vdim=read, batch_first=True)

    def of_parts(x, context):
        q, k, v = linear(x, "a.query", x["x"]), linear(x, "a.key", context), linear(x, "a.value", context)
        if rotate:
            q, k = turned(q, heads), turned(k, shared or heads)
        allowed = ~future(t, s) if causal else torch.ones(t, s, dtype=torch.bool)
        if padded:
            allowed = allowed & ~hidden(x["lengths"], s)[:, None, None, :]
        return linear(x, "a.out", attend(q, k, v, heads, shared=shared, attn_mask=allowed))

    def function(x):
        context = x.get("c", x["x"])
        if rotate or shared:
            return of_parts(x, context), {}
        given = {"need_weights": False, "attn_mask": future(t, s) if causal else None, "key_padding_mask": hidden(x["lengths"], s) if padded else None}
        return torch.func.functional_call(module, of_module(x, "a.", separate=read != d), (x["x"], context, context), given)[0], {}

    return Case(seed, text, shapes, function, indices={"lengths": ([n], s)} if padded else None)


def block(seed, choose, heads, d, t, s, n):
    """torch.nn.TransformerEncoderLayer and TransformerDecoderLayer."""
    pre, decoder, padded = choose.random() < 0.5, choose.random() < 0.5, choose.random() < 0.5
    causal = decoder or choose.random() < 0.4
    activation, inner = choose.choice(["relu", "gelu"]), choose.choice([3, 8])
    attentions = {"attend.": "self_attn.", **({"cross.": "multihead_attn."} if decoder else {})}
    shapes = {"x": [n, t, d], **({"c": [n, s, d]} if decoder else {})}
    for name in attentions:
        shapes.update(heads_shapes("b." + name, d, d, d))
    norms = range(1, 4 if decoder else 3)
    for i in norms:
        shapes.update({f"b.norm{i}.scale": [d], f"b.norm{i}.shift": [d]})
    shapes.update({**linear_shapes("b.feed.up", d, inner), **linear_shapes("b.feed.down", inner, d)})
    text = f"b = {'decoder' if decoder else 'encoder'}_block({d}, {heads}, inner={inner}, pre_norm={str(pre).lower()}, activation={activation}"
    text += ", causal=true)" if causal and not decoder else ")"
    places = s if decoder else t
    mask = f"{'context_mask' if decoder else 'mask'}=padding_mask(lengths + 1, {places})" if padded else ""
    text += f"\ny = b({', '.join(filter(None, ['x', 'c' if decoder else '', mask]))})"
    of_torch = torch.nn.TransformerDecoderLayer if decoder else torch.nn.TransformerEncoderLayer
    module = of_torch(d, heads, inner, dropout=0, activation=activation, batch_first=True, norm_first=pre)

    def function(x):
        named = {theirs + name: value for ours, theirs in attentions.items() for name, value in of_module(x, "b." + ours).items()}
        for ours, theirs in (("b.feed.up", "linear1"), ("b.feed.down", "linear2")):
            named.update({theirs + ".weight": x[ours + ".w"].T, theirs + ".bias": x[ours + ".b"]})
        for i in norms:
            named.update({f"norm{i}.weight": x[f"b.norm{i}.scale"], f"norm{i}.bias": x[f"b.norm{i}.shift"]})
        unread = hidden(x["lengths"], places) if padded else None
        if decoder:
            return torch.func.functional_call(module, named, (x["x"], x["c"]), {"tgt_mask": future(t, t), "memory_key_padding_mask": unread}), {}
        return torch.func.functional_call(module, named, (x["x"],), {"src_mask": future(t, t) if causal else None, "src_key_padding_mask": unread}), {}

    return Case(seed, text, shapes, function, indices={"lengths": ([n], places)} if padded else None)


def embedding(seed, choose, d, t, lead):
    rows, padding = choose.randint(2, 9), choose.random() < 0.4

    def function(x):
        y = F.embedding(x["i"], x["e.table"])
        return torch.where((x["i"] == 1)[..., None], torch.zeros_like(y), y) if padding else y, {}

    text = f"e = embedding({rows}, {d}{', padding=1' if padding else ''})\ny = e(i)"
    return Case(seed, text, {"e.table": [rows, d]}, function, indices={"i": (lead + [t], rows)})


def rotary(seed, choose, heads, t, lead):
    d, interleaved = heads * choose.choice([2, 4, 6]), choose.random() < 0.5
    text = f"y = rotary(x, heads={heads}" + (", interleaved=true)" if interleaved else ")")
    return Case(seed, text, {"x": lead + [t, d]}, lambda x: (turned(x["x"], heads, interleaved=interleaved), {}))


def attention(seed):
    choose = random.Random(seed)
    heads = choose.choice([1, 2, 3, 4])
    d = heads * choose.choice([1, 2, 4, 5, 8])
    t, s = (choose.choice([1, 2, 3, 4, 5, 6, 7, 40]) for _ in range(2))
    lead = choose.choice([[], [1], [2], [3], [2, 2]])
    n = choose.choice([1, 2, 3])
    if seed % 8 < 4:
        return functional(seed, choose, heads, d, t, s, lead)
    if seed % 8 < 6:
        return layer(seed, choose, heads, d, t, s, n)
    if seed % 8 == 6:
        return block(seed, choose, heads, d, t, s, n)
    return embedding(seed, choose, d, t, lead) if seed % 16 == 7 else rotary(seed, choose, heads, t, lead)


if __name__ == "__main__":
    write("attentions.npz", [attention(seed) for seed in range(COUNT)])
