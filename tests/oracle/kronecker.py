#!/usr/bin/env python3
"""What tests/repair/test_kronecker.c expects of ADMM in the loss's metric: in double, with dense Kronecker products
where pare has none.

    tests/oracle/kronecker.py      needs numpy; prints error before, error after and the sum of kept weights' places

The problem is that of tests/repair/kronecker_problem.h. B's fit is solved over all weights at once by conjugate
gradients whose preconditioner is the inverse of (F + s I) x (H + s I), s^2 in the middle of the penalties it serves.
"""
import numpy as np

ROWS, COLUMNS, TOKENS = 20, 32, 80
ITERATIONS, INNER, RHO, GROWTH, STALE = 20, 2, 0.1, 1.3, 4.0


def remainder(value, by):
    """As C has it: of the sign of what is divided."""
    return int(np.fmod(value, by))


def raw(t, i):
    return float(remainder((t * 19 + 23 * i + 5) * 29 + t * t * 3 + i * i * 7, 37) - 18)


def problem():
    inputs = np.array([[(raw(t, i) + 2.0 * raw(t, i // 4 * 4) * (1 + i % 3)) / 8.0 for i in range(COLUMNS)] for t in range(TOKENS)])
    own = np.array([[remainder((7 * t + 11 * o + 3) * 17 + t * t * 5 + o * o * 3, 41) - 20 for o in range(ROWS)] for t in range(TOKENS)])
    common = np.array([[remainder((7 * t + 3) * 17 + t * t * 5, 41) - 20] for t in range(TOKENS)])
    gradients = (own + common * (np.arange(ROWS) % 2)) / 16.0
    weights = np.array([[(remainder((31 * o + 17 * i + 7) * 13 + o * i * 11, 101) - 50) / 40 + remainder((o * 32 + i) * 7919, 1009) / 20000
                         for i in range(COLUMNS)] for o in range(ROWS)])
    return weights.astype(np.float32).astype(float), inputs.T @ inputs, gradients.T @ gradients


def damp(matrix, share):
    return matrix + share * np.trace(matrix) / len(matrix) * np.eye(len(matrix))


def half(scores):
    """Half of every 16 neighbouring columns' weights go."""
    kept = np.ones_like(scores, bool)
    for first in range(0, COLUMNS, 16):
        part = scores[:, first:first + 16].ravel()
        order = np.argsort(part, kind="stable")[: part.size // 2]
        flags = np.ones(part.size, bool)
        flags[order] = False
        kept[:, first:first + 16] = flags.reshape(ROWS, 16)
    return kept


def two_of_four(scores):
    kept = np.zeros_like(scores, bool)
    for row in range(ROWS):
        for first in range(0, COLUMNS, 4):
            order = np.argsort(scores[row, first:first + 4], kind="stable")
            kept[row, first + order[2:]] = True
    return kept


def matrix60(scores):
    kept = np.ones(scores.size, bool)
    kept[np.argsort(scores.ravel(), kind="stable")[: int(scores.size * 0.6)]] = False
    return kept.reshape(scores.shape)


def centre(i, rho):
    last = rho * GROWTH ** (ITERATIONS - 1 - i)
    return min(rho * STALE, np.sqrt(rho * last))


def admm(target, h, f, choose):
    whole = np.kron(f, h)  # of weights row by row
    w, b = target.ravel(), target.ravel().copy()
    d, v, rho, factored, kept = None, np.zeros(w.size), RHO, 0.0, None
    for i in range(ITERATIONS):
        if i:
            if not factored or rho > STALE * factored:
                factored = centre(i, rho)
                s = np.sqrt(factored)
                inverse = np.kron(np.linalg.inv(f + s * np.eye(ROWS)), np.linalg.inv(h + s * np.eye(COLUMNS)))
            system = whole + rho * np.eye(w.size)
            residual = whole @ w + rho * d - v - system @ b
            before, direction = None, None
            for _ in range(INNER):
                z = inverse @ residual
                energy = residual @ z
                direction = z if before is None else z + energy / before * direction
                before = energy
                length = energy / (direction @ system @ direction)
                b = b + length * direction
                residual = residual - length * (system @ direction)
        kept = choose(np.abs(b + v / rho).reshape(ROWS, COLUMNS)).ravel()
        d = np.where(kept, b + v / rho, 0.0)
        v = v + rho * (b - d)
        rho *= GROWTH
    return d.reshape(ROWS, COLUMNS), kept.reshape(ROWS, COLUMNS)


def refine(target, h, f, start, kept, steps):
    """Conjugate gradients on the support, preconditioned by both diagonals."""
    whole, inverse = np.kron(f, h), np.kron(1.0 / np.diag(f), 1.0 / np.diag(h))
    on, x = kept.ravel(), start.ravel().copy()
    residual = np.where(on, whole @ (target.ravel() - x), 0.0)
    direction, energy = inverse * residual, residual @ (inverse * residual)
    for _ in range(steps):
        product = np.where(on, whole @ direction, 0.0)
        length = energy / (direction @ product)
        x, residual = x + length * direction, residual - length * product
        after = residual @ (inverse * residual)
        direction, energy = inverse * residual + after / energy * direction, after
    return x.reshape(ROWS, COLUMNS)


def error(difference, h, f):
    return np.trace(f @ difference @ h @ difference.T)


def main():
    weights, gram, fisher = problem()
    h, f = damp(gram, 0.01), damp(fisher, 0.1)
    columns, rows = np.sqrt(np.diag(h)), np.sqrt(np.diag(f))
    scale = np.outer(rows, columns)
    for choose, steps in ((half, 0), (half, 5), (half, 20), (two_of_four, 5), (matrix60, 5)):
        fitted, kept = admm(weights * scale, h / np.outer(columns, columns), f / np.outer(rows, rows), choose)
        left = refine(weights, h, f, fitted / scale, kept, steps)
        before = error(np.where(kept, 0.0, weights), h, f)
        print(f"{choose.__name__} {steps}: {before:.8e} {error(left - weights, h, f):.8e} {int(np.flatnonzero(kept).sum())}")


if __name__ == "__main__":
    main()
