"""What matrices have lost as products of low rank: EoRA as published, in fp64 (low_rank.py [OUT], by default
../data/low_rank.json).

SVD of E Q L^(1/2) with G = Q L Q^T, and A = S V^T L^(-1/2) Q^T (arXiv 2410.21271, equations 4 to 6), the inverse being taken
where L is not zero. Of each case: the lost matrix, the Gram matrix of inputs (with one that is always zero and one that is another's
double), the product B A of each rank, and the squared errors of the outputs before and after."""
import json
import os
import sys

import numpy

SHAPES = ((6, 10), (14, 7), (5, 5))


def case(rng, rows, columns):
    x = rng.normal(size=(40, columns)) * numpy.linspace(0.2, 2.0, columns)
    x[:, 1] = 0.0
    x[:, 3] = 2.0 * x[:, 2]
    lost = rng.normal(size=(rows, columns)).astype(numpy.float32).astype(float)
    gram = (x.T @ x).astype(numpy.float32).astype(float)
    values, q = numpy.linalg.eigh(gram)
    values[values < 1e-5 * values.max()] = 0.0
    root = numpy.sqrt(values)
    inverse = numpy.divide(1.0, root, out=numpy.zeros_like(root), where=root > 0)
    u, s, v = numpy.linalg.svd(lost @ q * root, full_matrices=False)
    ranks = []
    for rank in (1, 2, 4):
        product = (u[:, :rank] * s[:rank]) @ v[:rank] * inverse @ q.T
        ranks.append({"rank": rank, "product": product.flatten().tolist(), "after": float((s[rank:] ** 2).sum())})
    return {"rows": rows, "columns": columns, "lost": lost.flatten().tolist(), "gram": gram.flatten().tolist(),
            "before": float((s ** 2).sum()), "ranks": ranks}


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../data/low_rank.json")
    rng = numpy.random.default_rng(7)
    with open(out, "w") as file:
        json.dump([case(rng, *shape) for shape in SHAPES], file, indent=None)
        file.write("\n")


main()
