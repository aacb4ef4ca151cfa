#!/usr/bin/env python3
"""What each method leaves of SmolLM2-135M: perplexity and divergence on texts that were not the calibration text.

    bench/quality_real.py PARE SMOLLM2 DATA OUT [--targets NAME...] [--only METHOD...] [--seeds N...] [--calib c4 | self]

Calibrated on the first 850 rows of the C4 sample, or on text that the model writes; measured on WikiText-2, PTB and the
other 150 rows, 100 windows of 128 tokens each. A cell is one `pare prune --dry-run`, whose report is kept in
OUT/cells, so that a run that was stopped goes on. OUT/quality-real.md: all cells that are there, as gaps in log
perplexity, beside them as a share of the baseline's, and the divergence.
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import time

ROWS = 850  # of the C4 sample that calibrate; the others are held out
WINDOWS = 100
UNITS = {"10": "0.1", "20": "0.2", "30": "0.3", "40": "0.4"}
SINGLE = {"50": ["--sparsity", "0.5"], "60": ["--sparsity", "0.6"], "2:4": ["--pattern", "2:4"], "4:8": ["--pattern", "4:8"]}
PUBLISHED = ["--protocol", "paper"]
REFITTED = ["--samples", "128"]
SEARCHED = ["--method", "best", "--select", "global", "--allocate", "search", "--search-steps", "300"]

UNIT_METHODS = {
    "taylor": ["--method", "taylor", *PUBLISHED],
    "taylor, 128 x 128": ["--method", "taylor", *REFITTED],
    "moreau-gs": ["--method", "moreau-gs", *PUBLISHED],
    "moreau-gs-released": ["--method", "moreau-gs-released", *PUBLISHED],
    "wanda-structured": ["--method", "wanda-structured", *PUBLISHED],
    "obs": ["--method", "obs", *REFITTED],
    "obs, 512 x 128": ["--method", "obs", "--samples", "512"],
    "best --select local": ["--method", "best", *REFITTED, "--select", "local"],
    "best --select local, 512 x 128": ["--method", "best", "--samples", "512", "--select", "local"],
    "best --select global": ["--method", "best", *REFITTED, "--select", "global"],
    "best --select global, 512 x 128": ["--method", "best", "--samples", "512", "--select", "global"],
    "best --select global --reconstruct 40": ["--method", "best", *REFITTED, "--select", "global", "--reconstruct", "40"],
    "best, searched": [*SEARCHED, *REFITTED],
    "best, searched, 512 x 128": [*SEARCHED, "--samples", "512"],
    "best, searched, --reconstruct 40": [*SEARCHED, *REFITTED, "--reconstruct", "40"],
}
SINGLE_METHODS = {
    "wanda": ["--method", "wanda", *REFITTED],
    "sparsegpt": ["--method", "sparsegpt", *REFITTED],
    "admm": ["--method", "admm", *REFITTED],
    "sparsegpt, 512 x 128": ["--method", "sparsegpt", "--samples", "512"],
    "best-sparse": ["--method", "best-sparse", *REFITTED],
    "best-sparse, 512 x 128": ["--method", "best-sparse", "--samples", "512"],
    "best-sparse --permute assign": ["--method", "best-sparse", *REFITTED, "--permute", "assign"],
    "best-sparse --permute assign, 512 x 128": ["--method", "best-sparse", "--samples", "512", "--permute", "assign"],
    "best-sparse --reconstruct 40": ["--method", "best-sparse", *REFITTED, "--reconstruct", "40"],
    "best-sparse --reconstruct 40, 512 x 128": ["--method", "best-sparse", "--samples", "512", "--reconstruct", "40"],
}
BASELINES = {"units": "taylor", "single": "sparsegpt"}


def split(sample, out):
    """The C4 sample as a file to calibrate on and one to measure on."""
    rows = sample.read_text(encoding="utf-8").splitlines(keepends=True)
    parts = out / "c4.jsonl", out / "c4.held-out.txt"
    if not all(part.exists() for part in parts):
        parts[0].write_text("".join(rows[:ROWS]), encoding="utf-8")
        parts[1].write_text("\n".join(json.loads(row)["text"] for row in rows[ROWS:]), encoding="utf-8")
    return parts


def cell_file(out, calibration, target, method, seed):
    plain = method.replace(" ", "_").replace(",", "").replace("--", "")
    return out / "cells" / f"{calibration}.{target.replace(':', 'of')}.{plain}.{seed}.json"


def run(arguments, texts, target, method, seed):
    path = cell_file(arguments.out, arguments.calib, target, method, seed)
    if path.exists():
        return
    options = UNIT_METHODS[method] if target in UNITS else SINGLE_METHODS[method]
    amount = ["--ratio", UNITS[target]] if target in UNITS else SINGLE[target]
    calibration = str(texts[0]) if arguments.calib == "c4" else "self"
    command = [arguments.pare, "prune", str(arguments.model), "--dry-run", *options, *amount, "--calib", calibration, "--seed", seed]
    command += ["--text", *map(str, texts[1:]), "--window", "128", "--max-windows", str(WINDOWS), "--json"]
    begun = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.decode(errors='replace')[-400:]}")
    report = json.loads(done.stdout)
    path.write_text(json.dumps({"command": command[1:], "report": report}), encoding="utf-8")
    print(f"{path.stem}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


def gaps(report):
    """[(log perplexity above the dense model's, divergence from it)] for each text."""
    return [
        (math.log(text["after"]["perplexity"] / text["before"]["perplexity"]), text["after"].get("kl"))
        for text in report["texts"]
    ]


def known(out, calibration, target, method):
    cells = [cell_file(out, calibration, target, method, seed) for seed in "012"]
    return [json.loads(cell.read_text(encoding="utf-8"))["report"] for cell in cells if cell.exists()]


def mean(values):
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def table(out, calibration, target, methods, baseline):
    reference = known(out, calibration, target, baseline)
    rows = []
    for method in methods:
        reports = known(out, calibration, target, method)
        if not reports:
            continue
        cells = []
        for text in range(len(reports[0]["texts"])):
            values = [gaps(report)[text] for report in reports]
            gap = [value[0] for value in values]
            share = ""
            if reference:
                share = f" ({statistics.mean(gap) / statistics.mean(gaps(report)[text][0] for report in reference):.2f})"
            divergence = [value[1] for value in values if value[1] is not None]
            cells.append(mean(gap) + share + (f", {statistics.mean(divergence):.3f}" if divergence else ""))
        left = reports[0]["parameters"]["after"]
        rows.append(f"| {method} | {len(reports)} | {left:,} | " + " | ".join(cells) + " |")
    head = ["| method | seeds | parameters | WikiText-2 | PTB | held-out C4 |", "|---|---|---|---|---|---|"]
    title = f"{target} %" if target.isdigit() else target
    return [f"### {title}, calibrated on {calibration}", "", *head, *rows, ""] if rows else []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pare")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--targets", nargs="*", default=[*UNITS, *SINGLE], choices=[*UNITS, *SINGLE], metavar="NAME")
    parser.add_argument("--only", nargs="*", metavar="METHOD", help="run these methods, in this order")
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2"])
    parser.add_argument("--calib", choices=["c4", "self"], default="c4")
    arguments = parser.parse_args()
    (arguments.out / "cells").mkdir(parents=True, exist_ok=True)
    calibration, held_out = split(arguments.data / "c4" / "sample_c4-rp1.jsonl", arguments.out)
    texts = [calibration, arguments.data / "wikitext-2" / "wiki.test.raw", arguments.data / "ptb" / "ptb.test.txt", held_out]
    for seed in arguments.seeds:
        for target in arguments.targets:
            methods = UNIT_METHODS if target in UNITS else SINGLE_METHODS
            for method in methods if arguments.only is None else arguments.only:
                if method in methods:
                    run(arguments, texts, target, method, seed)
    report = []
    for calibration in ("c4", "self"):
        for target in UNITS:
            report += table(arguments.out, calibration, target, UNIT_METHODS, BASELINES["units"])
        for target in SINGLE:
            report += table(arguments.out, calibration, target, SINGLE_METHODS, BASELINES["single"])
    (arguments.out / "quality-real.md").write_text("\n".join(report), encoding="utf-8")


if __name__ == "__main__":
    main()
