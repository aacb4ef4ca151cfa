"""Writes ../data/importance.json: scores of matrices, units and hidden channels for tests/importance, in fp64.
importance.py [OUT].

The inputs are numbers that tests/counted.h counts, too; they are exact in every stored type."""
import json
import os
import sys

import numpy as np

import saliences

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "importance.json")


def counted(stream, first, count, positive=False):
    """Multiples of 1/64 up to 127/64, of both signs: counted() of tests/counted.h."""
    mask = np.uint64(0xFFFFFFFF)
    x = (np.uint64(stream * 0x9E3779B9 & 0xFFFFFFFF) + np.arange(first, first + count, dtype=np.uint64) * np.uint64(0x85EBCA6B)
         + np.uint64(1)) & mask
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor) & mask
    x ^= x >> np.uint64(16)
    size = ((x >> np.uint64(8)) % np.uint64(127) + np.uint64(1)).astype(np.float64) / 64
    return size if positive else np.where(x & np.uint64(1), -size, size)


# Matrices: sums of every row and of every 61st column, and all elements of a few columns.

ROWS, COLUMNS, RESIDUES = 23, 1037, 61
PICKED = (0, 5, 9, 1023, 1024, 1036)


def matrix_signals():
    """Row 2, column 5 and input 9 are zeros."""
    n = ROWS * COLUMNS
    w, g = (counted(k, 0, n).reshape(ROWS, COLUMNS) for k in (0, 1))
    a = counted(2, 0, n, True).reshape(ROWS, COLUMNS)
    x, y, u = counted(3, 0, COLUMNS, True), counted(4, 0, ROWS, True), counted(5, 0, COLUMNS, True)
    w[2], w[:, 5], x[9] = 0.0, 0.0, 0.0
    return {"w": w, "g": g, "a": a, "x": x, "y": y, "u": u}


def matrix_constants():
    """What is scored beside the published constants of every salience."""
    for order in (0.0, 1.0, 1.5, 2.0, 3.0, "inf"):
        yield "lp", {"order": order, "exponent": 1.0}
        yield "symmetric", {"order": order}
        yield "symmetric", {"order": order, "squared": True}
    yield "gblm", {"alpha": 0.5}
    yield "ria", {"exponent": 0.0}
    yield "ria", {"exponent": 1.0}
    yield "symwanda", {"balance": 0.3}
    yield "symwanda", {"balance": 0.3, "squared": True}


def matrix_case(signals, name, constants):
    scores = np.abs(saliences.score(name, **signals, **(constants or {})))
    residues = [scores[:, k::RESIDUES].sum() for k in range(RESIDUES)]
    case = {"salience": name, "picked": scores[:, PICKED].ravel(), "rows": scores.sum(1), "residues": residues}
    return {**case, "constants": constants} if constants else case


def matrices():
    signals = matrix_signals()
    cases = [(name, None) for name in saliences.SALIENCES] + list(matrix_constants())
    return {"rows": ROWS, "columns": COLUMNS, "columns_picked": PICKED,
            "cases": [matrix_case(signals, *case) for case in cases]}


def draws(rows=3, columns=4, count=2, exponent=1.0):
    """All that a small matrix can score where two weights of every line are drawn: far enough apart to be told."""
    w, x = counted(16, 0, rows * columns).reshape(rows, columns), counted(17, 0, columns, True)
    scores = saliences.drawn(w, x, count, exponent)
    every = np.sort(scores.reshape(rows * columns, -1), 1)
    assert (every[:, 1:] / every[:, :-1] > 1.0001).all()
    return {"rows": rows, "columns": columns, "drawn": count, "exponent": exponent,
            "row_sets": scores.shape[2], "column_sets": scores.shape[3], "scores": scores.reshape(rows * columns, -1)}


def main():
    saliences.check_example()
    with open(sys.argv[1] if len(sys.argv) > 1 else OUT, "w") as file:
        json.dump(plain({"matrix": matrices(), "draws": draws()}), file, separators=(",", ":"))
        file.write("\n")


def plain(value):
    """As JSON has it, numbers with nine digits."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.9g}")
    return value


if __name__ == "__main__":
    main()
