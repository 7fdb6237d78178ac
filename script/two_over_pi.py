#!/usr/bin/env python3
"""Computes the digits of 2/pi that ir/math_large_phase.h multiplies by (needs mpmath), and the points that try it hardest.

script/two_over_pi.py prints the digits; script/two_over_pi.py points prints, for tests/ir/math_test.cc, the arguments of each format that come
nearest to a multiple of pi/2, with the sine and the cosine of each.
"""
import sys

from mpmath import mp, mpf, floor, nint, sin, cos, pi

mp.prec = 4000
FORMATS = {"32": (24, 9, 128, 18), "64": (53, 23, 1024, 47)}  # digits, groups, largest exponent, where large begins


def groups(digits, count):
    """Group k holds the digits of 2/pi of weight 2^(7 - digits (k + 1)) up to below 2^(7 - digits k), times 2^(digits k)."""
    rest = mpf(2) / pi
    for k in range(count):
        unit = mpf(2) ** (7 - digits * (k + 1))
        group = floor(rest / unit) * unit
        rest -= group
        yield float(group * mpf(2) ** (digits * k))


def hardest(digits, exponent):
    """The integer m of this many digits for which m 2^exponent is nearest to a multiple of pi/2, by continued fractions."""
    target = mpf(2) ** exponent * 2 / pi  # m target is to be near an integer
    fraction, rest = (1, 0), target - floor(target)
    best = None
    while True:
        quotient = int(floor(1 / rest))
        # A denominator of fewer digits counts too: its least multiple that has them all.
        denominator = quotient * fraction[0] + fraction[1]
        if denominator >= 2**digits:
            break
        fraction, rest = (denominator, fraction[0]), 1 / rest - quotient
        m = denominator * -(-(2 ** (digits - 1)) // denominator)
        if m < 2**digits:
            distance = abs(m * target - nint(m * target))
            if best is None or distance < best[0]:
                best = (distance, m)
    return best


def long_double(x):
    """x to 64 digits as a literal of C++."""
    exponent = int(floor(mp.log(abs(x), 2))) - 63
    return f"{'-' if x < 0 else ''}0x{int(nint(abs(x) / mpf(2) ** exponent)):x}p{exponent}L"


if __name__ == "__main__":
    for name, (digits, count, largest, large) in FORMATS.items():
        if sys.argv[1:] != ["points"]:
            print(f"k{name}: " + ", ".join(group.hex() for group in groups(digits, count)))
            continue
        found = []
        for exponent in range(large - digits + 1, largest - digits + 1):
            near = hardest(digits, exponent)
            if near:
                found.append((near[0], near[1], exponent))
        for distance, m, exponent in sorted(found)[:12]:
            x = mpf(m) * mpf(2) ** exponent
            print(f"{name}: {{{float(x).hex()}, {long_double(sin(x))}, {long_double(cos(x))}}},  // {mp.nstr(distance, 3)}")
