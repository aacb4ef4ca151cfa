"""One and the same LLaMA, rewritten exactly as other families: does pare make the same of all of them?

    python3 bench/compare_rewritten.py PARE LLAMA TEXT SCRATCH [RATIO...]

Writes the folder LLAMA (any LLaMA without biases whose embedding is tied) as Qwen2 (with biases of zero), Phi-3 (q|k|v and gate|up as one
tensor), SmolLM3 (rotation in all layers), Granite (multipliers that are those of a LLaMA), Seed-OSS and ERNIE 4.5 (rows of queries and keys in
the other order of rotation) into SCRATCH, measures perplexity on the first 20 windows of 128 tokens of TEXT, prunes with taylor at each RATIO
(0.2, 0.4) and measures again, all in fp32. Prints a table: perplexities, whether the same units are kept, and the class that holds the result.
Needs numpy, torch and safetensors."""
import json
import os
import shutil
import subprocess
import sys

import torch
from safetensors.torch import load_file, save_file

LLAMA_KEYS = ("attention_bias", "mlp_bias")


def layers(config):
    return range(config["num_hidden_layers"])


def qwen2(config, tensors):
    head = config["head_dim"]
    for i in layers(config):
        for name, heads in (("q", "num_attention_heads"), ("k", "num_key_value_heads"), ("v", "num_key_value_heads")):
            tensors[f"model.layers.{i}.self_attn.{name}_proj.bias"] = torch.zeros(config[heads] * head, dtype=torch.bfloat16)
    return {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}


def phi3(config, tensors):
    for i in layers(config):
        for whole, parts in (("self_attn.qkv_proj", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
                             ("mlp.gate_up_proj", ("mlp.gate_proj", "mlp.up_proj"))):
            rows = [tensors.pop(f"model.layers.{i}.{part}.weight") for part in parts]
            tensors[f"model.layers.{i}.{whole}.weight"] = torch.cat(rows)
    return {"model_type": "phi3", "architectures": ["Phi3ForCausalLM"], "original_max_position_embeddings": config["max_position_embeddings"]}


def smollm3(config, tensors):
    return {"model_type": "smollm3", "architectures": ["SmolLM3ForCausalLM"], "no_rope_layers": [1 for _ in layers(config)]}


def granite(config, tensors):
    return {"model_type": "granite", "architectures": ["GraniteForCausalLM"], "embedding_multiplier": 1.0, "residual_multiplier": 1.0,
            "attention_multiplier": config["head_dim"] ** -0.5, "logits_scaling": 1.0}


def seed_oss(config, tensors):
    return {"model_type": "seed_oss", "architectures": ["SeedOssForCausalLM"], "attention_bias": False, "attention_out_bias": False}


def ernie(config, tensors):
    head = config["head_dim"]
    order = torch.arange(head).reshape(2, head // 2).T.reshape(-1)  # (i, i + half) to (2i, 2i + 1)
    for i in layers(config):
        for name in "qk":
            key = f"model.layers.{i}.self_attn.{name}_proj.weight"
            tensors[key] = tensors[key].unflatten(0, (-1, head))[:, order].flatten(0, 1).contiguous()
    return {"model_type": "ernie4_5", "architectures": ["Ernie4_5ForCausalLM"], "use_bias": False}


FAMILIES = {"qwen2": qwen2, "phi3": phi3, "smollm3": smollm3, "granite": granite, "seed_oss": seed_oss, "ernie4_5": ernie}


def rewrite(llama, folder, family):
    with open(os.path.join(llama, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    tensors = load_file(os.path.join(llama, "model.safetensors"))
    changes = FAMILIES[family](config, tensors)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump({**{k: v for k, v in config.items() if k not in LLAMA_KEYS}, **changes}, f, indent=1)
    save_file(tensors, os.path.join(folder, "model.safetensors"), {"format": "pt"})
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(os.path.join(llama, name), folder)


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}:\n{done.stderr}")
    return json.loads(done.stdout)


def find(document, key):
    """The first number under this key."""
    stack = [document]
    while stack:
        at = stack.pop(0)
        if isinstance(at, dict):
            if isinstance(at.get(key), (int, float)):
                return at[key]
            stack += at.values()
        elif isinstance(at, list):
            stack += at
    return None


def perplexity(pare, folder, text):
    return find(run(pare, "eval", folder, "--text", text, "--window", "128", "--max-windows", "20", "--compute", "fp32", "--json", "--quiet"), "perplexity")


def kept_of(folder):
    with open(os.path.join(folder, "pruning.json"), encoding="utf-8") as f:
        return [{k: v for k, v in layer.items() if k.endswith("_kept")} for layer in json.load(f)["layers"]]


def main():
    pare, llama, text, scratch = sys.argv[1:5]
    ratios = sys.argv[5:] or ["0.2", "0.4"]
    first = {}
    print("| family | ratio | perplexity | same units | written as |\n|---|---|---|---|---|")
    for family in ["llama", *FAMILIES]:
        folder = llama if family == "llama" else os.path.join(scratch, family)
        if family != "llama":
            rewrite(llama, folder, family)
        print(f"| {family} | 0 | {perplexity(pare, folder, text):.10g} | | |", flush=True)
        for ratio in ratios:
            out = os.path.join(scratch, "pruned")
            run(pare, "prune", folder, "-o", out, "--method", "taylor", "--ratio", ratio, "--calib", text, "--samples", "10", "--length", "128",
                "--compute", "fp32", "--force", "--json", "--quiet")
            kept = kept_of(out)
            with open(os.path.join(out, "config.json"), encoding="utf-8") as f:
                written = json.load(f)["architectures"][0]
            same = kept == first.setdefault(ratio, kept) and any(kept)
            print(f"| {family} | {ratio} | {perplexity(pare, out, text):.10g} | {'yes' if same else 'NO'} | {written} |", flush=True)
        if family != "llama":
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
