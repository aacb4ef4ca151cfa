"""Writes ../data/ggml_types.json.gz: what the gguf package makes of blocks of every type: ggml_types.py [OUT].

Bytes of blocks are drawn, their scales so that they are finite; values are kept as bits of fp32. `ggml_types.py --grids`
prints src/checkpoint/ggml_grids.c, the lattices that some types' elements are points of."""
import gzip
import json
import os
import sys

import gguf
import numpy as np
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "ggml_types.json.gz")
GRIDS = {"iq2_xxs": quants.IQ2_XXS, "iq2_xs": quants.IQ2_XS, "iq2_s": quants.IQ2_S, "iq3_xxs": quants.IQ3_XXS, "iq3_s": quants.IQ3_S,
         "iq1": quants.IQ1_S}
ELEMENTS = 768


def values(blocks, kind):
    with np.errstate(all="ignore"):
        return quants.dequantize(blocks.reshape(1, -1), kind).astype(np.float32).reshape(-1)


def finite_blocks(rng, kind, count, size):
    """Drawn again, each by itself, until its numbers are finite."""
    blocks = []
    while len(blocks) < count:
        block = rng.integers(0, 256, size, dtype=np.uint8)
        if np.isfinite(values(block, kind)).all():
            blocks.append(block)
    return np.concatenate(blocks)


def grids():
    print('/* The lattices of ggml_grid.c: constants of the format. */\n#include "checkpoint/ggml_decode.h"')
    for name, kind in GRIDS.items():
        kind.init_grid()
        levels, bits = [float(x) for x in kind.grid_map], 16 // kind.grid_shape[1]
        points = [sum(levels.index(float(x)) << bits * i for i, x in enumerate(point)) for point in kind.grid.reshape(kind.grid_shape)]
        print(f"\nconst uint16_t pare_ggml_grid_{name}[{len(points)}] = {{")
        for at in range(0, len(points), 14):
            print("    " + ", ".join(f"0x{x:04x}" for x in points[at:at + 14]) + ",")
        print("};")


def main():
    rng, rows = np.random.default_rng(7), []
    for kind, (elements, size) in GGML_QUANT_SIZES.items():
        try:
            values(np.zeros(size, dtype=np.uint8), kind)
        except NotImplementedError:
            continue
        blocks = finite_blocks(rng, kind, max(1, ELEMENTS // elements // (8 if elements == 1 else 1)), size)
        rows.append({"name": kind.name, "id": int(kind), "elements": elements, "bytes": size, "blocks": blocks.tobytes().hex(),
                     "values": values(blocks, kind).view(np.uint32).tolist()})
    text = "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n"
    with open(sys.argv[1] if len(sys.argv) > 1 else OUT, "wb") as f:
        f.write(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    grids() if "--grids" in sys.argv else main()
