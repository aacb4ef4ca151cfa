"""Saliences by element in fp64, written from the papers' formulas; each takes a dict of named signals, W being [out, in].

Signals: w weight, g gradient, a mean of the samples' squared gradients (all [out, in]); x norm of each input, u diagonal
of the upper Cholesky factor of the inverse Hessian (both [in]); y norm of each output [out]. Constants: alpha, exponent,
order, balance, squared. Papers: magnitude; Wanda (2306.11695); SparseGPT (2301.00774); GBLM-Pruner (2311.04902);
Pruner-Zero (2406.02924); RIA (ICLR 2024); Symmetric Pruning (2501.18980); LLM-Pruner (2305.11627)."""
import itertools
import math

import numpy as np

PUBLISHED = {"alpha": 100.0, "exponent": 0.5, "balance": 1.0, "squared": False}


def norm(w, axis, order):
    """l_p norm of every row (axis 1) or column (axis 0); 0 counts what is not zero."""
    return np.linalg.norm(w, math.inf if order == "inf" else order, axis)


def inverse(x):
    """1 / x, and nothing where there is nothing to divide by."""
    return np.divide(1.0, x, out=np.zeros_like(x), where=x != 0.0)


def relative(s, order=1.0):
    """Relative importance: |w| over the norm of its column plus |w| over the norm of its row."""
    w = s["w"]
    return np.abs(w) * (inverse(norm(w, 0, order))[None, :] + inverse(norm(w, 1, order))[:, None])


def minmax(x):
    return (x - x.min()) / (x.max() - x.min())


def symmetric_wanda(s):
    """Lemma 3.1 with norms over their means, so that inputs and outputs have one scale."""
    x, y = (s["x"] / s["x"].mean())[None, :], (s["y"] / s["y"].mean())[:, None]
    both = np.sqrt(x**2 + s["balance"] * y**2) if s["squared"] else x + s["balance"] * y
    return np.abs(s["w"]) * both


def symmetric(s):
    """Corollary 3.4, the matrix being its own calibration: norms of the weight's row and column."""
    w, p = s["w"], s.get("order", 2.0)
    column, row = norm(w, 0, p)[None, :], norm(w, 1, p)[:, None]
    return np.abs(w) * (np.sqrt(column**2 + row**2) if s["squared"] else column + row)


SALIENCES = {
    "param_first": lambda s: np.abs(s["w"] * s["g"]),
    "vectorize": lambda s: s["w"] * s["g"],
    "param_second": lambda s: np.abs(s["w"] * s["a"] * s["w"]),
    "param_mix": lambda s: np.abs(s["w"] * s["g"] - s["w"] * s["a"] * s["w"] / 2.0),
    "l1": lambda s: np.abs(s["w"]),
    "l2": lambda s: np.square(s["w"]),
    "wanda": lambda s: np.abs(s["w"]) * s["x"],
    "fluctuation": lambda s: s["w"] ** 2 * s["x"] ** 2,  # FLAP (2312.11983): x is the norm around the mean
    "obs": lambda s: np.square(s["w"] / s["u"]),
    "gblm": lambda s: np.abs(s["w"]) * s["x"] + s["alpha"] * np.abs(s["w"] * s["g"]),
    "gradient": lambda s: np.abs(s["w"] * s["g"]),
    "pruner-zero": lambda s: np.square(s["w"]) * minmax(np.abs(s["g"])),
    "ria": lambda s: relative(s) * s["x"] ** s["exponent"],
    "ri": relative,
    "lp": lambda s: relative(s, s.get("order", 1.0)) * s["x"] ** s["exponent"],
    "symwanda": symmetric_wanda,
    "owanda": lambda s: np.abs(s["w"]) * s["y"][:, None],
    "symmetric": symmetric,
}


def score(name, **signals):
    return SALIENCES[name]({**PUBLISHED, **signals})


def drawn(w, x, drawn_count, exponent):
    """stochRIA: the scores of every pair of a set drawn of the row and one drawn of the column, [out, in, rows' sets,
    columns' sets]; a sum over a set stands for the whole line."""
    def sums(lines):
        n = lines.shape[1]
        sets = list(itertools.combinations(range(n), drawn_count))
        return np.array([[np.abs(line[list(s)]).sum() * n / drawn_count for s in sets] for line in lines])

    row, column = 1.0 / sums(w), 1.0 / sums(w.T)
    both = row[:, None, :, None] + column[None, :, None, :]
    return np.abs(w)[:, :, None, None] * both * (x**exponent)[None, :, None, None]


def inverse_factor(x, damping):
    """Diagonal of U, U^T U being the inverse of the damped x^T x."""
    h = x.T @ x
    h += damping * np.diag(h).mean() * np.eye(len(h))
    return np.diag(np.linalg.cholesky(np.linalg.inv(h)).T).copy()


def example():
    """The published small matrix and its inputs, two sequences of six tokens."""
    w = np.array([[((31 * o + 17 * i + 7) * 13 % 41 - 20) / 10 for i in range(8)] for o in range(3)])
    x = np.array([[((t * 19 + 23 * i + 5) * 29 % 37 - 18) / 9 for i in range(8)] for t in range(12)])
    return w, x


def check_example():
    """What an older, independent script printed for the example, to six digits."""
    w, x = example()
    s = np.square(x).sum(0) / 2
    near = lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    near(s, [9.253086, 9.808642, 10.283951, 10.450617, 10.537037, 10.771605, 10.925926, 10.771605])
    near(score("wanda", w=w, x=np.sqrt(s))[0],
         [3.346077, 1.565938, 6.413720, 1.293097, 3.895296, 4.266616, 0.991632, 6.235823])
    near(score("ria", w=w, x=np.sqrt(s))[0],
         [0.646854, 0.654742, 1.285218, 0.300603, 1.386417, 0.771794, 0.365707, 1.351783])
    y = np.linalg.norm(x @ w.T, axis=0)
    near(y, [15.118299, 13.504110, 6.494347])
    near((score("wanda", w=w, x=np.linalg.norm(x, axis=0)) + score("owanda", w=w, y=y))[1, 3], 19.883486514)
