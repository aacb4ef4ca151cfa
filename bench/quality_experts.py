#!/usr/bin/env python3
"""What methods for whole experts leave of a model: quality_experts.py PARE MODEL TEXT [--seeds N] [--windows N] [--load].

TEXT is split at a line: methods are calibrated on the first 95 % (128 sequences of 128 tokens for all), and judged on
the last 5 %. For a quarter and a half of the experts, each method without a repair and with one: mean perplexity and
mean KL divergence over the seeds, which draw the calibration text, with the lowest and the highest perplexity, and the
gap to the dense model as a share of REAP's without a repair.

--load: also writes what the default makes of the model, and compares its perplexity with that of transformers (fp32;
needs torch and transformers)."""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile

METHODS = (("REAP", "reap"), ("frequency", "expert-frequency"), ("Taylor", "expert-taylor"), ("Moreau", "expert-moreau"),
           ("Moreau, group-sparse", "expert-moreau-gs"), ("OBS", "expert-obs"),
           ("merge", "expert-frequency", "--experts", "merge", "--router", "fit"), ("random", "random"))
RATIOS, WINDOW = (0.25, 0.5), 128


def run(*words):
    return json.loads(subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, text=True).stdout)


def split(text, folder):
    with open(text, encoding="utf-8") as f:
        whole = f.read()
    cut = whole.rindex("\n", 0, int(0.95 * len(whole))) + 1
    paths = [os.path.join(folder, name) for name in ("train.txt", "held.txt")]
    for path, part in zip(paths, (whole[:cut], whole[cut:])):
        with open(path, "w", encoding="utf-8") as f:
            f.write(part)
    return paths


def measure(given, paths, ratio, seed, words, out=None):
    where = ["-o", out] if out else ["--dry-run"]
    report = run(given.pare, "prune", given.model, *where, "--mode", "expert", "--ratio", ratio, "--calib", paths[0], "--samples", 128,
                 "--length", 128, "--calib-stream", "--text", paths[1], "--window", WINDOW,
                 "--max-windows", given.windows, "--seed", seed, "--compute", "fp32" if out else "auto", "--quiet", "--json", *words)
    text = report["texts"][0]
    return text["before"]["perplexity"], text["after"]["perplexity"], text["after"]["kl"]


def row(given, paths, ratio, name, words, reap):
    found = [measure(given, paths, ratio, seed, words) for seed in range(given.seeds)]
    dense, after = found[0][0], [f[1] for f in found]
    mean, kl = sum(after) / len(after), sum(f[2] for f in found) / len(found)
    gap = (mean - dense) / (reap - dense) if reap else 1.0
    print(f"| {name} | {ratio} | {mean:.2f} | {min(after):.2f} to {max(after):.2f} | {kl:.3f} | {gap:.2f} |", flush=True)
    return mean, dense


def perplexity_of(given, paths, out):
    """Of the model in `out`, by transformers. Windows as pare cuts them: BOS, and 127 tokens of the text."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    ids = AutoTokenizer.from_pretrained(out)(open(paths[1], encoding="utf-8").read(), add_special_tokens=False)["input_ids"]
    stream = torch.tensor([model.config.bos_token_id] + ids)
    rows = stream[:given.windows * WINDOW].view(-1, WINDOW)
    total = count = 0
    with torch.no_grad():
        for part in rows.split(50):
            logits = model(part).logits[:, :-1].flatten(0, 1)
            total += torch.nn.functional.cross_entropy(logits, part[:, 1:].flatten(), reduction="sum").item()
            count += part[:, 1:].numel()
    return math.exp(total / count)


def loads(given, paths, folder):
    out = os.path.join(folder, "out")
    _, ours, _ = measure(given, paths, 0.5, 0, (), out)
    print(f"\nwritten by the default at 0.5: perplexity by pare {ours:.6f}, by transformers {perplexity_of(given, paths, out):.6f}")


def arguments(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pare")
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--windows", type=int, default=150)
    parser.add_argument("--load", action="store_true")
    return parser.parse_args()


def main():
    given = arguments(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        paths = split(given.text, folder)
        print("| experts | ratio | perplexity | range | KL | gap |\n|---|---|---|---|---|---|")
        for ratio in RATIOS:
            reap = None
            for repair in ((), ("--compensate", "ls")):
                for name, method, *more in METHODS:
                    label = name + (", repaired" if repair else "")
                    mean, dense = row(given, paths, ratio, label, ("--method", method, *more, *repair), reap)
                    reap = reap or mean
            row(given, paths, ratio, "the default", (), reap)
        print(f"\ndense: {dense:.2f}")
        if given.load:
            loads(given, paths, folder)


if __name__ == "__main__":
    sys.exit(main())
