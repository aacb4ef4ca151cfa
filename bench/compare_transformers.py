#!/usr/bin/env python3
"""Loads what pare writes into transformers and compares the two, in fp32.

usage: compare_transformers.py [--method M] [--windows N] [--tokens N] PARE TEXT MODEL...

PARE is the built program, TEXT a text to measure perplexity on, each MODEL a folder that pare can prune. Every model is
pruned at 25 % and at 50 % of all layers, on text it writes itself. Of each result the table says which kind it is
(heads that divide the hidden size: llama; others: mistral), which keys transformers found missing or had no use for,
how far its logits are from the dense model's with the removed units' weights at zero (both in transformers), both
programs' perplexity on the first N windows of 128 tokens, and whether both continue a prompt with the same text.
Needs torch and transformers.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()
WINDOW = 128
PROMPT = "Once upon a time"


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def load(folder):
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    strangers = sum((sorted(info[key]) for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), [])
    return model.eval(), strangers


def switch_off(model, layers):
    """Zeroes the input columns of the output and down projections that belong to removed units."""
    config = model.config
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    for block, kept in zip(model.model.layers, layers):
        for matrix, units, width in (
            (block.self_attn.o_proj.weight, kept["query_heads_kept"], head),
            (block.mlp.down_proj.weight, kept["ffn_channels_kept"], 1),
        ):
            mask = torch.zeros(matrix.shape[1] // width)
            mask[units] = 1
            matrix.data *= mask.repeat_interleave(width)


def stream_ids(tokenizer, path, windows):
    with open(path, encoding="utf-8", newline="") as file:
        ids = tokenizer(file.read())["input_ids"]
    count = min(windows, len(ids) // WINDOW)
    return torch.tensor(ids[: count * WINDOW]).view(count, WINDOW)


@torch.no_grad()
def perplexity(model, ids):
    total = 0.0
    for window in ids:
        logits = model(window[None]).logits[0, :-1].double()
        total += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
    return math.exp(total / (ids.shape[0] * (WINDOW - 1)))


@torch.no_grad()
def distance(model, other, ids):
    """Largest difference of the logits over the first windows, as a share of the largest one."""
    a, b = model(ids[:4]).logits, other(ids[:4]).logits
    return ((a - b).abs().max() / b.abs().max()).item()


@torch.no_grad()
def continuation(model, tokenizer, tokens):
    ids = torch.tensor([tokenizer(PROMPT)["input_ids"]])
    out = model.generate(ids, do_sample=False, max_new_tokens=tokens, pad_token_id=0)
    return tokenizer.decode(out[0], skip_special_tokens=True)


def compare(options, folder, ratio, output):
    report = json.loads(run(options.pare, "prune", folder, "-o", output, "--ratio", ratio, "--method", options.method,
                            "--compute", "fp32", "--quiet", "--json"))
    evaluation = json.loads(run(options.pare, "eval", output, "--text", options.text, "--window", WINDOW,
                                "--max-windows", options.windows, "--compute", "fp32", "--quiet", "--json"))
    written = run(options.pare, "generate", output, "--prompt", PROMPT, "--tokens", options.tokens, "--compute", "fp32")
    model, strangers = load(output)
    dense, _ = load(folder)
    switch_off(dense, report["layers"])
    tokenizer = AutoTokenizer.from_pretrained(output)
    ids = stream_ids(tokenizer, options.text, options.windows)
    ours, theirs = evaluation["texts"][0]["perplexity"], perplexity(model, ids)
    same = written.strip() == continuation(model, tokenizer, options.tokens).strip()
    return (os.path.basename(os.path.normpath(folder)), f"{ratio:g}", report["output"]["kind"], model.config.model_type,
            ", ".join(strangers) or "none", f"{distance(model, dense, ids):.1e}", f"{ours:.4f}", f"{theirs:.4f}",
            f"{abs(ours / theirs - 1):.1e}", "same" if same else "DIFFERS")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--method", default="taylor")
    parser.add_argument("--windows", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("pare")
    parser.add_argument("text")
    parser.add_argument("models", nargs="+")
    options = parser.parse_args()
    titles = ("model", "ratio", "written as", "loaded as", "strange keys", "logits apart", "pare", "transformers",
              "apart", "greedy text")
    print("| " + " | ".join(titles) + " |\n|" + " --- |" * len(titles))
    failed = False
    for folder in options.models:
        for ratio in (0.25, 0.5):
            with tempfile.TemporaryDirectory() as parent:
                row = compare(options, folder, ratio, os.path.join(parent, "smaller"))
            print("| " + " | ".join(row) + " |", flush=True)
            failed |= row[4] != "none" or row[9] != "same" or float(row[5]) > 1e-4 or float(row[8]) > 1e-4
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
