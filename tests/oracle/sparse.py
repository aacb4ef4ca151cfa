"""Masks and perplexities that the released Wanda, SparseGPT, RIA and GBLM-Pruner would leave of ../data/stories, in fp64:
sparse.py [OUT], by default ../data/stories/masks. saliences.py has the scores; here are the walk, what goes, and the update.

Blocks are pruned one by one, from sums over inputs that the dense block has behind the pruned ones. Where released code compares
a matrix or a slab of columns, everything up to the sorted score of index floor(n s) goes, one more than asked, and ties.
A mask has a bit for each weight, 1 = removed, least significant first, tensor after tensor in the order of results.json."""
import json
import os
import sys

import numpy as np
import torch

import llama
import saliences

HERE = os.path.dirname(os.path.abspath(__file__))
STORIES = os.path.join(HERE, "..", "data", "stories")
WINDOWS, WINDOW = 100, 128
SHARE, SLAB, DAMPING = 0.5, 128, 0.01
PARTS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
         "mlp.down_proj")


def row(scores):
    """Of every row the lowest share, the lower index first."""
    gone = np.zeros(scores.shape, bool)
    lowest = np.argsort(scores, 1, kind="stable")[:, :int(scores.shape[1] * SHARE)]
    np.put_along_axis(gone, lowest, True, 1)
    return gone


def matrix(scores):
    return scores <= np.sort(scores, None)[int(scores.size * SHARE)]


def pattern(scores):
    """Two of every four neighbours in a row."""
    groups = scores.reshape(len(scores), -1, 4)
    return (groups.argsort(2, kind="stable").argsort(2) < 2).reshape(scores.shape)


def cumulative(scores):
    """Wanda's variant: of every row, the lowest that together have a share alpha; bisection finds alpha."""
    ascending, sums = np.sort(scores, 1), np.cumsum(np.sort(scores, 1), 1)
    alpha, low, high = 0.4, 0.0, 0.8
    while True:
        last = (sums <= alpha * sums[:, -1:]).sum(1) - 1
        assert last.min() >= 0
        gone = scores <= ascending[np.arange(len(scores)), last][:, None]
        share = gone.mean()
        if abs(share - SHARE) <= 0.001 or high - low < 0.001:
            return gone
        low, high = (low, alpha) if share > SHARE else (alpha, high)
        alpha = (low + high) / 2


def factor(x):
    """U upper with U^T U the inverse of the damped 2 x^T x / sequences; a factor common to all changes no mask."""
    h = x.T @ x
    assert (np.diag(h) > 0).all()
    h += DAMPING * np.diag(h).mean() * np.eye(len(h))
    return np.linalg.cholesky(np.linalg.inv(h)).T


def surgeon(w, x, choose=None, given=None):
    """SparseGPT: columns left to right in slabs, each error passed on to the columns behind it. The mask is `given`, or chosen
    of the weights as they are then: in a slab by its threshold (matrix), or four by four (pattern)."""
    u, w = factor(x), w.copy()
    gone = np.zeros(w.shape, bool) if given is None else given
    for begin in range(0, w.shape[1], SLAB):
        end = min(begin + SLAB, w.shape[1])
        if choose is matrix:
            gone[:, begin:end] = matrix(np.square(w[:, begin:end] / np.diag(u)[begin:end]))
        for i in range(begin, end):
            if choose is pattern and i % 4 == 0:
                gone[:, i:i + 4] = pattern(np.square(w[:, i:i + 4] / np.diag(u)[i:i + 4]))
            error = np.where(gone[:, i], w[:, i], 0.0) / u[i, i]
            w[:, i + 1:] -= np.outer(error, u[i, i + 1:])
            w[gone[:, i], i] = 0.0
    return gone, w


def scored(name, choose, exponent=None):
    """A rule: what goes of w by a salience; what stays is as it was."""
    def rule(w, x, sequences, gradient):
        signals = {"w": w, "x": np.sqrt(np.square(x).sum(0) / sequences)}
        return choose(saliences.score(name, **signals)), w
    return rule


