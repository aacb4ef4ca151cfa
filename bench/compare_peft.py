#!/usr/bin/env python3
"""LoRA recovery: pare beside torch and peft, step by step on the same examples.

usage: compare_peft.py [--rows N] [--steps N] [--rate R] [--rank R] [--cutoff N] [--threads N] PARE ALPACA MODEL...

The first N rows of ALPACA (a JSON list of instruction, input and output) that have an answer within the cutoff are one
batch, so every step is over all of them. torch begins from the factors that pare writes before its first real step,
tokenises and masks the rows by itself, pads them, and runs torch's AdamW, its clipping and transformers' linear
schedule; pare puts several rows into one sequence. The first table compares every step, both in fp32: losses, learning
rates, gradient norms before clipping, and the factors at the end (distance over how far training moved them). The
second has the losses in bf16 (torch: bf16 weights and autocast), each against torch's fp32 ones. The third loads pare's
adapter folder into peft and compares logits and weights with the merged model that pare wrote of the same run, as
transformers loads it; "rounded" is peft's own merge, rounded to the model's dtype.
Needs torch, transformers and peft.
"""
import argparse
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from peft import PeftModel  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, get_linear_schedule_with_warmup, logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()
BEGIN = "Below is an instruction that describes a task"
WITH_INPUT = BEGIN + (", paired with an input that provides further context. Write a response that appropriately completes the request.\n\n"
                      "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n")
WITHOUT_INPUT = BEGIN + (". Write a response that appropriately completes the request.\n\n"
                         "### Instruction:\n{instruction}\n\n### Response:\n")


