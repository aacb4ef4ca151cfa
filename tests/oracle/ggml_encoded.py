"""Writes ../data/ggml_encoded.json.gz: blocks that ggml makes of numbers: ggml_encoded.py LIBRARY [OUT].

LIBRARY is a shared library with ggml in it (libggml-base.so of a build of llama.cpp, or the extension module of the wheel
xllamacpp): its ggml_quantize_chunk is the reference implementation; once plain, and once in rows of 256 whose columns have
an importance. Numbers are kept as bits of fp32."""
import ctypes
import gzip
import json
import os
import sys

import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf.constants import GGML_QUANT_SIZES

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "ggml_encoded.json.gz")
ROW = 256
KINDS = [Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.Q8_0, Kind.Q4_K, Kind.Q5_K, Kind.Q6_K]


def numbers():
    rng = np.random.default_rng(11)
    normal = rng.standard_normal(512) * 0.02
    heavy = rng.standard_t(3, 512)
    positive = np.abs(rng.standard_normal(256))
    sparse = rng.standard_normal(256) * (rng.random(256) < 0.3)
    ties = rng.integers(-8, 9, 256) / 4
    flat = np.concatenate([np.zeros(256), np.full(64, 0.5), np.full(64, -3.0), np.zeros(64), rng.standard_normal(64)])
    return np.concatenate([normal, heavy, positive, sparse + 0.0, ties, flat]).astype(np.float32)


def importance():
    """Of the columns: mean squares over four orders of magnitude, a few far beyond, and some that never see anything."""
    rng = np.random.default_rng(12)
    squares = np.exp(rng.standard_normal(ROW) * 2)
    squares[7::61] *= 1e4
    squares[30:34] = 0
    return squares.astype(np.float32)


def main():
    quantize = ctypes.CDLL(sys.argv[1]).ggml_quantize_chunk
    quantize.restype = ctypes.c_size_t
    quantize.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    x, made, weights, weighed = numbers(), {}, importance(), {}
    for kind in KINDS:
        elements, size = GGML_QUANT_SIZES[kind]
        blocks = np.zeros(x.size // elements * size, np.uint8)
        quantize(int(kind), x.ctypes.data, blocks.ctypes.data, 0, 1, x.size, None)
        made[kind.name] = blocks.tobytes().hex()
        quantize(int(kind), x.ctypes.data, blocks.ctypes.data, 0, x.size // ROW, ROW, weights.ctypes.data)
        weighed[kind.name] = blocks.tobytes().hex()
    text = json.dumps({"values": x.view(np.uint32).tolist(), "blocks": made, "importance": weights.view(np.uint32).tolist(), "weighed": weighed}, separators=(",", ":")) + "\n"
    with open(sys.argv[2] if len(sys.argv) > 2 else OUT, "wb") as f:
        f.write(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
