#!/usr/bin/env python3
"""Times forward and backward of LLaMA-7B-shaped blocks in PyTorch on the CPU, to hold against `pare bench --shape 7b`.

    bench/pytorch_block.py [--layers 1] [--samples 10] [--length 128] [--dtype bfloat16] [--threads 2] [--repeats 3]

Needs torch and transformers.
"""
import argparse
import statistics
import time

import torch
from transformers import LlamaConfig, LlamaModel


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    config = LlamaConfig(hidden_size=4096, intermediate_size=11008, num_attention_heads=32, num_key_value_heads=32,
                         num_hidden_layers=a.layers, vocab_size=1024)
    model = LlamaModel(config).to(getattr(torch, a.dtype))
    ids = torch.arange(a.samples * a.length).reshape(a.samples, a.length) * 7919 % 1024
    forward, both = [], []
    for repeat in range(a.repeats + 1):
        model.zero_grad()
        start = time.perf_counter()
        out = model(input_ids=ids, use_cache=False).last_hidden_state
        middle = time.perf_counter()
        out.float().square().mean().backward()
        if repeat:
            forward.append(middle - start)
            both.append(time.perf_counter() - start)
    print(f"torch {torch.__version__}, {a.dtype}, {a.threads} threads, {a.layers} block(s), {a.samples} x {a.length} tokens")
    print(f"forward {statistics.median(forward):.3f} s, forward + backward {statistics.median(both):.3f} s")


main()
