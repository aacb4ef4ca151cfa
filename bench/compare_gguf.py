#!/usr/bin/env python3
"""What llama.cpp makes of the GGUF files that pare writes: the same log-likelihoods, and the same greedy text?

usage: compare_gguf.py [--types f32,f16] [--ways whole,heads,layers,dropped,experts,sparse] [--text TEXT] [--prompt TEXT] [--scratch DIR] [--library FILE] PARE MODEL...

Each MODEL (a folder) is taken whole, with half of the heads and channels of every layer gone (heads), of layer 1 alone (layers:
architecture deci), without layer 1 (dropped), without a third of its experts (experts), and with half of its weights zero
(sparse); what pare does not prune or write that way is left out with its reason. The table has the architecture in the file, the
mean negative log-likelihood of 64 drawn ids (or of the first 256 tokens of TEXT), by pare from the folder and from the file and by
llama.cpp from the file, and whether 40 greedy tokens are the same (where there is a tokenizer and PROMPT). llama.cpp takes the
factors of a longrope by the size of its context, here 512. Needs the Python packages gguf, numpy, cffi and llama-cpp-py-sync
(llama.cpp's C interface); --library takes that of another build, of the same version, such as the module of xllamacpp."""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

import gguf
import numpy
from llama_cpp_py_sync._cffi_bindings import get_ffi, get_lib

WAYS = {"whole": None, "heads": ("--method", "random", "--ratio", "0.5"), "layers": ("--method", "random", "--ratio", "0.5", "--layers", "1:2"),
        "dropped": ("--drop-layers", "1"), "experts": ("--mode", "expert", "--method", "random", "--ratio", "0.34"),
        "sparse": ("--method", "magnitude", "--sparsity", "0.5")}
BOUND = {"f32": 5e-4, "f16": 2e-3, "bf16": 2e-3}  # of a loss of 8
TOKENS = 40


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True)


class Llama:
    def __init__(self, path, library=None):
        self.ffi = get_ffi()
        self.lib = self.ffi.dlopen(library) if library else get_lib()
        self.quiet = self.ffi.callback("void(int, char *, void *)", lambda *_: None)
        self.lib.llama_log_set(self.ffi.cast("ggml_log_callback", self.quiet), self.ffi.NULL)
        self.model = self.lib.llama_model_load_from_file(str(path).encode(), self.lib.llama_model_default_params())
        if self.model == self.ffi.NULL:
            raise RuntimeError("llama.cpp does not load it")
        settings = self.lib.llama_context_default_params()
        settings.n_ctx = settings.n_batch = settings.n_ubatch = 512
        settings.n_threads = settings.n_threads_batch = 1
        settings.type_k = settings.type_v = settings.flash_attn_type = 0  # all of it in F32: F16 turns near ties, of experts, too
        self.context = self.lib.llama_init_from_model(self.model, settings)
        self.vocabulary = self.lib.llama_model_get_vocab(self.model)

    def close(self):
        self.lib.llama_free(self.context)
        self.lib.llama_model_free(self.model)

    def logits(self, ids, first):
        """[tokens, vocabulary], of ids behind `first` that are in the cache."""
        batch = self.lib.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, first + i, 1, 0, 1
        assert self.lib.llama_decode(self.context, batch) == 0
        count = self.lib.llama_vocab_n_tokens(self.vocabulary)
        rows = [numpy.frombuffer(self.ffi.buffer(self.lib.llama_get_logits_ith(self.context, i), 4 * count), numpy.float32).copy()
                for i in range(len(ids))]
        self.lib.llama_batch_free(batch)
        return numpy.array(rows, numpy.float64)

    def loss(self, ids):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)
        x = self.logits(ids, 0)[:-1]
        top = x.max(1)
        return float(numpy.mean(top + numpy.log(numpy.exp(x - top[:, None]).sum(1)) - x[numpy.arange(len(x)), ids[1:]]))

    def tokenise(self, text):
        room = self.ffi.new("llama_token[]", 4 * len(text) + 8)
        count = self.lib.llama_tokenize(self.vocabulary, text.encode(), len(text.encode()), room, len(room), True, True)
        return [room[i] for i in range(count)]

    def write(self, prompt, count):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)
        ids, made, at = self.tokenise(prompt), b"", 0
        piece = self.ffi.new("char[]", 256)
        for _ in range(count):
            token = int(self.logits(ids, at)[-1].argmax())
            at, ids = at + len(ids), [token]
            if self.lib.llama_vocab_is_eog(self.vocabulary, token):
                break
            size = self.lib.llama_token_to_piece(self.vocabulary, token, piece, 256, 0, False)
            made += self.ffi.buffer(piece, size)[:]
        return made.decode("utf-8", "replace")