def recover(options, model, output, *more, **settings):
    """Runs `pare recover` and returns the columns of its loss curve."""
    settings = {"steps": options.steps, "rate": options.rate, "warmup": options.warmup, "compute": "fp32"} | settings
    words = [options.pare, "recover", model, "-o", output, "--data", options.data, "--limit", options.rows, "--batch", options.rows,
             "--val", 0, "--cutoff", options.cutoff, "--rank", options.rank, "--alpha", 2 * options.rank, "--dropout", 0,
             "--threads", options.threads, "--curve", f"{output}-loss", "--quiet", *more]
    for name, value in settings.items():
        words += [f"--{name}", value]
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)
    with open(f"{output}-loss.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in ("loss", "rate", "norm", "tokens")}


def example(tokenizer, row, cutoff):
    """(ids, labels) as published: the prompt's own number of tokens is masked, EOS goes behind what has room for it."""
    prompt = (WITH_INPUT if row.get("input") else WITHOUT_INPUT).format_map(row)
    ids = tokenizer(prompt + row["output"])["input_ids"][:cutoff]
    if len(ids) < cutoff and ids[-1] != tokenizer.eos_token_id:
        ids.append(tokenizer.eos_token_id)
    masked = min(len(tokenizer(prompt)["input_ids"]), len(ids))
    return ids, [-100] * masked + ids[masked:]


def one_batch(model, options):
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = json.loads(pathlib.Path(options.data).read_text(encoding="utf-8"))[: options.rows]
    examples = [example(tokenizer, row, options.cutoff) for row in rows if row["output"]]
    examples = [pair for pair in examples if any(label >= 0 for label in pair[1])]
    longest = max(len(ids) for ids, _ in examples)
    filled = [(ids + [0] * (longest - len(ids)), labels + [-100] * (longest - len(ids)), [1] * len(ids) + [0] * (longest - len(ids)))
              for ids, labels in examples]
    ids, labels, mask = (torch.tensor(column) for column in zip(*filled))
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def load(model, adapter=None, dtype=torch.float32):
    base = AutoModelForCausalLM.from_pretrained(model, dtype=dtype)
    return base if adapter is None else PeftModel.from_pretrained(base, adapter, is_trainable=True, autocast_adapter_dtype=True)


def factors(folder):
    """The tensors of an adapter folder, one after the other, by A and B."""
    tensors = peft.utils.load_peft_weights(str(folder), device="cpu")
    return {kind: torch.cat([tensors[name].double().flatten() for name in sorted(tensors) if kind in name]) for kind in ("lora_A", "lora_B")}


def train(model, start, batch, options, dtype=torch.float32):
    """The same curve by torch and peft, and the model at its end."""
    net = load(model, start, dtype).train()
    named = {name: weight for name, weight in net.named_parameters() if weight.requires_grad}
    weights = list(named.values())
    for name, weight in named.items():
        if "lora_B" in name:  # one step of 1e-12 was taken
            weight.data.zero_()
    optimizer = torch.optim.AdamW(weights, lr=options.rate, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, options.warmup, options.steps)
    curve = {"loss": [], "rate": [], "norm": [], "tokens": []}
    for _ in range(options.steps):
        curve["rate"].append(schedule.get_last_lr()[0])
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = net(**batch).loss
        loss.backward()
        curve["norm"].append(torch.nn.utils.clip_grad_norm_(weights, 1.0).item())
        curve["loss"].append(loss.item())
        curve["tokens"].append(batch["attention_mask"].sum().item())
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return curve, net


def apart(ours, theirs):
    return max(abs(a - b) for a, b in zip(ours, theirs, strict=True))


def relative(ours, theirs):
    return max(abs(a - b) / max(abs(b), 1e-30) for a, b in zip(ours, theirs, strict=True))


def compare_fp32(ours, theirs, folders):
    start, end, reference = (factors(folder) for folder in folders)
    moved = [((end[kind] - reference[kind]).norm() / (reference[kind] - start[kind]).norm()).item() for kind in end]
    row = (f"{ours['loss'][0]:.6f} → {ours['loss'][-1]:.6f}", f"{theirs['loss'][0]:.6f} → {theirs['loss'][-1]:.6f}",
           f"{apart(ours['loss'], theirs['loss']):.1e}", f"{apart(ours['rate'], theirs['rate']):.1e}",
           f"{relative(ours['norm'], theirs['norm']):.1e}", *(f"{distance:.1e}" for distance in moved),
           "same" if ours["tokens"] == theirs["tokens"] else f"{ours['tokens'][0]:.0f} and {theirs['tokens'][0]:.0f}")
    same = ours["tokens"] == theirs["tokens"] and relative(ours["rate"], theirs["rate"]) < 1e-6
    return row, same and apart(ours["loss"], theirs["loss"]) < 1e-4


@torch.no_grad()
def compare_written(model, adapter, merged, batch):
    """Largest distances, as shares of the largest value, between peft's reading of the adapter and the merged model."""
    def logits(net):
        return net.eval()(batch["input_ids"], attention_mask=batch["attention_mask"]).logits[batch["attention_mask"] > 0]

    ours = load(merged)
    dtype = AutoModelForCausalLM.from_pretrained(model, dtype="auto").dtype
    beside, rounded = load(model, adapter), load(model, adapter).merge_and_unload()
    for weight in rounded.parameters():  # not the buffers: rotary frequencies stay fp32
        weight.data = weight.data.to(dtype).float()
    scale = logits(ours).abs().max()
    distances = [((logits(ours) - logits(net)).abs().max() / scale).item() for net in (beside, rounded)]
    theirs = rounded.state_dict()
    pairs = [(weight, theirs[name]) for name, weight in ours.state_dict().items() if "_proj" in name]
    differ = sum((a != b).sum().item() for a, b in pairs) / sum(a.numel() for a, _ in pairs)
    worst = max(((a - b).abs().max() / b.abs().max()).item() for a, b in pairs)
    return (str(dtype).removeprefix("torch."), *(f"{value:.1e}" for value in distances), f"{differ:.2%}", f"{worst:.1e}"), distances[1] < 1e-2


def compare(model, options, parent):
    batch = one_batch(model, options)
    start, end, merged, reference, rough = (os.path.join(parent, name) for name in ("start", "end", "merged", "torch", "bf16"))
    recover(options, model, start, "--adapter", steps=1, rate=1e-12, warmup=0)
    ours = recover(options, model, end, "--adapter")
    recover(options, model, merged)
    theirs, net = train(model, start, batch, options)
    net.save_pretrained(reference)
    exact, good = compare_fp32(ours, theirs, (start, end, reference))
    ours_rough = recover(options, model, rough, "--adapter", compute="bf16")
    theirs_rough, _ = train(model, start, batch, options, torch.bfloat16)
    losses = [curve["loss"] for curve in (ours_rough, theirs_rough)]
    rough_row = (*(f"{curve[-1]:.6f}" for curve in losses), *(f"{apart(curve, theirs['loss']):.1e}" for curve in losses), f"{apart(*losses):.1e}")
    written, fine = compare_written(model, end, merged, batch)
    return (exact, rough_row, written), good and fine


TABLES = (
    ("loss of pare, fp32", "of torch + peft", "losses apart", "rates apart", "gradient norms apart", "A apart", "B apart", "tokens"),
    ("last loss of pare, bf16", "of torch + peft, bf16", "pare to torch fp32", "torch bf16 to fp32", "pare to torch bf16"),
    ("dtype", "logits: merged to peft's", "to peft's, rounded", "weights not the same", "weights apart"),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--cutoff", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("pare")
    parser.add_argument("data")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"peft {peft.__version__}, torch {torch.__version__}, transformers {transformers.__version__}; {options.steps} steps")
    results, failed = [], False
    for model in options.models:
        with tempfile.TemporaryDirectory() as parent:
            rows, good = compare(model, options, parent)
        results.append((model.name, rows))
        failed |= not good
    for number, titles in enumerate(TABLES):
        print("\n| model | " + " | ".join(titles) + " |\n|" + " --- |" * (len(titles) + 1))
        for name, rows in results:
            print(f"| {name} | " + " | ".join(rows[number]) + " |")
    return failed


if __name__ == "__main__":
    sys.exit(main())
