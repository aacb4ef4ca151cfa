#!/usr/bin/env python3
"""Loads what pare writes into transformers and compares the two, in fp32.

usage: compare_transformers.py [--method M] [--windows N] [--tokens N] PARE TEXT MODEL...
       compare_transformers.py --sparse [--windows N] [--tokens N] PARE TEXT MODEL...
       compare_transformers.py --pair [--windows N] [--tokens N] PARE TEXT DENSE SMALLER

PARE is the built program, TEXT a text to measure perplexity on, each MODEL a folder that pare can prune. Every model is
pruned at 25 % and at 50 % of all layers, on text it writes itself. Of each result the table says which kind it is
(heads that divide the hidden size: llama; others: mistral), which keys transformers found missing or had no use for,
how far its logits are from the dense model's with the removed units' weights at zero (both in transformers), both
programs' perplexity on the first N windows of 128 tokens, and whether both continue a prompt with the same text.

--sparse removes single weights instead: wanda at 50 %, sparsegpt at 2:4, and best-sparse at 50 % and at 2:4. The share of
zeros in the pruned matrices that transformers has loaded must be the one that pare reports, no group of four may hold
more than two others, every other tensor must equal the dense model's (but for the final norm, where the method fits
it); where nothing is refitted, logits are compared with the dense model's under the same zeros.

--pair compares two models that are there already, however the smaller one was made. Its pruning.json says what was
kept: of each layer of the dense model "query_heads_kept" and "ffn_channels_kept", or "dropped": true, and for the whole
model "hidden_channels_kept" where hidden channels went. Of models that were repaired, logits are not compared with the
dense model's: their weights are others.
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
SPARSE = (("wanda", "--sparsity", "0.5"), ("sparsegpt", "--pattern", "2:4"), ("best-sparse", "--sparsity", "0.5"),
          ("best-sparse", "--pattern", "2:4"))


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


def load(folder):
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    strangers = sum((sorted(info[key]) for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), [])
    return model.eval(), strangers


def keep(matrix, units, width, axis):
    """Zeroes all rows (axis 0) or columns (1) but those of the units."""
    mask = torch.zeros(matrix.shape[axis] // width)
    mask[units] = 1
    mask = mask.repeat_interleave(width)
    matrix.data *= mask[:, None] if axis == 0 else mask


def switch_off_units(model, layers):
    """Zeroes the input columns of the output and down projections that belong to removed units."""
    config = model.config.get_text_config()
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    for block, kept in zip(getattr(model.model, "language_model", model.model).layers, layers):
        if kept.get("dropped"):
            continue
        keep(block.self_attn.o_proj.weight, kept["query_heads_kept"], head, 1)
        keep(block.mlp.down_proj.weight, kept["ffn_channels_kept"], 1, 1)


def switch_off_hidden(model, channels):
    """The residual stream is zero in removed channels; the norms' means still run over all of them, so their weights
    are scaled by sqrt(share kept), and eps by the share."""
    share = len(channels) / model.config.hidden_size
    keep(model.model.embed_tokens.weight, channels, 1, 1)
    norms = [model.model.norm]
    for block in model.model.layers:
        keep(block.self_attn.o_proj.weight, channels, 1, 0)
        keep(block.mlp.down_proj.weight, channels, 1, 0)
        norms += [block.input_layernorm, block.post_attention_layernorm]
    for norm in norms:
        norm.weight.data *= math.sqrt(share)
        norm.variance_epsilon *= share
        mask = torch.zeros_like(norm.weight)
        mask[channels] = 1
        norm.weight.data *= mask


def drop_layers(model, layers):
    left = [block for block, kept in zip(model.model.layers, layers) if not kept.get("dropped")]
    for number, block in enumerate(left):
        block.self_attn.layer_idx = number
    model.model.layers = torch.nn.ModuleList(left)
    model.config.num_hidden_layers = len(left)


def switch_off(model, manifest):
    switch_off_units(model, manifest["layers"])
    if manifest.get("hidden_channels_kept") is not None:
        switch_off_hidden(model, manifest["hidden_channels_kept"])
    drop_layers(model, manifest["layers"])


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


def check_zeros(report, name, weight):
    """What is wrong with a pruned matrix, or None."""
    entry = next(entry for entry in report["sparsity"]["matrices"] if entry["name"] == name)
    zeros = int((weight == 0).sum())
    if zeros != entry["zeros"]:
        return f"{name}: {zeros} zeros, not {entry['zeros']}"
    if str(report["sparsity"]["target"]).startswith("2:4") and weight.shape[1] % 4 == 0:
        if (weight != 0).view(weight.shape[0], -1, 4).sum(2).max() > 2:
            return f"{name}: more than 2 of 4"
    return None


def check_sparse(folder, output, report):
    """Complaints about the tensors of the output, as transformers loads them."""
    dense, sparse = load(folder)[0].state_dict(), load(output)[0].state_dict()
    pruned = {entry["name"] for entry in report["sparsity"]["matrices"]}
    refitted = {"model.norm.weight"} if report["recipe"].get("final_norm") == "yes" else set()
    for name, weight in sparse.items():
        wrong = None
        if name in pruned:
            wrong = check_zeros(report, name, weight)
        elif name not in refitted and not torch.equal(weight, dense[name]):
            wrong = f"{name} has changed"
        if wrong:
            yield wrong


@torch.no_grad()
def switch_off_weights(model, output, report):
    sparse = load(output)[0].state_dict()
    own = model.state_dict()
    for entry in report["sparsity"]["matrices"]:
        own[entry["name"]] *= sparse[entry["name"]] != 0


def masked_distance(folder, output, model, manifest, ids):
    """From the dense model with the same units switched off; of repaired models nothing but pare itself knows."""
    if manifest["recipe"].get("compensate", "none") != "none":
        return "-"
    dense, _ = load(folder)
    if "sparsity" in manifest:
        switch_off_weights(dense, output, manifest)
    else:
        switch_off(dense, manifest)
    return f"{distance(model, dense, ids):.1e}"


def compare(options, folder, output, manifest):
    """The columns from "loaded as" on."""
    evaluation = json.loads(run(options.pare, "eval", output, "--text", options.text, "--window", WINDOW,
                                "--max-windows", options.windows, "--compute", "fp32", "--quiet", "--json"))
    written = run(options.pare, "generate", output, "--prompt", PROMPT, "--tokens", options.tokens, "--compute", "fp32")
    model, strangers = load(output)
    tokenizer = AutoTokenizer.from_pretrained(output)
    ids = stream_ids(tokenizer, options.text, options.windows)
    ours, theirs = evaluation["texts"][0]["perplexity"], perplexity(model, ids)
    same = written.strip() == continuation(model, tokenizer, options.tokens).strip()
    return (model.config.model_type, ", ".join(strangers) or "none", masked_distance(folder, output, model, manifest, ids),
            f"{ours:.4f}", f"{theirs:.4f}", f"{abs(ours / theirs - 1):.1e}", "same" if same else "DIFFERS")


def name_of(folder):
    return os.path.basename(os.path.normpath(folder))


def prune_and_compare(options, folder, ratio):
    with tempfile.TemporaryDirectory() as parent:
        output = os.path.join(parent, "smaller")
        report = json.loads(run(options.pare, "prune", folder, "-o", output, "--ratio", ratio, "--method",
                                options.method, "--compute", "fp32", "--quiet", "--json"))
        return (name_of(folder), f"{ratio:g}", report["output"]["kind"]) + compare(options, folder, output, report)


def prune_weights_and_compare(options, folder, way):
    method, target, amount = way
    with tempfile.TemporaryDirectory() as parent:
        output = os.path.join(parent, "sparse")
        report = json.loads(run(options.pare, "prune", folder, "-o", output, "--method", method, target, amount,
                                "--compute", "fp32", "--quiet", "--json"))
        columns = compare(options, folder, output, report)
        strange = ", ".join(filter(lambda text: text != "none", [columns[1], *check_sparse(folder, output, report)]))
        return (name_of(folder), f"{method} {amount}", report["output"]["kind"], columns[0], strange or "none",
                *columns[2:])


def compare_pair(options, folder, output):
    with open(os.path.join(output, "pruning.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    return (name_of(folder), name_of(output), "-") + compare(options, folder, output, manifest)


def rows_of(options):
    if options.pair:
        yield compare_pair(options, *options.models)
        return
    for folder in options.models:
        if options.sparse:
            yield from (prune_weights_and_compare(options, folder, way) for way in SPARSE)
            continue
        for ratio in (0.25, 0.5):
            yield prune_and_compare(options, folder, ratio)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--method", default="taylor")
    parser.add_argument("--sparse", action="store_true")
    parser.add_argument("--pair", action="store_true")
    parser.add_argument("--windows", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("pare")
    parser.add_argument("text")
    parser.add_argument("models", nargs="+")
    options = parser.parse_args()
    if options.pair and len(options.models) != 2:
        parser.error("--pair compares one DENSE model with one SMALLER one")
    titles = ("model", "ratio, method or folder", "written as", "loaded as", "strange keys or tensors", "logits apart", "pare", "transformers",
              "apart", "greedy text")
    print("| " + " | ".join(titles) + " |\n|" + " --- |" * len(titles))
    failed = False
    for row in rows_of(options):
        print("| " + " | ".join(row) + " |", flush=True)
        failed |= row[4] != "none" or row[9] != "same" or (row[5] != "-" and float(row[5]) > 1e-4) or float(row[8]) > 1e-4
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
