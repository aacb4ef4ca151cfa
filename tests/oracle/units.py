"""Writes ../data/units.json: scores of heads, query heads, FFN channels, layers and hidden channels of counted models, in fp64
with numpy: units.py [OUT].

Weights and signals are numbers that tests/counted.h counts, too. A unit's score follows docs/methods.md (From elements to units):
sums of the elements' scores by index, query heads added to the key head that they go with, coupled tensors reduced at each
index, indices added up to heads."""
import json
import os
import sys

import numpy as np

import saliences
from importance import counted, plain

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "units.json")
WEIGHTS, GRADIENT, SQUARES, INPUTS, SCALE = 100, 1000, 2000, 3000, 0.375
READERS, WRITERS = ("q", "k", "v", "gate", "up"), ("o", "down")
IN_FILE = ("input_norm", "q", "k", "v", "o", "post_norm", "gate", "up", "down")
BY_ID = ("q", "k", "v", "o", "gate", "up", "down", "input_norm", "post_norm")
REDUCTIONS = {"sum": lambda m: m.sum(0), "mean": lambda m: m.mean(0), "max": lambda m: m.max(0), "prod": lambda m: m.prod(0),
              "first": lambda m: m[0], "second": lambda m: m[1]}
OF_ROWS = ("param_first", "vectorize", "param_second", "param_mix", "l1", "l2", "wanda", "fluctuation", "gblm", "gradient", "ria", "ri", "lp",
           "symmetric")  # all that rows of a gradient can bring, but random draws


def shape(layers=2, hidden=16, heads=4, kv_heads=None, head_size=None, ffn=24, vocabulary=32, tied=False, shards=1, widths=None):
    widths = widths or [(heads, kv_heads or heads, ffn)] * layers
    return {"layers": layers, "hidden": hidden, "head_size": head_size or hidden // heads, "vocabulary": vocabulary, "tied": tied,
            "shards": shards, "widths": widths}


LAYOUTS = [shape(),
           shape(hidden=10, kv_heads=2, head_size=6, ffn=7),
           shape(hidden=14, heads=6, kv_heads=2, head_size=10, ffn=31, tied=True),
           shape(hidden=9, heads=8, kv_heads=2, head_size=14, ffn=5, shards=2),
           shape(heads=3, kv_heads=1, head_size=2, ffn=1)]
LONG = [shape(layers=3, hidden=8, head_size=6, widths=[(4, 2, 1031), (2, 1, 3), (6, 3, 17)]),
        shape(layers=1, hidden=1029, heads=2, head_size=2, ffn=3, vocabulary=4)]
REDUCED = [shape(layers=1, hidden=12, heads=3, head_size=6, ffn=7),
           shape(layers=1, hidden=12, heads=6, kv_heads=2, head_size=6, ffn=7),
           shape(layers=1, hidden=10, kv_heads=1, head_size=4, ffn=2)]
# The second: wider than a run of rows, and no multiple of it; three query heads for every key head.
LORA = [shape(), shape(hidden=20, heads=6, kv_heads=2, head_size=26, ffn=301)]
FACTORS, RANK, LORA_LAYER, LORA_SCALE = 4000, 3, 1, 1.5
HIDDEN = [shape(hidden=10, kv_heads=2, head_size=6, ffn=7, tied=True), shape(layers=3, hidden=17, heads=2, head_size=6, ffn=9)]


def tensors(layout):
    """Shapes by name, once in the file's order and once in pare's."""
    d, h = layout["hidden"], layout["head_size"]
    sizes = {"embedding": (layout["vocabulary"], d), "norm": (1, d)}
    for i, (heads, groups, f) in enumerate(layout["widths"]):
        of_layer = {"q": (heads * h, d), "k": (groups * h, d), "v": (groups * h, d), "o": (d, heads * h), "gate": (f, d), "up": (f, d),
                    "down": (d, f), "input_norm": (1, d), "post_norm": (1, d)}
        sizes |= {f"{part}{i}": size for part, size in of_layer.items()}
    ends = ["norm"] if layout["tied"] else ["norm", "head"]
    sizes |= {} if layout["tied"] else {"head": sizes["embedding"]}
    return sizes, *(["embedding"] + [f"{part}{i}" for i in range(layout["layers"]) for part in order] + ends for order in (IN_FILE, BY_ID))


def element_scores(layout, salience):
    """By tensor, with signs where the salience has them."""
    sizes, in_file, by_id = tensors(layout)
    scores = {}
    for name, (rows, columns) in sizes.items():
        number, place = by_id.index(name), in_file.index(name)
        take = lambda stream, n, positive=False: counted(stream, 0, n, positive)
        w, g, a = (x.reshape(rows, columns) for x in (take(WEIGHTS + place, rows * columns), SCALE * take(GRADIENT + number, rows * columns),
                                                      take(SQUARES + number, rows * columns, True)))
        scores[name] = saliences.score(salience, w=w, g=g, a=a, x=take(INPUTS + number, columns, True))
    return scores