def prepare(options, folder, way):
    """The folder of the model that way, or None and the reason."""
    if WAYS[way] is None:
        return folder, None
    output = os.path.join(options.scratch, "smaller")
    done = run(options.pare, "prune", folder, "-o", output, "--force", "--no-report", "--quiet", "--compute", "fp32", *WAYS[way])
    return (None, done.stderr.strip().split("\n")[-1]) if done.returncode else (output, None)


def ids_of(options, folder, llama):
    if options.text:
        with open(options.text, encoding="utf-8") as file:
            return llama.tokenise(file.read(4096))[:256]
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    draw = random.Random(1)
    return [draw.randrange(3, config.get("text_config", config)["vocab_size"]) for _ in range(64)]


def loss(options, model, rows, length):
    measured = run(options.pare, "eval", model, "--text", rows, "--window", length, "--compute", "fp32", "--quiet", "--json")
    return json.loads(measured.stdout)["texts"][0]["nll"]


def compare(options, folder, kind):
    path = os.path.join(options.scratch, "model.gguf")
    done = run(options.pare, "export", folder, "-o", path, "--type", kind, "--force", "--quiet")
    if done.returncode:
        return None, done.stderr.strip().split("\n")[-1]
    architecture = str(gguf.GGUFReader(path).fields["general.architecture"].contents())
    llama = Llama(path, options.library)
    ids = ids_of(options, folder, llama)
    rows = os.path.join(options.scratch, "ids.json")
    with open(rows, "w", encoding="utf-8") as file:
        json.dump([ids], file)
    ours, again = (loss(options, model, rows, len(ids)) for model in (folder, path))
    theirs, same = llama.loss(ids), "-"
    if options.prompt and os.path.exists(os.path.join(folder, "tokenizer_config.json")):
        text = run(options.pare, "generate", folder, "--prompt", options.prompt, "--tokens", TOKENS, "--compute", "fp32").stdout
        own = text.removeprefix(options.prompt).strip()
        same = "same" if own == llama.write(options.prompt, TOKENS).strip() else "DIFFERS"
    llama.close()
    return (architecture, ours, again, theirs, same), None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", default="f32,f16")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--text")
    parser.add_argument("--prompt")
    parser.add_argument("--scratch")
    parser.add_argument("--library")
    parser.add_argument("pare")
    parser.add_argument("models", nargs="+")
    options, failed = parser.parse_args(), False
    print("| model | way | type | architecture | pare | its file | llama.cpp | apart | 40 tokens |\n|" + " --- |" * 9)
    with tempfile.TemporaryDirectory(dir=options.scratch) as options.scratch:
        for folder in options.models:
            for way in options.ways.split(","):
                smaller, reason = prepare(options, folder, way)
                for kind in options.types.split(",") if smaller else ():
                    row, reason = compare(options, smaller, kind)
                    if row:
                        apart, exact = abs(row[1] - row[3]), abs(row[1] - row[2]) < 1e-6 * row[1] or kind != "f32"
                        failed |= apart > BOUND.get(kind, 1) * max(1, row[1] / 8) or row[4] == "DIFFERS" or not exact
                        name = os.path.basename(os.path.normpath(folder))
                        numbers = " | ".join(f"{number:.5f}" for number in row[1:4])
                        print(f"| {name} | {way} | {kind} | {row[0]} | {numbers} | {apart:.1e} | {row[4]} |", flush=True)
                if reason:
                    print(f"{folder}, {way}: {reason}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
