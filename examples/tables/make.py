"""Writes the tables of this folder, each from the formula that its function states, with noise of a fixed seed.

    python examples/tables/make.py        # the standard library alone; the files are kept

Every table has a header. Of each, the last column is what is to be learnt, and it is one that no model can learn better than its noise.
"""
import csv
import math
import pathlib
import random

FOLDER = pathlib.Path(__file__).parent


def write(name, header, rows):
    with open(FOLDER / name, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def tea(count, seed):
    """Newton's law of cooling: T = room + (start - room) exp(-0.09 minutes / (0.5 + 2 litres)), read with an error of 0.5 degrees."""
    draw = random.Random(seed)
    for _ in range(count):
        minutes, litres = draw.uniform(0, 60), draw.uniform(0.1, 0.6)
        start, room = draw.uniform(60, 95), draw.uniform(10, 28)
        now = room + (start - room) * math.exp(-0.09 * minutes / (0.5 + 2 * litres))
        yield [f"{minutes:.1f}", f"{litres:.2f}", f"{start:.1f}", f"{room:.1f}", f"{now + draw.gauss(0, 0.5):.1f}"]


def throw(count, seed):
    """A ball at `speed` m/s and `angle` degrees with `wind` m/s from behind flies d = v² sin(2a) / 9.81 + 0.4 wind · 2 v sin(a) / 9.81 metres, give or
    take 0.5; the ditch lies from 25 to 35. 0: short of it, 1: in it, 2: beyond."""
    draw = random.Random(seed)
    for _ in range(count):
        speed, angle, wind = draw.uniform(10, 25), draw.uniform(10, 80), draw.uniform(-5, 5)
        a = math.radians(angle)
        distance = speed**2 * math.sin(2 * a) / 9.81 + 0.4 * wind * 2 * speed * math.sin(a) / 9.81 + draw.gauss(0, 0.5)
        yield [f"{speed:.2f}", f"{angle:.1f}", f"{wind:.2f}", 0 if distance < 25 else 1 if distance < 35 else 2]


def exam(count, seed):
    """Passes with probability sigmoid(0.8 (hours - 5) + 0.5 (sleep - 7))."""
    draw = random.Random(seed)
    for _ in range(count):
        hours, sleep = draw.uniform(0, 10), draw.gauss(7, 1.2)
        p = 1 / (1 + math.exp(-(0.8 * (hours - 5) + 0.5 * (sleep - 7))))
        yield [f"{hours:.1f}", f"{sleep:.1f}", int(draw.random() < p)]


def ratings(count, seed):
    """A viewer and a film have three tastes each, normal with deviation 1; a rating is 3 + the viewer's mood + the film's appeal (deviation 0.4 each) +
    0.5 tastes · tastes, with noise of 0.25."""
    draw = random.Random(seed)
    viewers = [[draw.gauss(0, 1) for _ in range(3)] + [draw.gauss(0, 0.4)] for _ in range(60)]
    films = [[draw.gauss(0, 1) for _ in range(3)] + [draw.gauss(0, 0.4)] for _ in range(40)]
    pairs = draw.sample([(v, f) for v in range(60) for f in range(40)], count)
    for v, f in pairs:
        score = 3 + viewers[v][3] + films[f][3] + 0.5 * sum(a * b for a, b in zip(viewers[v][:3], films[f][:3]))
        yield [v, f, f"{score + draw.gauss(0, 0.25):.2f}"]


def halves(name, header, rows, held_out):
    write(f"{name}.csv", header, rows[:-held_out])
    write(f"{name}-held-out.csv", header, rows[-held_out:])


if __name__ == "__main__":
    halves("tea", ["minutes", "litres", "start", "room", "now"], list(tea(1000, 1)), 200)
    halves("throw", ["speed", "angle", "wind", "where"], list(throw(1200, 2)), 200)
    halves("exam", ["hours", "sleep", "passed"], list(exam(600, 3)), 100)
    halves("ratings", ["viewer", "film", "rating"], list(ratings(1600, 4)), 300)
