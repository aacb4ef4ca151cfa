#!/usr/bin/env python3
"""Draws the pictures of examples/vit-digits: draw_digits.py OUT [--each N] [--seed N].

A digit is a few strokes (lines and arcs in a unit square), leant, turned, stretched and shaken by chance, drawn with a round
pen, and put into 28 x 28 pixels as MNIST's are: 20 pixels high or wide, the middle of its ink in the middle. OUT/CLASS/NUMBER.png.
The same seed draws the same pictures. Needs numpy."""
import argparse

import numpy as np

from picture_files import write_folders

SIZE, BOX = 28, 20


def arc(x, y, wide, high, first, last):
    """Points of an ellipse around (x, y); angles in degrees, clockwise from the right, as y goes down."""
    t = np.radians(np.linspace(first, last, 16))
    return np.stack([x + wide * np.cos(t), y + high * np.sin(t)], 1)


def line(*points):
    return np.array(points, float)


def join(*parts):
    return np.concatenate(parts)


# Of each digit, the ways to write it; of each way, its strokes.
WAYS = {
    0: [[arc(.5, .5, .32, .5, -80, 280)], [arc(.5, .5, .4, .5, -60, 300)]],
    1: [[line((.5, 0), (.5, 1))], [line((.3, .22), (.52, 0), (.52, 1))]],
    2: [[join(arc(.5, .28, .33, .28, -160, 30), line((.12, 1), (.88, 1)))],
        [join(arc(.48, .26, .32, .26, -170, 45), line((.15, .95), (.5, .9), (.9, .98)))]],
    3: [[join(arc(.45, .25, .33, .25, -150, 80), arc(.45, .74, .38, .26, -85, 150))],
        [join(arc(.42, .26, .36, .26, -140, 90), arc(.42, .76, .4, .24, -90, 140))]],
    4: [[line((.25, 0), (.15, .55), (.85, .55)), line((.75, .1), (.68, 1))], [line((.65, 0), (.1, .62), (.9, .62)), line((.66, .02), (.66, 1))]],
    5: [[join(line((.85, 0), (.28, 0), (.22, .45)), arc(.45, .69, .38, .3, -100, 140))],
        [join(line((.3, .02), (.25, .42)), arc(.44, .7, .36, .29, -110, 150)), line((.3, .02), (.86, 0))]],
    6: [[join(line((.62, 0), (.3, .38)), arc(.5, .72, .3, .28, 190, -170))], [join(arc(.75, .6, .55, .6, -110, -180), arc(.5, .7, .3, .3, 180, -175))]],
    7: [[line((.12, .03), (.85, .03), (.42, 1))], [line((.12, .06), (.5, .02), (.86, .05), (.6, .45), (.5, 1))]],
    8: [[join(arc(.5, .25, .27, .25, -60, -270), arc(.5, .75, .33, .25, -90, 270), arc(.5, .25, .27, .25, 90, -60))],
        [arc(.5, .24, .26, .24, 0, 360), arc(.5, .74, .34, .26, 0, 360)]],
    9: [[join(arc(.48, .28, .3, .28, -20, -340), line((.78, .3), (.68, 1)))], [join(arc(.46, .28, .32, .28, 0, -360), line((.78, .28), (.75, 1)))]],
}


def finer(stroke, pieces=8):
    """Between any two points, so that what bends them bends lines."""
    t = np.linspace(0, 1, pieces, endpoint=False)[None, :, None]
    return np.concatenate([(stroke[:-1, None] * (1 - t) + stroke[1:, None] * t).reshape(-1, 2), stroke[-1:]])


def bent(strokes, chance):
    """Leant, turned, stretched; each point moved along two waves over the picture."""
    turn, lean, wide = chance.uniform(-.12, .12), chance.uniform(-.12, .3), chance.uniform(.75, 1.05)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array([[wide, -lean], [0, 1]])
    waves, phases = chance.uniform(2, 5, (2, 2)), chance.uniform(0, 2 * np.pi, 2)
    found = []
    for stroke in strokes:
        points = finer(stroke) - .5
        points = points + .04 * np.sin(points @ waves.T + phases)
        found.append(points @ matrix.T)
    return found


def to_segment(pixels, a, b):
    """Distance of every pixel from the line between two points."""
    along = b - a
    t = np.clip(((pixels - a) @ along) / max(along @ along, 1e-12), 0, 1)
    return np.linalg.norm(pixels - (a + t[..., None] * along), axis=-1)


def ink(strokes, pen):
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    pixels = np.stack([columns, rows], -1) + .5
    near = np.full((SIZE, SIZE), np.inf)
    for stroke in strokes:
        for a, b in zip(stroke[:-1], stroke[1:]):
            near = np.minimum(near, to_segment(pixels, a, b))
    return np.clip(pen / 2 + .5 - near, 0, 1)


def draw(digit, chance):
    """Bytes [SIZE, SIZE]."""
    strokes, pen = bent(WAYS[digit][chance.integers(len(WAYS[digit]))], chance), chance.uniform(1.8, 3.0)
    points = np.concatenate(strokes)
    low, high = points.min(0), points.max(0)
    scale = (BOX - pen) / (high - low).max()
    placed = [(stroke - (low + high) / 2) * scale + SIZE / 2 for stroke in strokes]
    first = ink(placed, pen)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] + .5
    middle = np.array([(first * columns).sum(), (first * rows).sum()]) / first.sum()
    return np.rint(255 * ink([stroke + SIZE / 2 - middle for stroke in placed], pen)).astype(np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = np.random.default_rng(given.seed)
    for digit in WAYS:
        pictures = [draw(digit, chance) for _ in range(given.each)]
        write_folders(given.out, pictures, [digit] * given.each, [str(i) for i in range(10)])


if __name__ == "__main__":
    main()
