"""Structured scores, kept sets, Moreau iterations and perplexities in fp64: structured.py FOLDER IDS TEXT OUT.

FOLDER: a LLaMA checkpoint with tokenizer.json; IDS: a JSON list of calibration sequences; TEXT: a file of UTF-8 text.
Formulas: MoreauPruner (Algorithm 1 and the loop as released), LLM-Pruner (equations of its section 3.2), magnitude."""
import json
import sys

import torch
from tokenizers import Tokenizer

import llama

LAYERS = (1, 4)
WINDOWS, WINDOW = 40, 128
RATIOS = (0.25, 0.5)


def by_index(salience, columns, absolute):
    """Sums over the axis that stays; absolute: of absolute values, else the absolute value of the sum."""
    dim = 0 if columns else 1
    return salience.abs().sum(dim) if absolute else salience.sum(dim).abs()


def units(salience, config, layer, reduction, absolute=True):
    """Scores of the key/value groups and FFN channels of a layer from a salience by tensor."""
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    at = f"model.layers.{layer}."

    def index(part, columns=False):
        return by_index(salience[at + part + ".weight"], columns, absolute)

    def of_group(x):  # query heads that share a key head add up, index by index
        return x.view(groups, heads // groups, size).sum(1).flatten()

    q, o = of_group(index("self_attn.q_proj")), of_group(index("self_attn.o_proj", True))
    k, v = index("self_attn.k_proj"), index("self_attn.v_proj")
    members = [k, o, v, q] if groups != heads else [q, o, v, k]
    ffn = [index("mlp.gate_proj"), index("mlp.up_proj"), index("mlp.down_proj", True)]
    return {"heads": reduce(members, reduction).view(groups, size).sum(1).tolist(), "ffn": reduce(ffn, reduction).tolist()}


def reduce(members, how):
    x = torch.stack(members)
    return {"sum": lambda: x.sum(0), "mean": lambda: x.mean(0), "max": lambda: x.max(0).values,
            "prod": lambda: x.prod(0), "first": lambda: x[0]}[how]()


def kept(scores, ratio):
    """Per layer, the units left when the lowest go: trunc of what stays of the indices, whole units."""
    out = []
    for layer, s in enumerate(scores):
        keep = {}
        for kind in ("heads", "ffn"):
            n = len(s[kind])
            gone = n - int(n * (1 - ratio)) if LAYERS[0] <= layer < LAYERS[1] else 0
            lowest = sorted(range(n), key=lambda i: (s[kind][i], i))[:gone]
            keep[kind] = [i for i in range(n) if i not in set(lowest)]
        out.append(keep)
    return out


def masked(weights, config, keep):
    """Rows and columns of units that are gone are zero: the smaller model's function."""
    out = dict(weights)
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    for layer, k in enumerate(keep):
        at, ffn = f"model.layers.{layer}.", weights[f"model.layers.{layer}.mlp.up_proj.weight"].shape[0]
        group = torch.zeros(groups, dtype=torch.float64)
        group[k["heads"]] = 1
        channel = torch.zeros(ffn, dtype=torch.float64)
        channel[k["ffn"]] = 1
        keys, queries = group.repeat_interleave(size), group.repeat_interleave(size * heads // groups)
        for part, rows in (("self_attn.q_proj", queries), ("self_attn.k_proj", keys), ("self_attn.v_proj", keys),
                           ("mlp.gate_proj", channel), ("mlp.up_proj", channel)):
            out[at + part + ".weight"] = weights[at + part + ".weight"] * rows[:, None]
        for part, columns in (("self_attn.o_proj", queries), ("mlp.down_proj", channel)):
            out[at + part + ".weight"] = weights[at + part + ".weight"] * columns
    return out


def threshold(kind, level):
    """Proximal maps on what is left after a gradient step."""
    def group(x):  # rows of matrices by their L2 norm; vectors are no groups
        if x.dim() == 1:
            return x
        size = x.norm(dim=1, keepdim=True)
        return torch.where(size > level, (1 - level / size) * x, torch.zeros_like(x))

    def element(x):
        return x.sign() * (x.abs() - level).clamp(min=0)

    return {"none": lambda x: x, "group": group, "element": element}[kind]


def moreau(weights, config, ids, kind, rho, gamma, eta, steps):
    """Algorithm 1 without noise: the displacement after `steps`, and the losses on the way."""
    delta, losses = {k: torch.zeros_like(v) for k, v in weights.items()}, []
    shrink = threshold(kind, gamma * eta)
    for _ in range(steps):
        loss, g = llama.gradient(ids, {k: weights[k] + delta[k] for k in weights}, config)
        losses.append(loss)
        delta = {k: shrink((1 - gamma / rho) * delta[k] - gamma * g[k]) for k in weights}
    return delta, losses


def as_released(weights, config, ids, gamma, eta, steps):
    """The authors' loop: no pull towards w, row RMS tested against gamma eta but shrunk by eta, mean of five."""
    delta, losses = {k: torch.zeros_like(v) for k, v in weights.items()}, []
    total = {k: torch.zeros_like(v) for k, v in weights.items()}
    tail = min(5, steps)
    for step in range(steps):
        loss, g = llama.gradient(ids, {k: weights[k] + delta[k] for k in weights}, config)
        losses.append(loss)
        for k in weights:
            u = delta[k] - gamma * g[k]
            r = u.pow(2).mean(1, keepdim=True).sqrt() if u.dim() > 1 else u.abs()
            delta[k] = torch.where(r > gamma * eta, (1 - eta / r) * u, torch.zeros_like(u))
            if steps - step <= tail:
                total[k] += delta[k] / tail
    return total, losses


def number(x):
    return float(f"{x:.10g}")


def rounded(x):
    if isinstance(x, float):
        return number(x)
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    return [rounded(v) for v in x] if isinstance(x, list) else x


def saliences(weights, config, ids, traces):
    """Every method's salience by tensor, with its reduction and whether absolute values come before the sum."""
    loss, g = llama.gradient(ids, weights, config)
    squares = {k: torch.zeros_like(v) for k, v in weights.items()}
    for row in ids:
        _, gj = llama.gradient(row[None], weights, config)
        for k in squares:
            squares[k] += gj[k] ** 2 / len(ids)
    first = {k: weights[k] * g[k] for k in weights}
    second = {k: weights[k] ** 2 * squares[k] for k in weights}
    mixed = {k: first[k] - 0.5 * second[k] for k in weights}
    out = {"taylor_param_first": (first, "sum", True), "taylor_vectorize": (first, "sum", False),
           "taylor_param_second": (second, "sum", True), "taylor_param_mix": (mixed, "sum", True)}
    for how in ("mean", "max", "prod", "first"):
        out[f"taylor_param_first:{how}"] = (first, how, True)
    out["l1"] = (weights, "mean", True)
    out["l2"] = ({k: v ** 2 for k, v in weights.items()}, "mean", True)
    runs = {"moreau rho=.05 gamma=1e-3 T=10": ("none", 0.05, 1e-3, 0.0, 10),
            "moreau-gs rho=.2 gamma=2e-4 eta=5e-6 T=10": ("group", 0.2, 2e-4, 5e-6, 10),
            "moreau-gs rho=.05 gamma=.05 eta=.02 T=3": ("group", 0.05, 0.05, 0.02, 3),
            "moreau-l1 rho=.05 gamma=.02 eta=1e-3 T=5": ("element", 0.05, 0.02, 1e-3, 5)}
    for name, (kind, rho, gamma, eta, steps) in runs.items():
        delta, losses = moreau(weights, config, ids, kind, rho, gamma, eta, steps)
        traces[name] = {"loss": losses, "delta_l2": {k: delta[k].norm().item() for k in llama.names(config)}}
        out[name] = ({k: weights[k] * delta[k] / rho for k in weights}, "sum", True)
    for name, gamma, eta in (("as-released gamma=2e-4 eta=5e-6 T=10", 2e-4, 5e-6),
                             ("as-released gamma=1e-3 eta=0 T=10", 1e-3, 0.0)):
        delta, losses = as_released(weights, config, ids, gamma, eta, 10)
        traces[name] = {"loss": losses, "delta_l2": {k: delta[k].norm().item() for k in llama.names(config)}}
        out[name] = ({k: weights[k] * delta[k] for k in weights}, "sum", True)
    return loss, g, out


def windows_of(folder, text):
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    with open(text, encoding="utf-8") as f:
        ids = tokenizer.encode(f.read(400000)).ids
    return torch.tensor(ids[:WINDOWS * WINDOW]).view(WINDOWS, WINDOW), ids[:32]


def main():
    folder, ids_file, text, out_file = sys.argv[1:]
    config, weights = llama.load(folder)
    weights = {k: weights[k] for k in llama.names(config)}
    with open(ids_file, encoding="utf-8") as f:
        ids = json.load(f)
    ids = torch.tensor(next(iter(ids.values())) if isinstance(ids, dict) else ids)
    windows, first_ids = windows_of(folder, text)
    traces = {}
    loss, g, methods = saliences(weights, config, ids, traces)
    golden = {"loss": loss,
              "logits_first_sequence_position_15": llama.logits(ids[:1, :16], weights, config)[0, 15].tolist(),
              "gradient_l2": {k: g[k].norm().item() for k in g},
              "taylor_abs_sum": {k: (weights[k] * g[k]).abs().sum().item() for k in g},
              "moreau_traces": traces, "layers": list(LAYERS), "methods": {}}
    for name, (salience, how, absolute) in methods.items():
        scores = [units(salience, config, layer, how, absolute) for layer in range(config["num_hidden_layers"])]
        entry = {"scores": scores}
        for ratio in RATIOS:
            entry[f"keep_{ratio}"] = keep = kept(scores, ratio)
            if ":" not in name:
                entry[f"ppl_{ratio}"] = llama.perplexity(windows, masked(weights, config, keep), config)
        golden["methods"][name] = entry
        print(name, flush=True)
    golden["ppl_text"] = {"windows": WINDOWS, "window": WINDOW, "first_ids": first_ids}
    golden["ppl_dense"] = llama.perplexity(windows, weights, config)
    with open(out_file, "w", encoding="utf-8", newline="\n") as f:
        json.dump(rounded(golden), f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
