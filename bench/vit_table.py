#!/usr/bin/env python3
"""What each method leaves of a vision transformer: accuracy by methods and amounts, as Markdown.

    bench/vit_table.py PARE MODEL CALIBRATION JUDGED OUT [--seeds 0 1 2] [--samples 256] [--more 1024]
                       [--only weights|units] [--columns 0.25 2:4 ...] [--threads 1] [-- further options of pare prune]

CALIBRATION and JUDGED are folders of pictures, one folder a class. Single weights: 50 to 80 % and the patterns 2:4 and
4:8; units: 12.5 to 50 % of every layer's heads and FFN channels. A seed draws the pictures that calibrate; a method takes
the same ones in all columns, and all methods the same number: --samples, in the rows that say so --more. Nothing is
trained. Runs are kept in OUT (a line of JSON each), so that a table that was stopped goes on, and one that is repeated is
only printed: another build of pare, or another model of the same name, wants another OUT. Cells: mean and standard deviation over the seeds of the accuracy in percent, in brackets the mean
cross-entropy. Standard library only.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

BLIND = {"magnitude", "magnitude-l2"}  # neither pictures nor seed matter to them
TABLES = {
    "weights": {
        "title": "single weights",
        "targets": [("--sparsity", "0.5"), ("--sparsity", "0.6"), ("--sparsity", "0.7"), ("--sparsity", "0.8"),
                    ("--pattern", "2:4"), ("--pattern", "4:8")],
        "methods": ["magnitude", "wanda", "gblm", "gblm-l2", "gblm-gradient", "sparsegpt", "best-sparse"],
        "more": ["best-sparse"],
    },
    "units": {
        "title": "heads and FFN channels",
        "targets": [("--ratio", "0.125"), ("--ratio", "0.25"), ("--ratio", "0.375"), ("--ratio", "0.5")],
        "methods": ["magnitude-l2", "wanda-structured", "taylor", "moreau-gs", "obs", "best"],
        "more": ["obs", "best"],
    },
}


class Runs:
    """What `pare prune` and `pare eval` say, each asked once and kept in a file."""

    def __init__(self, given, more):
        self.given, self.more = given, more
        given.out.mkdir(parents=True, exist_ok=True)
        self.file = given.out / f"{given.model.resolve().name}.jsonl"
        rows = self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else []
        self.known = {tuple(row["key"]): row["images"] for row in map(json.loads, rows)}

    def pare(self, *words):
        command = [self.given.pare, *words, "--quiet", "--json", "--threads", str(self.given.threads)]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        except OSError as error:
            sys.exit(f"cannot run {self.given.pare}: {error.strerror}")
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stderr}")
        return json.loads(done.stdout)

    def judge(self, model):
        """{"files", "top1", "top5", "loss"}"""
        return self.pare("eval", str(model), "--images", str(self.given.judged))["images"]

    def prune(self, words):
        with tempfile.TemporaryDirectory(dir=self.given.out) as folder:
            smaller = pathlib.Path(folder) / "model"
            self.pare("prune", str(self.given.model), "-o", str(smaller), *words, *self.more)
            return self.judge(smaller)

    def once(self, words, work):
        key = [*words, *self.more, "--images", str(self.given.judged)]
        if tuple(key) not in self.known:
            self.known[tuple(key)] = work()
            with self.file.open("a", encoding="utf-8") as rows:
                rows.write(json.dumps({"key": key, "images": self.known[tuple(key)]}) + "\n")
        return self.known[tuple(key)]

    def dense(self):
        return self.once(["dense"], lambda: self.judge(self.given.model))

    def pruned(self, method, target, seed, samples):
        words = ["--method", method, *target]
        if method not in BLIND:
            words += ["--calib", str(self.given.calibration), "--seed", str(seed), "--samples", str(samples)]
        return self.once(words, lambda: self.prune(words))


def cell(results):
    right = [100.0 * result["top1"] for result in results]
    loss = statistics.mean(result["loss"] for result in results)
    spread = f" ± {statistics.stdev(right):.2f}" if len(right) > 1 else ""
    return f"{statistics.mean(right):.2f}{spread} ({loss:.3f})"


def amount(target):
    return target[1] if target[0] == "--pattern" else f"{100 * float(target[1]):g} %"


def table(runs, table):
    given, lines = runs.given, []
    targets = [target for target in table["targets"] if not given.columns or target[1] in given.columns]
    rows = [(method, method, given.samples) for method in table["methods"]]
    rows += [(f"{method}, {given.more_samples} pictures", method, given.more_samples) for method in table["more"] if given.more_samples]
    for name, method, samples in rows:
        seeds = given.seeds[:1] if method in BLIND else given.seeds
        cells = [cell([runs.pruned(method, target, seed, samples) for seed in seeds]) for target in targets]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(f"{given.model.resolve().name}: {name} done", file=sys.stderr, flush=True)
    dense = runs.dense()
    print(f"### {given.model.resolve().name}: {table['title']} (dense {100 * dense['top1']:.2f} % ({dense['loss']:.3f}) of "
          f"{dense['files']:,} pictures; {given.samples} calibrate)\n")
    print(f"| method | {' | '.join(map(amount, targets))} |")
    print(f"|---|{'---|' * len(targets)}")
    print("\n".join(lines) + "\n")


def main():
    words, more = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, more = words[:at], words[at + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pare")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("calibration", type=pathlib.Path)
    parser.add_argument("judged", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--more", dest="more_samples", type=int, default=1024, help="0: no such rows")
    parser.add_argument("--only", choices=TABLES)
    parser.add_argument("--columns", nargs="+", help="of all amounts only these")
    parser.add_argument("--threads", type=int, default=1)
    runs = Runs(parser.parse_args(words), more)
    for name in [runs.given.only] if runs.given.only else TABLES:
        table(runs, TABLES[name])


if __name__ == "__main__":
    main()
