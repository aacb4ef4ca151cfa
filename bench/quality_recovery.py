#!/usr/bin/env python3
"""What a recovery brings back: pruned models before and after LoRA, by method and target.

    bench/quality_recovery.py PARE MODELS DATA OUT [--scenes NAME...] [--only METHOD...] [--steps N]

One `pare prune --recover` for each model, method and target (loraprune trains while it prunes: as many steps on the same
data); its report goes to OUT, so a run that was stopped goes on. Then OUT/quality-recovery.md: log perplexity of the
pruned and of the recovered model minus that of the dense one, how much of the first the recovery has closed, and how far
the recovered model is from the dense one after the same training.
"""
import argparse
import json
import math
import pathlib
import subprocess

import quality

STEPS, BATCH, RATE = 100, 16, "2e-3"  # small models take larger steps than the published 1e-4
UNITS = ["0.2", "0.5"]
METHODS = {  # name: (option of the target, targets, options)
    "magnitude-l2": ("--ratio", UNITS, ["--method", "magnitude-l2"]),
    "taylor": ("--ratio", UNITS, ["--method", "taylor"]),
    "moreau-gs-released": ("--ratio", UNITS, ["--method", "moreau-gs-released"]),
    "best": ("--ratio", UNITS, ["--method", "best"]),
    "loraprune": ("--ratio", UNITS, ["--method", "loraprune"]),
    "loraprune-early": ("--ratio", UNITS, ["--method", "loraprune", "--warmup-share", "0.05", "--cooldown-share", "0.6"]),
    "wanda": ("--sparsity", ["0.5"], ["--method", "wanda"]),
    "best-sparse": ("--sparsity", ["0.5"], ["--method", "best-sparse"]),
}


def scenes(models, data, out):
    """name: (title, model, calibration text, training data, evaluation texts)"""
    stories = quality.split(data / "tinystories" / "tinystories_lowercase_excerpt.txt", 0.95, out)
    texts = [data / "books" / "novels_valid_utf8_lf.txt", data / "wikitext-2" / "wiki.test.raw"]
    alpaca, novels = data / "alpaca" / "alpagasus_random_9k.json", data / "books" / "novels_train_utf8_lf.txt"
    return {
        "stories260K-hf": ("stories260K-hf, TinyStories", models / "stories260K-hf", stories[0], stories[0], [stories[1]]),
        "tiny-stories": ("tiny-stories, TinyStories", models / "tiny-stories", stories[0], stories[0], [stories[1]]),
        "novels-8m": ("novels-8m, Alpaca", models / "novels-8m", novels, alpaca, texts),
        "novels-8m-novels": ("novels-8m, novels", models / "novels-8m", novels, novels, texts),
    }


def command(pare, scene, method, target, steps, output):
    _, model, calibration, training, texts = scene
    option, _, choices = METHODS[method]
    words = [pare, "prune", model, "-o", output, "--force", option, target, *choices, "--json", "--quiet"]
    words += ["--window", "128", "--max-windows", "150", "--text", *texts]
    if method.startswith("loraprune"):
        epochs = ["--train-steps", steps, "--train-batch", BATCH, "--train-rate", RATE, "--cutoff", "256"]
        return words + ["--calib", training, "--layers", f"0:{layers_of(model)}", *epochs]
    training = ["--recover", training, "--recover-steps", steps, "--recover-batch", BATCH, "--recover-rate", RATE]
    return words + ["--calib", calibration, *training]


def dense_command(pare, scene, steps, output):
    """The dense model trained alike: what the training brings by itself."""
    _, model, _, training, texts = scene
    words = [pare, "recover", model, "-o", output, "--force", "--data", training, "--steps", steps, "--batch", BATCH]
    return words + ["--rate", RATE, "--json", "--quiet", "--window", "128", "--max-windows", "150", "--text", *texts]


def layers_of(model):
    return json.loads((model / "config.json").read_text())["num_hidden_layers"]


def run(pare, name, scene, method, target, steps, out):
    path = out / f"recovery.{name}.{method}.{target}.json"
    if not path.exists():
        output = out / "recovered"
        words = command(pare, scene, method, target, steps, output) if target else dense_command(pare, scene, steps, output)
        done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, check=True)
        path.write_bytes(done.stdout)
    return json.loads(path.read_text())


def cells(report, dense):
    """For every text: gap after pruning, gap after recovery, share that was closed, gap to the dense model trained alike."""
    for text, trained in zip(report["texts"], dense["texts"], strict=True):
        before = math.log(text["before"]["perplexity"])
        pruned = math.log(text["after"]["perplexity"]) - before
        alike = math.log(trained["after"]["perplexity"]) - before
        last = text.get("recovered")
        if last is None:
            yield "-", f"{pruned:+.3f}", "-", f"{pruned - alike:+.3f}"
            continue
        recovered = math.log(last["perplexity"]) - before
        yield f"{pruned:+.3f}", f"{recovered:+.3f}", f"{100 * (1 - recovered / pruned):.0f} %", f"{recovered - alike:+.3f}"


def table(title, reports, dense):
    lines = [f"### {title}", ""]
    for text in dense["texts"]:
        name, before, after = pathlib.Path(text["file"]).name, text["before"]["perplexity"], text["after"]["perplexity"]
        lines.append(f"{name}: dense {before:.2f}, dense and trained alike {after:.2f}.")
    columns = "".join(f" {pathlib.Path(t['file']).name}: pruned | recovered | closed | to dense, trained |" for t in dense["texts"])
    lines += ["", f"| method | target |{columns}", "|---|---|" + "---|" * (4 * len(dense["texts"]))]
    for (method, target), report in reports.items():
        row = [cell for cell_group in cells(report, dense) for cell in cell_group]
        lines.append(f"| {method} | {target} | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ["pare", "models", "data", "out"]:
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--scenes", nargs="+", choices=["stories260K-hf", "tiny-stories", "novels-8m", "novels-8m-novels"])
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    parts = []
    for name, scene in scenes(arguments.models, arguments.data, arguments.out).items():
        if arguments.scenes and name not in arguments.scenes:
            continue
        reports = {}
        for method in arguments.only:
            for target in METHODS[method][1]:
                reports[method, target] = run(arguments.pare, name, scene, method, target, arguments.steps, arguments.out)
        dense = run(arguments.pare, name, scene, "dense", "", arguments.steps, arguments.out)
        parts.append(table(scene[0], reports, dense))
    (arguments.out / "quality-recovery.md").write_text("\n".join(parts))
    print("\n".join(parts))


if __name__ == "__main__":
    main()
