#!/usr/bin/env python3
"""Prunes a model with every method and prints a Markdown table of perplexities.

    bench/methods_table.py build/release/pare MODEL --calib FILE --text FILE [FILE ...] [--ratios 0.25 0.5]
                           [--seeds 0 1 2] [-- further options of pare prune]

Only the standard library is needed. Methods whose scores depend on a seed are run with every seed: mean +- s.d.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

METHODS = ["random", "magnitude-l1", "magnitude-l2", "taylor", "moreau", "moreau-gs", "moreau-l1"]


def prune(arguments, method, ratio, seed):
    command = [arguments.pare, "prune", arguments.model, "--dry-run", "--quiet", "--json", "--method", method,
               "--ratio", str(ratio), "--seed", str(seed), "--max-windows", str(arguments.max_windows)]
    if method not in ("random", "magnitude-l1", "magnitude-l2"):
        command += ["--calib", arguments.calib]
    command += ["--text"] + arguments.text + arguments.more
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def cell(values):
    mean = statistics.mean(values)
    spread = f" +- {statistics.stdev(values):.2f}" if len(values) > 1 and max(values) != min(values) else ""
    return f"{mean:.2f}{spread}"


def main():
    words, more = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, more = words[:at], words[at + 1:]
    parser = argparse.ArgumentParser()
    parser.add_argument("pare")
    parser.add_argument("model")
    parser.add_argument("--calib", required=True)
    parser.add_argument("--text", nargs="+", required=True)
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.25, 0.5])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--max-windows", type=int, default=300)
    arguments = parser.parse_args(words)
    arguments.more = more
    names = [os.path.basename(text) for text in arguments.text]
    print(f"| method | ratio | parameters | {' | '.join(names)} |")
    print(f"|---|---|---|{'---|' * len(names)}")
    dense_done = False
    for ratio in arguments.ratios:
        for method in arguments.methods:
            seeds = arguments.seeds[:1] if method.startswith("magnitude") else arguments.seeds
            reports = [prune(arguments, method, ratio, seed) for seed in seeds]
            if not dense_done:
                dense = [f"{text['before']['perplexity']:.2f}" for text in reports[0]["texts"]]
                print(f"| dense | - | {reports[0]['parameters']['before']} | {' | '.join(dense)} |")
                dense_done = True
            after = [[report["texts"][i]["after"]["perplexity"] for report in reports] for i in range(len(names))]
            print(f"| {method} | {ratio} | {reports[0]['parameters']['after']} | {' | '.join(map(cell, after))} |")


main()
