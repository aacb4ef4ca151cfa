#!/usr/bin/env python3
"""Loads what pare prune --remote-code writes of layers that differ in width into transformers, and compares the two in fp32.

usage: compare_remote_code.py [--text TEXT] [--tokens N] [--scratch DIR] PARE MODEL...

Every MODEL is pruned at 50 % in its layer 1 (--method random, which needs no calibration); heads stay where its class ties
them to the hidden size, and a model that pare does not prune that way is left out with its reason. Of a LLaMA the FFN alone is
pruned twice more, with all heads and behind even ones, whose config.json is vLLM's DeciLMForCausalLM's. The table says which class transformers made, which keys it
found missing or had no use for, both programs' loss on 256 drawn ids (or on the first 20 windows of TEXT), how far apart the logits are from the dense model's
with the removed units' weights at zero (where its modules are called as a LLaMA's and that version reads them), whether 40 tokens are the same with and without a
cache of keys and values and, with TEXT, the same as pare's, whether save_pretrained and from_pretrained bring back the same logits, and how
transformers fails without trust_remote_code, and whether vLLM's class, by its source, would make the same shapes. Models that read pictures are compared on the pictures of TEXT.
Needs torch and transformers (4.57 or 5), for pictures Pillow."""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
import torch  # noqa: E402
import transformers  # noqa: E402

import compare_transformers as stock  # noqa: E402

WINDOW, IDS, WINDOWS = 128, 256, 20
NORMED_TOGETHER = ("olmo2", "olmo3")  # over all heads: fewer of them compute something else


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True)


