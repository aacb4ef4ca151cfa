#!/usr/bin/env python3
"""Has llama.cpp's own quantiser (llama_model_quantize, what llama-quantize calls) make GGUF files of those that pare writes.

usage: compare_quantize.py [--types Q4_K_M,IQ3_M,...] [--imatrix FILE] [--text TEXT] [--scratch DIR] [--lib FILE] PARE MODEL.gguf

Each type is made without and, with --imatrix (pare imatrix, pare prune --imatrix), with an importance matrix, read as
llama-quantize reads it: mean squares by name, of which every one must be of a tensor of the model, and no matrix of the blocks
be without. pare then measures every file's KL divergence from MODEL.gguf on TEXT, which also shows that it reads it. Needs
the Python packages gguf and numpy, and libllama.so with its quantiser (llama-cpp-py-sync has one)."""
import argparse
import ctypes as c
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

import gguf
import numpy

TYPES = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_M": 12, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_M": 17,
         "Q6_K": 18, "IQ2_XXS": 19, "IQ2_XS": 20, "IQ3_XXS": 23, "IQ1_S": 24, "IQ4_NL": 25, "IQ3_S": 26, "IQ3_M": 27, "IQ2_S": 28,
         "IQ2_M": 29, "IQ4_XS": 30, "IQ1_M": 31, "BF16": 32, "TQ1_0": 36, "TQ2_0": 37}
ONLY_WITH = ("IQ3_XXS", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ1_S", "IQ1_M")  # what llama.cpp refuses to make without a matrix


class Row(c.Structure):
    _fields_ = [("name", c.c_char_p), ("data", c.POINTER(c.c_float)), ("size", c.c_size_t)]


class Parameters(c.Structure):
    _fields_ = [("nthread", c.c_int32), ("ftype", c.c_int), ("output_tensor_type", c.c_int), ("token_embedding_type", c.c_int),
                ("allow_requantize", c.c_bool), ("quantize_output_tensor", c.c_bool), ("only_copy", c.c_bool), ("pure", c.c_bool),
                ("keep_split", c.c_bool), ("dry_run", c.c_bool), ("imatrix", c.POINTER(Row)), ("kv_overrides", c.c_void_p),
                ("tt_overrides", c.c_void_p), ("prune_layers", c.c_void_p), ("max_buf_size", c.c_size_t)]


def open_library(path):
    if not path:
        path = os.path.join(os.path.dirname(importlib.util.find_spec("llama_cpp_py_sync").origin), "libllama.so")
    library = c.CDLL(path)
    library.llama_model_quantize_default_params.restype = Parameters
    library.llama_model_quantize.argtypes = [c.c_char_p, c.c_char_p, c.POINTER(Parameters)]
    library.llama_model_quantize.restype = c.c_uint32
    quiet = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)
    library.said = []
    library.keep = quiet(lambda level, text, _: library.said.append(text.decode("utf-8", "replace")))
    library.llama_log_set(library.keep, None)
    return library


def mean_squares(path, model):
    """name -> mean squares of its inputs; what llama-quantize makes of the file."""
    found = {}
    tensors = {t.name: numpy.asarray(t.data) for t in gguf.GGUFReader(path).tensors}
    for name, sums in tensors.items():
        if name.endswith(".in_sum2"):
            counts = tensors[name.replace(".in_sum2", ".counts")]
            found[name.removesuffix(".in_sum2")] = (sums.reshape(-1) / counts.reshape(-1)[0]).astype(numpy.float32)
    widths = {t.name: int(t.shape[0]) for t in gguf.GGUFReader(model).tensors if len(t.shape) == 2}
    strangers = [name for name in found if widths.get(name) != found[name].size]
    lacking = [name for name in widths if name.startswith("blk.") and name not in found]
    if strangers or lacking:
        sys.exit(f"{path}: not of {model}: {strangers[:3]}; without: {lacking[:3]}")
    return found


def quantise(library, source, target, kind, means):
    parameters = library.llama_model_quantize_default_params()
    parameters.ftype, parameters.nthread = TYPES[kind], 2
    rows = (Row * (len(means) + 1))()
    for row, (name, values) in zip(rows, means.items()):
        row.name, row.size = name.encode(), values.size
        row.data = values.ctypes.data_as(c.POINTER(c.c_float))
    if means:
        parameters.imatrix = rows
    library.said.clear()
    return library.llama_model_quantize(source.encode(), target.encode(), c.byref(parameters)) == 0


def measure(options, path):
    words = [options.pare, "eval", path, "--against", options.model, "--text", options.text, "--window", "128", "--max-windows", "64",
             "--quiet", "--json"]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().split("\n")[-1]
    text = json.loads(done.stdout)["texts"][0]
    return f"{text['perplexity']:.3f} | {text['kl']:.5f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", default="Q4_0,Q4_K_M,Q3_K_M,Q2_K,IQ4_XS,IQ3_M,IQ3_XXS,IQ2_XS,IQ1_M")
    parser.add_argument("--imatrix")
    parser.add_argument("--text")
    parser.add_argument("--scratch")
    parser.add_argument("--lib")
    parser.add_argument("pare")
    parser.add_argument("model")
    options = parser.parse_args()
    library, failed = open_library(options.lib), False
    means = mean_squares(options.imatrix, options.model) if options.imatrix else {}
    print("| type | importance matrix | file types | bytes | perplexity | KL from the source |\n|" + " --- |" * 6)
    for kind in options.types.split(","):
        for own in ([{}] if kind not in ONLY_WITH else []) + ([means] if means else []):
            with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
                path = os.path.join(folder, "out.gguf")
                if not quantise(library, options.model, path, kind, own):
                    print(f"| {kind} | {bool(own)} | llama.cpp refuses: {''.join(library.said).strip()[-200:]!r} |")
                    failed = True
                    continue
                names = sorted({t.tensor_type.name for t in gguf.GGUFReader(path).tensors})
                row = measure(options, path) if options.text else "- | -"
                print(f"| {kind} | {'pare' if own else '-'} | {' '.join(names)} | {os.path.getsize(path)} | {row} |", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
