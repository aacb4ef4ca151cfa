#!/usr/bin/env python3
"""Times a model's forward (with the loss) and its forward and backward in pare and in transformers on PyTorch, in turn.

    bench/compare_pytorch.py [--dtype fp32|bf16] [--threads 2] [--samples 10] [--length 128] [--pairs 5] [--build DIR] MODEL
    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 bench/compare_pytorch.py ... MODEL

The second line holds both to AVX2: pare and PyTorch's oneDNN heed the first variable, PyTorch's own kernels the second,
its MKL the third. Every pair is one run of each, one behind the other, with a large product of pare's before and after
its own run. Prints medians over the pairs: seconds of both, the ratio pair by pair (PyTorch's time by pare's, more than
1 is faster), and pare's rate as a share of that of the products beside it. Both use the same made-up ids.
Needs torch and transformers.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ("forward", "gradient")


class Pare:
    def __init__(self, options):
        environment = {"GOMP_SPINCOUNT": "1000", **os.environ, "OMP_NUM_THREADS": str(options.threads)}
        self.process = subprocess.Popen(
            [options.build / "bench" / "bench_pass", options.model, options.dtype, str(options.threads),
             str(options.samples), str(options.length)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.flops = dict(zip((*WORK, "product"), self.ask("flops")))

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("bench_pass ended early")
        return [float(value) for value in line.split()]

    def run(self, work):
        """Seconds, and the share of the products' rate."""
        before, seconds, after = (self.ask(word)[0] for word in ("product", work, "product"))
        rate = 2 * self.flops["product"] / (before + after)
        return seconds, self.flops[work] / seconds / rate


class PyTorch:
    def __init__(self, options):
        torch.set_num_threads(options.threads)
        dtype = torch.bfloat16 if options.dtype == "bf16" else torch.float32
        self.model = AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype)
        count = options.samples * options.length
        ids = torch.arange(count) * 7919 % self.model.config.vocab_size
        self.ids = ids.view(options.samples, options.length)

    def run(self, work):
        self.model.zero_grad()
        start = time.perf_counter()
        with torch.set_grad_enabled(work == "gradient"):
            loss = self.model(input_ids=self.ids, labels=self.ids, use_cache=False).loss
            if work == "gradient":
                loss.backward()
        return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--work", choices=WORK, action="append", help="only this; may be given twice")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release", help="a built release")
    parser.add_argument("model")
    options = parser.parse_args()
    ours, theirs = Pare(options), PyTorch(options)
    print(f"torch {torch.__version__}, {options.dtype}, {options.threads} threads, {options.samples} x {options.length} tokens, "
          f"{options.pairs} pairs")
    for work in options.work or WORK:
        ours.run(work), theirs.run(work)
        pairs = [(*ours.run(work), theirs.run(work)) for _ in range(options.pairs)]
        seconds, shares, others = (statistics.median(column) for column in zip(*pairs))
        ratio = statistics.median(other / own for own, _, other in pairs)
        print(f"{work}: pare {seconds:.2f} s, PyTorch {others:.2f} s, ratio {ratio:.2f}, "
              f"{shares:.2f} of the rate of products", flush=True)


main()
