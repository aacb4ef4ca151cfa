#!/usr/bin/env python3
"""How near the plan comes to what a run takes: every method's stages, expected over measured.

    bench/plan_times.py PARE CALIBRATION MODEL... [--only METHOD...] [--threads N] [--samples N] [--length N]
                        [--text FILE] [--processor]

Prints a row of Markdown for each model and method: seconds planned and taken of all stages that the plan names, their
ratio, and the same of the stages that take a tenth of the time or more. --processor: on a machine that does other
things meanwhile, the stages by the processor time of the thread that leads, which has an even share of all work (a
clock in the place of the system's); the plan measures by that time anyway. --text: evaluates on it, too, 32 windows.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

METHODS = {
    "taylor": ["--ratio", "0.2"],
    "wanda-structured": ["--ratio", "0.2"],
    "obs": ["--ratio", "0.2"],
    "best": ["--ratio", "0.2"],
    "moreau-gs": ["--ratio", "0.2"],
    "search": ["--ratio", "0.2", "--select", "global", "--allocate", "search"],
    "self": ["--ratio", "0.2"],
    "wanda": ["--sparsity", "0.5"],
    "sparsegpt": ["--sparsity", "0.5"],
    "best-sparse": ["--sparsity", "0.5"],
}
NAMES = {"search": "best", "self": "taylor"}  # of rows that are no methods
CLOCK = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *t) {
    return (int)syscall(SYS_clock_gettime, id == CLOCK_MONOTONIC ? CLOCK_THREAD_CPUTIME_ID : id, t);
}
"""


def make_clock(folder):
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(CLOCK)
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def run(options, model, method, folder, clock):
    words = [options.pare, "prune", model, "-o", folder / "out", "--force", "--json", "--method", NAMES.get(method, method),
             *METHODS[method], "--calib", "self" if method == "self" else options.calibration]
    for name in "samples", "length", "threads", "text":
        if getattr(options, name):
            words += [f"--{name}", str(getattr(options, name))]
    if options.text:
        words += ["--max-windows", "32"]
    environment = {**os.environ, **({"LD_PRELOAD": str(clock)} if clock else {})}
    result = subprocess.run(words, capture_output=True, text=True, env=environment)
    if result.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: {result.stderr.splitlines()[-1]}")
    return json.loads(result.stdout)


def row(model, method, report):
    expected, taken = report["memory"]["plan"]["seconds"], report["seconds"]
    whole, all_taken = sum(expected.values()), sum(taken[stage] for stage in expected)
    stages = [f"{stage} {value:.1f} / {taken[stage]:.1f} = {value / taken[stage]:.2f}" for stage, value in expected.items()
              if taken[stage] >= 0.1 * all_taken]
    name = pathlib.Path(model).resolve().name
    return f"| {name} | `{method}` | {whole:.1f} | {all_taken:.1f} | {whole / all_taken:.2f} | {', '.join(stages)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pare")
    parser.add_argument("calibration")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--only", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--length", type=int)
    parser.add_argument("--text")
    parser.add_argument("--processor", action="store_true")
    options = parser.parse_args()
    print("| model | method | planned, s | taken, s | ratio | stages: planned / taken |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        clock = make_clock(folder) if options.processor else None
        for model in options.models:
            for method in options.only:
                print(row(model, method, run(options, model, method, folder, clock)), flush=True)


if __name__ == "__main__":
    main()