def read_json(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as file:
        return json.load(file)


def prune(options, folder, output, *ways):
    common = (options.pare, "prune", folder, "-o", output, "--remote-code", "--method", "random", "--layers", "1:2", "--ratio", 0.5,
              "--compute", "fp32", "--force", "--no-report", "--quiet")
    for way in ways:
        done = run(*common, *way)
        if done.returncode == 0:
            return None
    return done.stderr.strip().split("\n")[-1]


def text_part(config):
    """Of a model of text and pictures, what describes its language model."""
    return config.get("text_config", config)


def automatic(config):
    for name in ("AutoModelForImageClassification", "AutoModelForImageTextToText"):
        if name in config["auto_map"]:
            return getattr(transformers, name)
    return transformers.AutoModelForCausalLM


def load(kind, folder, trusted=True):
    model, info = kind.from_pretrained(folder, trust_remote_code=trusted, dtype=torch.float32, output_loading_info=True)
    model.set_attn_implementation("eager")  # where both versions add up in one order
    strangers = sum((sorted(info[key]) for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), [])
    return model.eval(), ", ".join(strangers) or "none"


def refusal(kind, folder):
    try:
        load(kind, folder, trusted=False)
    except Exception as error:
        return type(error).__name__
    return "LOADED"


@torch.no_grad()
def masked_distance(kind, folder, output, model, inputs):
    whole = read_json(folder, "config.json")
    config = text_part(whole)
    if config is not whole and transformers.__version__ < "5":  # which reads other ties, and other names, there
        return None
    later = "rope_parameters" in config and "rope_theta" not in config  # transformers 4 reads other positions from it
    if config["model_type"] in NORMED_TOGETHER or (later and transformers.__version__ < "5"):
        return None
    try:
        dense = kind.from_pretrained(folder, dtype=torch.float32)
        dense.set_attn_implementation("eager")
        stock.switch_off_units(dense.eval(), read_json(output, "pruning.json")["layers"])
    except (AttributeError, ValueError):  # modules of other names, or a class that this version has not
        return None
    return (model(**inputs).logits - dense(**inputs).logits).abs().max().item()


def vllm_shapes(config, layer):
    """Rows of q_proj, k_proj and up_proj in DeciLMDecoderLayer of vLLM, by its source."""
    block, heads = config.block_configs[layer], config.num_attention_heads
    assert not block.attention.no_op and not block.ffn.no_op
    if hasattr(block.ffn, "ffn_mult"):
        width = int(2 * block.ffn.ffn_mult * config.hidden_size / 3)
        width += -width % 256
    else:
        width = block.ffn.intermediate_size
    return heads * config.head_dim, heads // block.attention.n_heads_in_group * config.head_dim, width


def is_as_vllm_reads(model):
    if model.config.model_type != "nemotron-nas":
        return None
    return all((layer.self_attn.q_proj.out_features, layer.self_attn.k_proj.out_features, layer.mlp.up_proj.out_features)
               == vllm_shapes(model.config, i) for i, layer in enumerate(model.model.layers))


def own_loss(options, output, source, *more):
    report = json.loads(run(options.pare, "eval", output, *source, *more, "--compute", "fp32", "--quiet", "--json").stdout)
    return report["images"]["loss"] if "images" in report else report["texts"][0]["nll"]


@torch.no_grad()
def mean_loss(model, windows):
    return sum(model(row[None], labels=row[None]).loss.item() for row in windows) / len(windows)


@torch.no_grad()
def texts_of(options, output, model, windows):
    """ids alike with and without a cache; the text like pare's, or None."""
    prompt = windows[:1, :16]
    if options.text:
        tokenizer = transformers.AutoTokenizer.from_pretrained(output, trust_remote_code=True)
        prompt = torch.tensor([tokenizer(stock.PROMPT)["input_ids"]])
    cached, fresh = (model.generate(prompt, do_sample=False, max_new_tokens=options.tokens, pad_token_id=0, use_cache=cache)
                     for cache in (True, False))
    if not options.text:
        return torch.equal(cached, fresh), None
    written = run(options.pare, "generate", output, "--prompt", stock.PROMPT, "--tokens", options.tokens, "--compute", "fp32").stdout
    return torch.equal(cached, fresh), written.strip() == tokenizer.decode(cached[0], skip_special_tokens=True).strip()


def windows_of(options, output, config):
    """[count, length] ids, and how pare is given them."""
    if options.text:
        tokenizer = transformers.AutoTokenizer.from_pretrained(output, trust_remote_code=True)
        return stock.stream_ids(tokenizer, options.text, WINDOWS), (
            "--text", options.text, "--window", WINDOW, "--max-windows", WINDOWS)
    draw = random.Random(1)
    ids = [draw.randrange(3, text_part(config)["vocab_size"]) for _ in range(IDS)]
    path = os.path.join(options.scratch, "ids.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump([ids], file)
    return torch.tensor(ids).view(-1, WINDOW // 2), ("--text", path, "--window", WINDOW // 2)


def pictures_of(options, output, model):
    """pixels and labels, and how pare is given them."""
    import compare_vit as vision  # which needs Pillow

    files = vision.folder_files(options.text)
    processor = transformers.AutoImageProcessor.from_pretrained(output, trust_remote_code=True)
    pixels = torch.cat([vision.pixels_of(file, processor, model.config.num_channels) for file, _ in files])
    names = sorted({name for _, name in files})
    return pixels, torch.tensor([names.index(name) for _, name in files]), ("--images", options.text)


def round_trip(kind, options, model, inputs, logits):
    again = os.path.join(options.scratch, "again")
    model.save_pretrained(again)
    with torch.no_grad():
        return (load(kind, again)[0](**inputs).logits - logits).abs().max().item() < 1e-4


def compare(options, folder, output):
    config = read_json(output, "config.json")
    kind = automatic(config)
    model, strangers = load(kind, output)
    if kind is transformers.AutoModelForImageClassification:
        pixels, labels, source = pictures_of(options, output, model)
        inputs, ours = {"pixel_values": pixels}, own_loss(options, output, source)
        with torch.no_grad():
            theirs = torch.nn.functional.cross_entropy(model(**inputs).logits, labels).item()
        apart, same, text = None, None, None
    else:
        windows, source = windows_of(options, output, config)
        inputs, ours, theirs = {"input_ids": windows[:2]}, own_loss(options, output, source), mean_loss(model, windows)
        apart = masked_distance(kind, folder, output, model, inputs)
        same, text = texts_of(options, output, model, windows)
    with torch.no_grad():
        logits = model(**inputs).logits
    return {"class": type(model).__name__, "strange keys": strangers, "pare": ours, "transformers": theirs, "loss apart": abs(ours - theirs),
            "logits apart": apart, "cache": same, "text": text, "round trip": round_trip(kind, options, model, inputs, logits),
            "untrusted": refusal(kind, output), "shapes in vLLM": is_as_vllm_reads(model)}


def is_wrong(row):
    unlike = any(row[key] is False for key in ("cache", "text", "round trip", "shapes in vLLM"))
    far = row["loss apart"] > 1e-4 or (row["logits apart"] or 0) > 1e-3
    return unlike or far or row["strange keys"] != "none" or row["untrusted"] == "LOADED"


def show(value):
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "same" if value else "DIFFERS"
    return (f"{value:.1e}" if value < 1e-2 else f"{value:.6f}") if isinstance(value, float) else str(value)


def rows_of(options, folder):
    output = os.path.join(options.scratch, "smaller")
    reason = prune(options, folder, output, (), ("--attention-layers", "none"))
    if reason:
        print(f"{folder}: {reason}", file=sys.stderr)
        return
    yield compare(options, folder, output)
    if read_json(folder, "config.json")["model_type"] == "llama":
        prune(options, folder, output, ("--attention-layers", "none"))
        yield compare(options, folder, output)
        even = os.path.join(options.scratch, "even")
        run(options.pare, "prune", folder, "-o", even, "--method", "random", "--ratio", 0.25, "--force", "--no-report", "--quiet")
        prune(options, even, output, ("--attention-layers", "none"))
        yield compare(options, even, output)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text")
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--scratch")
    parser.add_argument("pare")
    parser.add_argument("models", nargs="+")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    failed, titles = False, None
    with tempfile.TemporaryDirectory(dir=options.scratch) as options.scratch:
        for folder in options.models:
            for row in rows_of(options, folder):
                if not titles:
                    titles = list(row)
                    print("| model | " + " | ".join(titles) + " |\n|" + " --- |" * (len(titles) + 1))
                print("| " + " | ".join([stock.name_of(folder), *map(show, row.values())]) + " |", flush=True)
                failed |= is_wrong(row)
    return failed


if __name__ == "__main__":
    sys.exit(main())