def by_index(scores, name):
    return np.abs(scores[name].sum(0 if name.startswith(WRITERS) else 1))


def units(layout, salience, reduction="sum", alignment="group"):
    scores, reduce, h = element_scores(layout, salience), REDUCTIONS[reduction], layout["head_size"]
    out = {"salience": salience, "reduction": reduction, "alignment": alignment, "heads": [], "query": [], "ffn": [], "layer": []}
    for i, (heads, groups, f) in enumerate(layout["widths"]):
        of = {part: by_index(scores, f"{part}{i}") for part in READERS + WRITERS}
        index = np.arange(heads * h)
        to = index % (groups * h) if alignment == "strided" else index // h // (heads // groups) * h + index % h
        q, o = (np.bincount(to, of[part], groups * h) for part in "qo")
        members = [q, o, of["v"], of["k"]] if heads == groups else [of["k"], o, of["v"], q]
        out["heads"].append(reduce(np.array(members)).reshape(groups, h).sum(1))
        out["query"].append(reduce(np.array([of["q"], of["o"]])).reshape(heads, h).sum(1))
        out["ffn"].append(reduce(np.array([of["gate"], of["up"], of["down"]])))
        out["layer"].append(sum(x.sum() for x in of.values()))
    return out


def hidden(layout, salience, reduction="sum"):
    """Every tensor once, the final norm and the head (or the embedding that stands for it) first."""
    scores, first = element_scores(layout, salience), ["norm", "embedding" if layout["tied"] else "head"]
    names = first + [name for name in tensors(layout)[2] if name not in first]
    members = [np.abs(scores[n].sum(1 if n.startswith(WRITERS) else 0)) for n in names]
    return {"salience": salience, "reduction": reduction, "hidden": REDUCTIONS[reduction](np.array(members))}


def lora(layout, estimate):
    """LoRAPrune: |G (W + s B A)| of one layer, G = dB A + B dA - dB dA, every matrix's sums over units at length 1."""
    sizes, in_file, _ = tensors(layout)
    (heads, groups, f), out = layout["widths"][LORA_LAYER], {}
    for role, part in enumerate(("q", "k", "v", "o", "gate", "up", "down")):
        rows, columns = sizes[f"{part}{LORA_LAYER}"]
        w = counted(WEIGHTS + in_file.index(f"{part}{LORA_LAYER}"), 0, rows * columns).reshape(rows, columns)
        a, b, da, db = (counted(FACTORS + 10 * role + i, 0, RANK * (rows if i % 2 else columns)) / 8 for i in range(4))
        a, da, b, db = a.reshape(RANK, -1), da.reshape(RANK, -1), b.reshape(-1, RANK), db.reshape(-1, RANK)
        gradient = db @ a + b @ da - db @ da if estimate == "gradient" else 1.0
        scores = np.abs(gradient * (w + LORA_SCALE * b @ a)).sum(0 if part in WRITERS else 1)
        kind, count = ("ffn", f) if part in ("gate", "up", "down") else ("heads", groups)
        sums = scores.reshape(count, -1).sum(1)
        out[kind] = out.get(kind, 0) + sums / (np.linalg.norm(sums) + 1e-8)
    return {"estimate": estimate, **out}


def main():
    made = {"scale": SCALE,
            "layouts": [{"layout": layout, "cases": [units(layout, s) for s in OF_ROWS]} for layout in LAYOUTS],
            "long": [{"layout": layout, "cases": [units(layout, "param_first"), units(layout, "wanda", "mean")]} for layout in LONG],
            "reduced": [{"layout": layout, "cases": [units(layout, s, r, a) for s in ("param_first", "vectorize") for r in REDUCTIONS
                                                     for a in ("group", "strided")]} for layout in REDUCED],
            "hidden": [{"layout": layout, "cases": [hidden(layout, s) for s in ("param_first", "vectorize", "l1", "l2", "ri", "symmetric")]
                        + [hidden(layout, "l1", r) for r in REDUCTIONS if r != "sum"]} for layout in HIDDEN],
            "lora": [{"layout": layout, "cases": [lora(layout, e) for e in ("gradient", "magnitude")]} for layout in LORA]}
    with open(sys.argv[1] if len(sys.argv) > 1 else OUT, "w", encoding="utf-8", newline="\n") as f:
        json.dump(plain(made), f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
