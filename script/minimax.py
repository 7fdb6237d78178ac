#!/usr/bin/env python3
"""Computes the coefficients of the polynomials in ir/math_*.h (Remez exchange in 60 digits; needs mpmath).

script/minimax.py [NAME ...] prints, for each polynomial, its coefficients from the lowest degree up, rounded to f32 and f64, and the weighted error.
"""
import sys

from mpmath import mp, mpf, matrix, lu_solve, linspace, cos, pi, exp, log, sin, tanh, atanh, erf, erfc, sqrt, expm1

mp.dps = 60


def remez(function, weight, low, high, degree, rounds=12, points=1500):
    """The polynomial p of this degree that minimises max |weight(x) (p(x) - function(x))| on [low, high]."""
    low, high = mpf(low), mpf(high)
    n = degree + 2
    grid = [(low + high) / 2 - (high - low) / 2 * cos(pi * i / (points - 1)) for i in range(points)]
    table = [(x, function(x), weight(x)) for x in grid]
    nodes = [table[round((points - 1) * i / (n - 1))] for i in range(n)]
    for _ in range(rounds):
        a, b = matrix(n, n), matrix(n, 1)
        for i, (x, f, w) in enumerate(nodes):
            for j in range(degree + 1):
                a[i, j] = x**j
            a[i, degree + 1] = (-1) ** i / w
            b[i] = f
        solution = lu_solve(a, b)
        coefficients = [solution[j] for j in range(degree + 1)]
        errors = []
        for x, f, w in table:
            p = mpf(0)
            for c in reversed(coefficients):
                p = p * x + c
            errors.append(w * (p - f))
        # One extremum for each run of equal sign.
        extrema = []
        for row, e in zip(table, errors):
            if extrema and (extrema[-1][1] > 0) == (e > 0):
                if abs(e) > abs(extrema[-1][1]):
                    extrema[-1] = (row, e)
            else:
                extrema.append((row, e))
        while len(extrema) > n:
            extrema.pop(0 if abs(extrema[0][1]) < abs(extrema[-1][1]) else -1)
        if len(extrema) < n:
            break
        nodes = [row for row, _ in extrema]
        if max(abs(e) for _, e in extrema) < 1.001 * min(abs(e) for _, e in extrema):
            break
    return coefficients, max(abs(e) for e in errors)


TINY = mpf(10) ** -15  # polynomials with a removable singularity at 0 start beside it
LN2 = log(mpf(2))


def exp_tail(r):  # e^r = 1 + r + r^2 q(r)
    return (exp(r) - 1 - r) / r**2 if abs(r) > mpf(10) ** -12 else mpf(1) / 2 + r / 6


def log_tail(f):  # log(1 + f) = f - f^2 / 2 + f^3 q(f)
    return (log(1 + f) - f + f**2 / 2) / f**3 if abs(f) > mpf(10) ** -12 else mpf(1) / 3 - f / 4


def log_ratio(z):  # log((1 + s) / (1 - s)) = 2 s + 2 s z q(z), z = s^2
    s = sqrt(z)
    return (atanh(s) / s - 1) / z


def log_ratio_2(z):  # the same after its first term 1/3
    return (log_ratio(z) - mpf(1) / 3) / z


def sin_tail(z):  # sin r = r + r z q(z)
    r = sqrt(z)
    return (sin(r) / r - 1) / z


def cos_tail(z):  # cos r = 1 - z / 2 + z^2 q(z)
    return (cos(sqrt(z)) - 1 + z / 2) / z**2


def tanh_tail(z):  # tanh x = x + x z q(z)
    x = sqrt(z)
    return (tanh(x) / x - 1) / z


def erf_head(z):  # erf x = x + x q(z)
    x = sqrt(z)
    return erf(x) / x - 1


def erfc_log(t):  # erfc t = exp(-t q(t))
    return -log(erfc(t)) / t


S = (sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1)
PIO4 = pi / 4
POLYNOMIALS = {
    "exp32": (exp_tail, lambda r: r**2 / exp(r) + TINY, -LN2 / 2, LN2 / 2, 4),
    "exp64": (exp_tail, lambda r: r**2 / exp(r) + TINY, -LN2 / 2, LN2 / 2, 9),
    "log32": (log_tail, lambda f: abs(f**3 / log(1 + f)) + TINY if f else TINY, sqrt(mpf(2)) / 2 - 1, sqrt(mpf(2)) - 1, 7),
    "log64": (log_ratio, lambda z: z + TINY, TINY, S**2, 6),
    "pow32": (log_ratio_2, lambda z: z**2 + TINY, TINY, S**2, 2),
    "pow64": (log_ratio_2, lambda z: z**2 + TINY, TINY, S**2, 6),
    "sin32": (sin_tail, lambda z: z + TINY, TINY, PIO4**2, 2),
    "sin64": (sin_tail, lambda z: z + TINY, TINY, PIO4**2, 5),
    "cos32": (cos_tail, lambda z: z**2 + TINY, TINY, PIO4**2, 2),
    "cos64": (cos_tail, lambda z: z**2 + TINY, TINY, PIO4**2, 5),
    "tanh32": (tanh_tail, lambda z: z + TINY, TINY, mpf("0.625") ** 2, 4),
    "tanh64": (tanh_tail, lambda z: z + TINY, TINY, mpf("0.625") ** 2, 10),
    "erf32": (erf_head, lambda z: mpf(1), TINY, mpf("0.93") ** 2, 5),
    "erfc32": (erfc_log, lambda t: erfc(t) * t / erf(t), mpf("0.92"), 4, 6),
    "erf64": (erf_head, lambda z: mpf(1), TINY, mpf(1), 11),
    "erfc64": (erfc_log, lambda t: erfc(t) * t / erf(t), mpf(1), 6, 17),
}

if __name__ == "__main__":
    import struct

    for name in sys.argv[1:] or POLYNOMIALS:
        coefficients, error = remez(*POLYNOMIALS[name])
        print(f"{name}: weighted error {mp.nstr(error, 4)} = 2^{mp.nstr(mp.log(error, 2), 4)}")
        for c in coefficients:
            single = struct.unpack("f", struct.pack("f", float(c)))[0]
            print(f"  {single.hex() if name.endswith('32') else float(c).hex()},  // {mp.nstr(c, 20)}")
