#!/usr/bin/env python3
"""Every way to prune single weights on three models, at two sparsities and two patterns: perplexity on other text.

    bench/quality_sparse.py PARE MODELS DATA OUT [--only METHOD...] [--models MODEL...] [--seeds SEED...]

Runs `pare sweep` for each model and method, once over sparsities and once over patterns (rows go to OUT, so a run that was
stopped goes on), then writes OUT/quality-sparse.md from all rows that OUT holds: gaps in log perplexity to the dense model,
mean over the seeds, and beside them as a share of SparseGPT's gap.
"""
import argparse
import pathlib
import sys

import quality

SPARSITIES = ["0.5", "0.6"]
PATTERNS = ["2:4", "4:8"]
BASELINE = "sparsegpt"
WINDOWS = 100

ALL = {"sparsity": SPARSITIES, "pattern": PATTERNS}
SHARES = {"sparsity": SPARSITIES}  # what decides how much each row or layer loses has no say in a pattern
GROUPS = {"pattern": PATTERNS}
HALF = {"sparsity": ["0.5"]}

# Rows of the table: name, targets, options. All are calibrated on 128 x 128 tokens.
METHODS = {
    "random": (HALF, ["--method", "random"]),
    "taylor": (HALF, ["--method", "taylor", "--samples", "128"]),
    "magnitude": (ALL, ["--method", "magnitude"]),
    "symmetric": (ALL, ["--method", "symmetric"]),
    "ri": (ALL, ["--method", "ri"]),
    "wanda": (ALL, ["--method", "wanda"]),
    "wanda-variant": (SHARES, ["--method", "wanda-variant"]),
    "wanda-owl": (SHARES, ["--method", "wanda-owl"]),
    "ria": (ALL, ["--method", "ria"]),
    "ria --permute assign": (GROUPS, ["--method", "ria", "--permute", "assign"]),
    "ria-lp": (ALL, ["--method", "ria-lp"]),
    "stochria": (ALL, ["--method", "stochria"]),
    "symwanda": (ALL, ["--method", "symwanda"]),
    "owanda": (ALL, ["--method", "owanda"]),
    "gblm": (ALL, ["--method", "gblm"]),
    "gblm-l2": (ALL, ["--method", "gblm-l2"]),
    "gblm-gradient": (ALL, ["--method", "gblm-gradient"]),
    "pruner-zero": (ALL, ["--method", "pruner-zero"]),
    "wanda++": (ALL, ["--method", "wanda++"]),
    "dsnot": (ALL, ["--method", "dsnot"]),
    "r2-dsnot": (ALL, ["--method", "r2-dsnot"]),
    "sparseswaps": (ALL, ["--method", "sparseswaps"]),
    "wanda --compensate obs": (ALL, ["--method", "wanda", "--compensate", "obs"]),
    "wanda --refine swaps --compensate obs": (ALL, ["--method", "wanda", "--refine", "swaps", "--compensate", "obs"]),
    "sparsegpt": (ALL, ["--method", "sparsegpt"]),
    "sparsegpt --true-sequential": (ALL, ["--method", "sparsegpt", "--true-sequential"]),
    "admm": (ALL, ["--method", "admm"]),
    "best-sparse --compensate obs --cg-iterations 5": (ALL, ["--method", "best-sparse", "--compensate", "obs", "--cg-iterations", "5"]),
    "best-sparse": (ALL, ["--method", "best-sparse"]),
    "best-sparse --calib self": (ALL, ["--method", "best-sparse", "--calib", "self"]),
}


def scenes(models, data, out):
    """(model, calibration text, evaluation texts, windows of each)"""
    stories = quality.split(data / "tinystories" / "tinystories_lowercase_excerpt.txt", 0.5, out)
    texts = [data / "ptb" / "ptb.valid.txt", data / "books" / "novels_valid_utf8_lf.txt", data / "wikitext-2" / "wiki.test.raw"]
    return [
        (models / "stories260K-hf", stories[0], [stories[1]], WINDOWS),
        (models / "tiny-stories", stories[0], [stories[1]], WINDOWS),
        (models / "novels-8m", data / "c4" / "sample_c4-rp1.jsonl", texts, WINDOWS),
    ]


def target_files(out, scene, method):
    """(axis, file of rows) for what this method can be asked for."""
    return [(axis, out / f"{axis}.{quality.file_name(scene[0], method)}") for axis in METHODS[method][0]]


def run(pare, scene, method, seeds, out):
    targets, options = METHODS[method]
    for axis, path in target_files(out, scene, method):
        quality.sweep(pare, scene, {axis: targets[axis], "seed": seeds}, options, path)


def known(scene, out):
    """{method: rows} of all that was run, each row with its target's name."""
    results = {}
    for method in METHODS:
        rows = []
        for axis, path in target_files(out, scene, method):
            if path.exists():
                rows += [{**row, "target": row[axis]} for row in quality.rows_of(path)]
        if rows:
            results[method] = rows
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pare")
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", nargs="*", choices=METHODS, metavar="METHOD", help="run these methods, in this order")
    parser.add_argument("--models", dest="names", nargs="*", metavar="MODEL", help="run these models")
    parser.add_argument("--seeds", nargs="+", default=["0", "1"])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = []
    for scene in scenes(arguments.models, arguments.data, arguments.out):
        if arguments.names is None or scene[0].name in arguments.names:
            for method in arguments.only if arguments.only is not None else METHODS:
                run(arguments.pare, scene, method, arguments.seeds, arguments.out)
                print(f"{scene[0].name}: {method} done", file=sys.stderr, flush=True)
        results = known(scene, arguments.out)
        if BASELINE in results:
            report += quality.sections(scene, results, "target", SPARSITIES + PATTERNS, BASELINE)
    (arguments.out / "quality-sparse.md").write_text("\n".join(report), encoding="utf-8")


if __name__ == "__main__":
    main()
