"""Writes ../data/bias_scores.json: scores of heads and FFN channels of tiny models with biases, in fp64 with torch and transformers:
bias_scores.py [OUT].

The models are those of families.json by these names, and so are the ids. A bias is the weight of an input that is always 1: one more
column of its matrix. Scores follow docs/methods.md (From elements to units)."""
import json
import os
import sys
import tempfile

import numpy as np
import torch

from families import IDS, SEQUENCES, build, digits, everything_double
from family_cases import CASES

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "bias_scores.json")
NAMES = ("qwen2", "gpt2", "opt", "llama biases")


def layers_of(name, model):
    """Per layer, by role: the module, and which of its outputs are the role's (None: all)."""
    base = model.transformer.h if name.startswith("gpt2") else model.model.decoder.layers if name.startswith("opt") else model.model.layers
    for layer in base:
        if name.startswith("gpt2"):
            d = layer.attn.c_proj.weight.shape[0]
            parts = {role: (layer.attn.c_attn, slice(i * d, (i + 1) * d)) for i, role in enumerate("qkv")}
            yield parts | {"o": (layer.attn.c_proj, None), "up": (layer.mlp.c_fc, None), "down": (layer.mlp.c_proj, None)}
        elif name.startswith("opt"):
            a = layer.self_attn
            yield {"q": (a.q_proj, None), "k": (a.k_proj, None), "v": (a.v_proj, None), "o": (a.out_proj, None), "up": (layer.fc1, None),
                   "down": (layer.fc2, None)}
        else:
            a, m = layer.self_attn, layer.mlp
            yield {"q": (a.q_proj, None), "k": (a.k_proj, None), "v": (a.v_proj, None), "o": (a.o_proj, None), "gate": (m.gate_proj, None),
                   "up": (m.up_proj, None), "down": (m.down_proj, None)}


def augmented(name, part, gradients):
    """[out, in + 1] of a role's weights or gradients: the bias behind the inputs (0 where there is none)."""
    module, rows = part
    weight = module.weight.grad if gradients else module.weight
    weight = weight.detach().numpy().T if name.startswith("gpt2") else weight.detach().numpy()
    bias = np.zeros(len(weight))
    if module.bias is not None:
        bias = (module.bias.grad if gradients else module.bias).detach().numpy()
    both = np.concatenate([weight, bias[:, None]], 1)
    return (both if rows is None else both[rows]).copy()


def row_units(g):
    """Every row of the matrix at unit root mean square; a bias's elements each by themselves."""
    size = np.sqrt((g[:, :-1] ** 2).mean(1, keepdims=True))
    return np.concatenate([g[:, :-1] / np.where(size > 0, size, 1), np.sign(g[:, -1:])], 1)


def element_scores(w, c, norms):
    """By method; c: what each sequence adds to the gradient."""
    g, a = c.sum(0), SEQUENCES * (c ** 2).sum(0)
    return {"taylor": np.abs(w * g), "taylor-second": np.abs(w * a * w), "taylor-mix": np.abs(w * g - w * a * w / 2), "taylor-vector": w * g,
            "taylor-rownorm": np.abs(w * row_units(g)), "magnitude-l1": np.abs(w), "magnitude-l2": w ** 2,
            "wanda-structured": np.abs(w) * norms}


def unit_scores(method, parts, heads, groups):
    """parts: element scores by role. Of heads (one per key head) and channels."""
    mean = method.startswith("magnitude")
    index = {role: s[:, :-1].sum(0) if role in ("o", "down") else s.sum(1) for role, s in parts.items()}
    index = {role: np.abs(s) for role, s in index.items()} if method == "taylor-vector" else index
    size, shared = len(index["q"]) // heads, heads // groups
    of_group = {role: s.reshape(groups, shared if role in "qo" else 1, size).sum((1, 2)) for role, s in index.items() if role in ("q", "k", "v", "o")}
    ffn = [s for role, s in index.items() if role in ("gate", "up", "down")]
    return [sum(of_group.values()) / (4 if mean else 1), sum(ffn) / (len(ffn) if mean else 1)]


def case(name):
    with tempfile.TemporaryDirectory() as folder:
        _, _, model = build(name, folder)
    model = model.double()
    inputs = {}
    for parts in layers_of(name, model):
        for module in {module for module, _ in parts.values()}:
            module.register_forward_hook(lambda m, x, y: inputs.setdefault(m, []).append(x[0].detach().reshape(-1, x[0].shape[-1])))
    shares = []
    for j in range(SEQUENCES):
        model.zero_grad()
        with everything_double():
            logits = model(input_ids=torch.tensor(IDS[j:j + 1])).logits
            (torch.nn.functional.cross_entropy(logits[0, :-1], torch.tensor(IDS[j, 1:])) / SEQUENCES).backward()
        shares.append([{role: augmented(name, part, True) for role, part in parts.items()} for parts in layers_of(name, model)])
    config = model.config
    heads, groups = config.num_attention_heads, getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    result = {"name": name, "layers": []}
    for i, parts in enumerate(layers_of(name, model)):
        scores = {}
        for role, part in parts.items():
            x = torch.cat(inputs[part[0]]).numpy()
            norms = np.append(np.sqrt((x ** 2).sum(0)), np.sqrt(len(x)))
            w, c = augmented(name, part, False), np.stack([share[i][role] for share in shares])
            for method, s in element_scores(w, c, norms).items():
                scores.setdefault(method, {})[role] = s
        result["layers"].append({method: [digits(u) for u in unit_scores(method, of_role, heads, groups)] for method, of_role in scores.items()})
    return result


def main():
    assert all(name in CASES for name in NAMES)
    torch.set_num_threads(1)
    cases = [case(name) for name in NAMES]
    with open(sys.argv[1] if len(sys.argv) > 1 else OUT, "w", encoding="utf-8", newline="\n") as f:
        f.write("[" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "]\n")


if __name__ == "__main__":
    main()
