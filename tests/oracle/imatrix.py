"""Writes ../data/imatrix.json: importance matrices of tiny models, from transformers in fp64: imatrix.py [OUT].

For cases of gguf_models.py that families.json has, too: by the names that the gguf package has for the tensors, the width
of each matrix and, of the sums of squares of its inputs over all ids of families.json, the sum, the dot product with
counted numbers, and the first and the last one."""
import json
import os
import sys
import tempfile

import gguf
import numpy as np
import torch
import transformers

from families import IDS, build, counted, logits_of, stream
from gguf_models import CASES, OWN

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "imatrix.json")


def sums_of(name, arch):
    sums, hooks = {}, []
    with tempfile.TemporaryDirectory() as folder:
        config, _, model = build(name, folder)
        names = gguf.get_tensor_name_map(arch, model.config.num_hidden_layers)

        def watch(key):
            def see(module, inputs):
                x = inputs[0].detach().double().reshape(-1, inputs[0].shape[-1])
                sums[key] = sums.get(key, 0) + (x * x).sum(0).numpy()
            return see

        for path, module in model.named_modules():
            tied = path == "lm_head" and model.config.tie_word_embeddings
            if not isinstance(module, torch.nn.Linear) or tied:
                continue
            key = names.get_name(path + ".weight", try_suffixes=(".weight",))
            assert key, path
            hooks.append(module.register_forward_pre_hook(watch(key)))
        with torch.no_grad():
            logits_of(model, IDS)
    return sums


def row(key, sums):
    dot = float(sums @ counted(stream(key), 0, sums.size))
    return [sums.size] + [float(f"{v:.9g}") for v in (float(sums.sum()), dot, float(sums[0]), float(sums[-1]))]


def main():
    cases = {}
    for name, (arch, _, _) in CASES.items():
        if name not in OWN:
            cases[name] = {key: row(key, sums) for key, sums in sorted(sums_of(name, arch).items())}
    with open(sys.argv[1] if len(sys.argv) > 1 else OUT, "w", encoding="utf-8") as f:
        f.write(json.dumps(cases, indent=0, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
