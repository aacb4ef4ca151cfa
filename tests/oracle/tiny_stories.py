"""Writes ../data/tiny-stories.json: what the model in examples/tiny-stories has on ten sequences that it wrote itself.
tiny_stories.py [OUT | --draw]: --draw draws the ids; without it those in the file are used again."""
import json
import os
import sys

import torch

import llama
import structured

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "..", "examples", "tiny-stories")
OUT = os.path.join(HERE, "..", "data", "tiny-stories.json")
SEQUENCES, LENGTH = 10, 64
METHODS = ("taylor_param_first", "taylor_param_second", "taylor_param_mix", "l1", "l2")


def draw(config, weights):
    torch.manual_seed(1)
    single = {k: v.float() for k, v in weights.items()}
    ids = torch.full((SEQUENCES, 1), config["bos_token_id"])
    with torch.no_grad():
        while ids.shape[1] < LENGTH:
            next_ids = llama.logits(ids, single, config)[:, -1].softmax(-1).multinomial(1)
            ids = torch.cat([ids, next_ids], 1)
    return ids


def main():
    config, weights = llama.load(MODEL)
    weights = {k: weights[k] for k in llama.names(config)}
    if "--draw" in sys.argv:
        ids = draw(config, weights)
    else:
        with open(OUT, encoding="utf-8") as f:
            ids = torch.tensor(json.load(f)["ids"])
    loss, g = llama.gradient(ids, weights, config)
    first, squares = {k: weights[k] * g[k] for k in g}, {k: torch.zeros_like(v) for k, v in g.items()}
    for row in ids:
        for k, gj in llama.gradient(row[None], weights, config)[1].items():
            squares[k] += gj ** 2 / len(ids)
    second = {k: weights[k] ** 2 * squares[k] for k in g}
    saliences = (first, second, {k: first[k] - 0.5 * second[k] for k in g}, weights,
                 {k: v ** 2 for k, v in weights.items()})
    golden = {"ids": ids.tolist(), "loss": loss,
              "logits_first_sequence_position_15": llama.logits(ids[:1, :16], weights, config)[0, 15].tolist(),
              "gradient_l2": {k: g[k].norm().item() for k in g}, "layers": list(structured.LAYERS), "methods": {}}
    for name, salience in zip(METHODS, saliences):
        how = "mean" if name in ("l1", "l2") else "sum"
        scores = [structured.units(salience, config, i, how) for i in range(config["num_hidden_layers"])]
        golden["methods"][name] = {"scores": scores} | {f"keep_{r}": structured.kept(scores, r) for r in structured.RATIOS}
    out = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] != "--draw" else OUT
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        json.dump(structured.rounded(golden), f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
