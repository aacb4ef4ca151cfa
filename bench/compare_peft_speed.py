#!/usr/bin/env python3
"""LoRA recovery: how fast pare trains beside torch and peft, on the same examples.

usage: compare_peft_speed.py [--rows N] [--steps N] [--rank R] [--cutoff N] [--threads N] [--micro N...] [--keep] PARE ALPACA MODEL...

A step is over the first N rows of ALPACA, dropout .05. torch takes them in micro-batches of examples of like length, padded
to the longest of each (N of --micro, whichever is fastest: the most that grouping by length can save); pare as it does by
itself. Seconds are the median step of torch, and pare's whole training divided by its steps; bf16 is weights and autocast
in torch. --keep gives pare --keep-activations, as torch keeps all of its own. Tokens are those of the examples, padding left out.
Needs torch, transformers and peft.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import compare_peft
import torch
from compare_peft import one_batch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

MODULES = [f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")]


def micro_batches(batch, size):
    """The rows by length, `size` at a time, each cut to the longest of its batch."""
    lengths = batch["attention_mask"].sum(1)
    order = torch.argsort(lengths)
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        yield {name: values[rows, : lengths[rows].max()] for name, values in batch.items()}


def torch_step(net, parts, optimizer, weights, dtype):
    learnt = sum((part["labels"][:, 1:] >= 0).sum() for part in parts)
    for part in parts:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = net(**part).loss * (part["labels"][:, 1:] >= 0).sum() / learnt
        loss.backward()
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
    optimizer.zero_grad()


def torch_seconds(model, batch, dtype, options):
    config = LoraConfig(r=options.rank, lora_alpha=2 * options.rank, lora_dropout=0.05, target_modules=MODULES)
    net = get_peft_model(AutoModelForCausalLM.from_pretrained(model, dtype=dtype), config, autocast_adapter_dtype=True).train()
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-4, weight_decay=0.0)
    best = float("inf")
    for size in options.micro:
        parts, taken = list(micro_batches(batch, size)), []
        for _ in range(options.steps + 1):  # the first one warms up
            start = time.perf_counter()
            torch_step(net, parts, optimizer, weights, dtype)
            taken.append(time.perf_counter() - start)
        best = min(best, statistics.median(taken[1:]))
    return best


def pare_seconds(model, compute, options):
    with tempfile.TemporaryDirectory() as parent:
        words = [options.pare, "recover", model, "-o", f"{parent}/out", "--data", options.data, "--limit", options.rows, "--batch", options.rows,
                 "--val", 0, "--cutoff", options.cutoff, "--rank", options.rank, "--alpha", 2 * options.rank, "--steps", options.steps,
                 "--threads", options.threads, "--compute", compute, "--json", "--quiet"]
        words += ["--keep-activations"] if options.keep else []
        report = json.loads(subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE).stdout)
    return report["training_seconds"] / report["steps"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--cutoff", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--micro", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("pare")
    parser.add_argument("data")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"peft {compare_peft.peft.__version__}, torch {torch.__version__}, {options.threads} threads\n")
    print("| model | format | tokens of a step | torch + peft s | tokens/s | pare s | tokens/s | ratio |\n|" + " --- |" * 8)
    for model in options.models:
        batch = one_batch(model, options)
        tokens = batch["attention_mask"].sum().item()
        for compute, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            theirs, ours = torch_seconds(model, batch, dtype, options), pare_seconds(model, compute, options)
            print(f"| {model.name} | {compute} | {tokens} | {theirs:.2f} | {tokens / theirs:.0f} | {ours:.2f} | {tokens / ours:.0f} | "
                  f"{theirs / ours:.2f} |", flush=True)


if __name__ == "__main__":
    main()
