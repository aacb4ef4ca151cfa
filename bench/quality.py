#!/usr/bin/env python3
"""Every block-wise preset on three models, five ratios, three seeds: perplexity on text that was not the calibration text.

    bench/quality.py PARE MODELS DATA OUT [--only METHOD...]

Runs `pare sweep` once per model and method (rows go to OUT/MODEL.METHOD.csv, so a run that was stopped goes on), then
writes OUT/quality.md: gaps in log perplexity to the dense model, mean over the seeds, and beside them as a share of the
gap of moreau-gs-released at the same parameter count.
"""
import argparse
import csv
import math
import pathlib
import statistics
import subprocess
import sys

RATIOS = ["0.1", "0.2", "0.3", "0.4", "0.5"]
SEEDS = ["0", "1", "2"]
BASELINE = "moreau-gs-released"
PUBLISHED = ["--protocol", "paper"]

# Rows of the table: name, options. Published methods take 10 x 128 tokens, those that refit 128 x 128 as they do by default.
METHODS = {
    "random": ["--method", "random"],
    "magnitude-l1": ["--method", "magnitude-l1"],
    "magnitude-l2": ["--method", "magnitude-l2"],
    "wanda-structured": ["--method", "wanda-structured", *PUBLISHED],
    "taylor": ["--method", "taylor", *PUBLISHED],
    "taylor-second": ["--method", "taylor-second", *PUBLISHED],
    "taylor-mix": ["--method", "taylor-mix", *PUBLISHED],
    "taylor-vector": ["--method", "taylor-vector", *PUBLISHED],
    "taylor-rownorm": ["--method", "taylor-rownorm", *PUBLISHED],
    "smoothgrad": ["--method", "smoothgrad", *PUBLISHED],
    "moreau": ["--method", "moreau", *PUBLISHED],
    "moreau-gs": ["--method", "moreau-gs", *PUBLISHED],
    "moreau-l1": ["--method", "moreau-l1", *PUBLISHED],
    "moreau-released": ["--method", "moreau-released", *PUBLISHED],
    "moreau-gs-released": ["--method", "moreau-gs-released", *PUBLISHED],
    "moreau-gs-released, 128 x 128": ["--method", "moreau-gs-released", "--samples", "128"],
    "moreau-gs-released + ls": ["--method", "moreau-gs-released", "--compensate", "ls"],
    "obs": ["--method", "obs"],
    "best": ["--method", "best"],
    "best, self text": ["--method", "best", "--calib", "self"],
}


def split(text, share, folder):
    """The first share of a text and the rest, cut between two lines, as two files."""
    whole = text.read_text(encoding="utf-8")
    at = whole.index("\n", int(len(whole) * share)) + 1
    parts = folder / f"{text.stem}.calibration.txt", folder / f"{text.stem}.held-out.txt"
    for path, part in zip(parts, (whole[:at], whole[at:])):
        if not path.exists() or path.read_text(encoding="utf-8") != part:  # rows belong to a file of a certain date
            path.write_text(part, encoding="utf-8")
    return parts


def scenes(models, data, out):
    """(model, calibration text, evaluation texts, windows of each)"""
    stories = split(data / "tinystories" / "tinystories_lowercase_excerpt.txt", 0.95, out)
    books = data / "books"
    return [
        (models / "stories260K-hf", stories[0], [stories[1]], 200),
        (models / "tiny-stories", stories[0], [stories[1]], 200),
        (
            models / "novels-8m",
            books / "novels_train_utf8_lf.txt",
            [books / "novels_valid_utf8_lf.txt", data / "ptb" / "ptb.valid.txt", data / "wikitext-2" / "wiki.test.raw"],
            100,
        ),
    ]


def sweep(pare, scene, over, options, target):
    """The rows of one `pare sweep`: over is {option: values}; rows that the file target already holds are not run again."""
    model, calibration, texts, windows = scene
    if "--calib" not in options:
        options = [*options, "--calib", str(calibration), "--calib-stream"]
    command = [pare, "sweep", str(model)]
    for name, values in over.items():
        command += ["--over", f"{name}={','.join(values)}"]
    command += [*options, "--csv", str(target), "--quiet", "--compute", "fp32", "--max-windows", str(windows), "--text", *map(str, texts)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return rows_of(target)


def rows_of(target):
    with open(target, encoding="utf-8") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def file_name(model, method):
    return f"{model.name}.{method.replace(' ', '').replace(',', '.')}.csv"


def gaps(rows, text, column):
    """{value of the column: [log perplexity gap per seed]}"""
    found = {}
    for row in rows:
        before, after = (float(row[f"perplexity {when} {text}"]) for when in ("before", "after"))
        found.setdefault(row[column], []).append(math.log(after / before))
    return found


def cell(values, baseline):
    mean = statistics.mean(values)
    base = statistics.mean(baseline)
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 and statistics.stdev(values) >= 0.0005 else ""
    share = f" ({mean / base:.2f})" if base > 0.02 else ""
    return f"{mean:.3f}{spread}{share}"


def table(results, text, column, values, baseline):
    """Markdown: a row per method, a column per value; empty where a method has no row."""
    base = gaps(results[baseline], text, column)
    lines = ["| method | " + " | ".join(values) + " |", "|---" * (len(values) + 1) + "|"]
    for method, rows in results.items():
        found = gaps(rows, text, column)
        cells = [cell(found[v], base[v]) if v in found and v in base else "" for v in values]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sections(scene, results, column, values, baseline):
    """A headed table for each text of a scene."""
    lines = []
    for text in scene[2]:
        dense = float(results[baseline][0][f"perplexity before {text}"])
        lines += [f"### {scene[0].name} on {text.name} (dense {dense:.2f})", "", table(results, str(text), column, values, baseline), ""]
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pare")
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", nargs="*", choices=METHODS, help="these methods (and the baseline)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    methods = [m for m in METHODS if not arguments.only or m in arguments.only or m == BASELINE]
    report = []
    for scene in scenes(arguments.models, arguments.data, arguments.out):
        results = {}
        for method in methods:
            target = arguments.out / file_name(scene[0], method)
            results[method] = sweep(arguments.pare, scene, {"ratio": RATIOS, "seed": SEEDS}, METHODS[method], target)
        report += sections(scene, results, "ratio", RATIOS, BASELINE)
        print(f"{scene[0].name} done", file=sys.stderr)
    (arguments.out / "quality.md").write_text("\n".join(report), encoding="utf-8")


if __name__ == "__main__":
    main()
