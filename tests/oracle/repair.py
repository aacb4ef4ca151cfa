"""Perplexities and units of ../data/stories with a quarter of the units of layers 1 to 3 gone and what is left refitted, in fp64:
repair.py [OUT], by default ../data/stories/repair.json. structured.json must be there.

Readers, targets, choice and refit by the formulas of docs/methods.md (Repair) with the plain metric, written for matrices that
fit in memory at once. Evaluated on the first windows of text.txt, calibrated on the next ones."""
import json
import os
import sys

import torch

import llama
import sparse
import structured

EVALUATED, CALIBRATED, LENGTH = 40, 32, 128
LAYERS, HEADS_GONE, CHANNELS_GONE = (1, 4), 1, 43
DAMPING, FRACTION = 0.01, 0.0625
METHOD, KEPT = "taylor_param_first", "keep_0.25"
CASES = ({}, {"alpha": 0.5}, {"alpha": 0.5, "beta": 1.0, "norm": True}, {"choose": True},
         {"choose": True, "alpha": 0.5, "beta": 1.0, "norm": True})
STAGES = ((llama.attention, "input_layernorm", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), "self_attn.o_proj"),
          (llama.ffn, "post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj"))


def damped(gram):
    return gram + DAMPING * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)


def flat(x):
    return x.reshape(-1, x.shape[-1])


def map_to(q, p):
    """What makes q of p, less the identity: least squares that a ridge pulls to no change."""
    gram = p.T @ p
    return torch.linalg.solve(damped(gram), (q.T @ p - gram).T).T


def chosen(w, gram, cross, unit, count, fraction):
    """Columns left when the units go whose loss costs least, all others making up for it."""
    inverse = torch.linalg.inv(damped(gram))
    w, columns = w + cross @ inverse, torch.arange(w.shape[1])
    while count:
        units = len(columns) // unit
        index = torch.arange(len(columns)).view(units, unit)
        costs = torch.stack([torch.trace(w[:, i] @ torch.linalg.solve(inverse[i][:, i], w[:, i].T)) for i in index])
        some = min(max(int(fraction * units), 1), count)
        gone = index[costs.argsort(stable=True)[:some]].flatten().sort().values
        left = torch.tensor(sorted(set(range(len(columns))) - set(gone.tolist())))
        solved = torch.linalg.solve(inverse[gone][:, gone], inverse[gone])
        w = (w - w[:, gone] @ solved)[:, left]
        inverse = (inverse - inverse[:, gone] @ solved)[left][:, left]
        columns, count = columns[left], count - some
    return columns


def refitted(w, gram, cross, columns):
    """w with zeros in the columns that are gone, the others fitted to all of w's outputs and the residual."""
    out, kept = torch.zeros_like(w), w[:, columns]
    part = gram[columns][:, columns] + DAMPING * gram.diagonal().mean() * torch.eye(len(columns), dtype=w.dtype)
    right = (w @ gram + cross)[:, columns] - kept @ gram[columns][:, columns]
    out[:, columns] = kept + torch.linalg.solve(part, right.T).T
    return out


class Walk:
    def __init__(self, weights, config, ids, given, alpha=0.0, beta=0.0, norm=False, choose=False):
        self.dense, self.pruned, self.config, self.given = weights, dict(weights), config, given
        self.alpha, self.beta, self.choose = alpha, beta, choose
        self.q = self.p = weights["model.embed_tokens.weight"][ids]
        self.apart, self.kept = False, []
        for layer in range(config["num_hidden_layers"]):
            self.kept.append({})
            for stage in STAGES:
                self.stage(layer, *stage)
        if norm:
            q, p = self.normed("model.norm")
            self.pruned["model.norm.weight"] = weights["model.norm.weight"] * (q * p).sum(0) / (p * p).sum(0)

    def normed(self, name):
        """Of both models; their norms' weights are the same until the end."""
        return (flat(llama.norm(x, self.dense[name + ".weight"], self.config["rms_norm_eps"])) for x in (self.q, self.p))

    def columns(self, layer, kind, w, gram, cross):
        heads, groups = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        unit = self.config["head_dim"] * heads // groups if kind == "heads" else 1
        if self.choose:
            count = HEADS_GONE if kind == "heads" else CHANNELS_GONE
            left = chosen(w, gram, cross, unit, count, 0.0 if kind == "heads" else FRACTION)
            self.kept[layer][kind] = (left[::unit] // unit).tolist()
            return left
        self.kept[layer][kind] = self.given[layer][kind]
        return (torch.tensor(self.given[layer][kind])[:, None] * unit + torch.arange(unit)).flatten()

    def stage(self, layer, run, norm, readers, output):
        at, goes = f"model.layers.{layer}.", LAYERS[0] <= layer < LAYERS[1]
        if self.beta and self.apart:
            change = self.beta * map_to(*self.normed(at + norm))
            for part in readers:
                w = self.dense[at + part + ".weight"]
                self.pruned[at + part + ".weight"] = w + w @ change
        name, inputs, width = at + output + ".weight", {}, self.dense[at + output + ".weight"].shape[1]
        self.q = run(self.q, self.dense, layer, self.config)
        whole = run(self.p, self.pruned, layer, self.config, inputs)
        if goes or (self.alpha and self.apart):
            x, reach = flat(inputs[name]), self.alpha * flat(self.q - whole) if self.apart else torch.zeros(1, 1, dtype=whole.dtype)
            gram, cross = x.T @ x, (reach.expand(len(x), whole.shape[-1]).T @ x)
            columns = self.columns(layer, "heads" if run is llama.attention else "ffn", self.dense[name], gram, cross) \
                if goes else torch.arange(width)
            self.pruned[name] = refitted(self.dense[name], gram, cross, columns)
        self.apart = self.apart or goes
        self.p = run(self.p, self.pruned, layer, self.config)


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(sparse.STORIES, "repair.json")
    config, weights = llama.load(sparse.STORIES)
    windows = sparse.windows(EVALUATED + CALIBRATED, LENGTH)
    text, ids = windows[:EVALUATED], windows[EVALUATED:]
    with open(os.path.join(sparse.STORIES, "structured.json"), encoding="utf-8") as f:
        given = json.load(f)["methods"][METHOD][KEPT]
    cut = structured.masked(weights, config, given)
    golden = {"method": METHOD, "kept": KEPT, "cut": llama.perplexity(text, cut, config), "cases": []}
    with torch.no_grad():
        for case in CASES:
            walk = Walk(weights, config, ids, given, **case)
            golden["cases"].append({**case, "kept": walk.kept, "perplexity": llama.perplexity(text, walk.pruned, config)})
            print(case, golden["cases"][-1]["perplexity"], flush=True)
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        json.dump(structured.rounded(golden), f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