def with_gradients(which, choose, inputs=True):
    """GBLM-Pruner: |w| times the norm of the input and a hundred times the norm of the samples' gradients."""
    def rule(w, x, sequences, gradient):
        scores = np.abs(w) * gradient[which]
        if inputs:
            scores = saliences.score("gblm", w=w, x=np.sqrt(np.square(x).sum(0) / sequences), g=gradient[which])
        return choose(scores), w
    return rule


def refitted(w, x, sequences, gradient):
    gone, _ = scored("ria", matrix)(w, x, sequences, gradient)
    return surgeon(w, x, given=gone)


RULES = {
    "magnitude_50": scored("l1", matrix),
    "magnitude_24": scored("l1", pattern),
    "wanda_50": scored("wanda", row),
    "wanda_24": scored("wanda", pattern),
    "wandavar_50": scored("wanda", cumulative),
    "sparsegpt_50": lambda w, x, *_: surgeon(w, x, choose=matrix),
    "sparsegpt_24": lambda w, x, *_: surgeon(w, x, choose=pattern),
    "ria_50": scored("ria", matrix),
    "ria_po_50": scored("ria", row),
    "ria_24": scored("ria", pattern),
    "ri_50": scored("ri", matrix),
    "ria_recon_50": refitted,
    "gblm_l1_50": with_gradients("l1", row),
    "gblm_l2_50": with_gradients("l2", row),
    "gblm_l2_24": with_gradients("l2", pattern),
    "gradient_l2_50": with_gradients("l2", row, inputs=False),
}


def walk(weights, config, ids, rule, gradients):
    """The pruned weights and the masks by tensor."""
    pruned, masks = dict(weights), {}
    hidden = weights["model.embed_tokens.weight"][ids]
    for layer in range(config["num_hidden_layers"]):
        inputs = {}
        llama.block(hidden, pruned, layer, config, inputs)
        for part in PARTS:
            name = f"model.layers.{layer}.{part}.weight"
            x = inputs[name].reshape(-1, inputs[name].shape[-1]).numpy()
            gone, w = rule(pruned[name].numpy(), x, len(ids), {k: g[name].numpy() for k, g in gradients.items()})
            masks[name] = gone
            pruned[name] = torch.from_numpy(np.where(gone, 0.0, w))
        hidden = llama.block(hidden, pruned, layer, config)
    return pruned, masks


def norms(weights, config, ids):
    """l1 and l2 norms of the samples' gradients."""
    l1, squares = ({k: torch.zeros_like(v) for k, v in weights.items()} for _ in range(2))
    for sample in ids:
        for name, g in llama.gradient(sample[None], weights, config)[1].items():
            l1[name] += g.abs()
            squares[name] += g ** 2
    return {"l1": l1, "l2": {k: v.sqrt() for k, v in squares.items()}}


def read_ids(name):
    with open(os.path.join(STORIES, name), encoding="utf-8") as f:
        return torch.tensor(json.load(f))


def windows(count, length):
    """The first windows of text.txt as one stream with one BOS."""
    from tokenizers import Tokenizer
    with open(os.path.join(STORIES, "text.txt"), encoding="utf-8", newline="") as f:
        ids = Tokenizer.from_file(os.path.join(STORIES, "tokenizer.json")).encode(f.read()).ids
    return torch.tensor(ids[:count * length]).view(count, length)


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(STORIES, "masks")
    os.makedirs(out, exist_ok=True)
    config, weights = llama.load(STORIES)
    ids, text = read_ids("calibration_ids.json"), windows(WINDOWS, WINDOW)
    gradients = norms(weights, config, ids)
    results = {"order": [f"model.layers.{i}.{p}.weight" for i in range(config["num_hidden_layers"]) for p in PARTS], "results": {}}
    for name, rule in RULES.items():
        with torch.no_grad():
            pruned, masks = walk(weights, config, ids, rule, gradients)
            bits = np.concatenate([masks[tensor].ravel() for tensor in results["order"]])
            perplexity = llama.perplexity(text, pruned, config)
        np.packbits(bits, bitorder="little").tofile(os.path.join(out, name + ".mask"))
        results["results"][name] = {"removed": int(bits.sum()), "perplexity": float(f"{perplexity:.10g}")}
        print(name, results["results"][name], flush=True)
    with open(os.path.join(out, "results.json"), "w", encoding="utf-8", newline="\n") as f:
        json.dump(results, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
