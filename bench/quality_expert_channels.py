#!/usr/bin/env python3
"""What is left of a mixture of experts without some channels of every expert, beside one without as much of whole experts:
quality_expert_channels.py PARE MODEL TEXT [--seeds N] [--windows N] [--load].

TEXT is split and used as quality_experts.py does it. For a quarter and a half of the channels of every expert (no heads
go), and of the experts: parameters that are left, mean perplexity and mean KL divergence over the seeds, with the lowest
and the highest perplexity.

--load: also writes what obs makes of the model at a half, and compares its perplexity with that of transformers (fp32;
needs torch and transformers)."""
import os
import sys
import tempfile

from quality_experts import RATIOS, WINDOW, arguments, perplexity_of, run, split

CHANNELS = ("--attention-layers", "none", "--method")
METHODS = (("channels, magnitude", *CHANNELS, "magnitude-l2"), ("channels, wanda-structured", *CHANNELS, "wanda-structured"),
           ("channels, taylor", *CHANNELS, "taylor"), ("channels, random", *CHANNELS, "random"),
           ("channels, magnitude, refitted", *CHANNELS, "magnitude-l2", "--compensate", "ls"),
           ("channels, wanda-structured, refitted", *CHANNELS, "wanda-structured", "--compensate", "ls"),
           ("channels, taylor, refitted", *CHANNELS, "taylor", "--compensate", "ls"),
           ("channels, obs", *CHANNELS, "obs"), ("channels, best", *CHANNELS, "best"),
           ("experts, reap", "--mode", "expert", "--method", "reap"), ("experts, best-experts", "--mode", "expert"))


def measure(given, paths, ratio, seed, words, out=None):
    where = ["-o", out] if out else ["--dry-run"]
    report = run(given.pare, "prune", given.model, *where, "--ratio", ratio, "--calib", paths[0], "--samples", 128, "--length", 128, "--calib-stream",
                 "--text", paths[1], "--window", WINDOW, "--max-windows", given.windows, "--seed", seed, "--compute", "fp32" if out else "auto",
                 "--quiet", "--json", *words)
    text = report["texts"][0]
    return report["parameters"]["after"], text["before"]["perplexity"], text["after"]["perplexity"], text["after"]["kl"]


def row(given, paths, ratio, name, words):
    found = [measure(given, paths, ratio, seed, words) for seed in range(given.seeds)]
    after, kl = [f[2] for f in found], sum(f[3] for f in found) / len(found)
    print(f"| {name} | {ratio} | {found[0][0]:,} | {sum(after) / len(after):.2f} | {min(after):.2f} to {max(after):.2f} | {kl:.3f} |", flush=True)
    return found[0][1]


def main():
    given = arguments(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        paths = split(given.text, folder)
        print("| what goes | ratio | parameters | perplexity | range | KL |\n|---|---|---|---|---|---|")
        for ratio in RATIOS:
            for name, *words in METHODS:
                dense = row(given, paths, ratio, name, words)
        print(f"\ndense: {dense:.2f}")
        if given.load:
            out = os.path.join(folder, "out")
            _, _, ours, _ = measure(given, paths, 0.5, 0, (*CHANNELS, "obs"), out)
            print(f"\nwritten by obs at 0.5: perplexity by pare {ours:.6f}, by transformers {perplexity_of(given, paths, out):.6f}")


if __name__ == "__main__":
    sys.exit(main())
