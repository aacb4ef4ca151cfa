"""Writes ../data/imatrix_experts.json: importance matrices of tiny models with experts, from transformers in fp64: imatrix_experts.py [OUT].

For cases of family_cases.py: by the names that llama.cpp has for the tensors, the number of experts, the width, how many tokens reach
each expert, and, of the sums of squares of what each of these reads over all ids of families.json, the sum, the dot product with counted
numbers, and the first and the last one, all experts one behind the other. What multiplies with an expert's weights is caught in
torch.nn.functional.linear, and known by where the weights lie."""
import json
import os
import re
import sys
import tempfile

import numpy as np
import torch
import transformers

from families import IDS, build, counted, logits_of, stream

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "imatrix_experts.json")
CASES = ("mixtral", "mixtral window", "qwen2_moe", "granitemoe", "glm4_moe", "glm4_moe groups, all layers")


def sums_of(name):
    places, sums, counts = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        _, _, model = build(name, folder)
        for path, weights in model.named_parameters():
            found = re.search(r"layers\.(\d+)\..*(gate_up_proj|input_linear|down_proj|output_linear)", path)
            if weights.dim() == 3 and found:
                parts = ("ffn_down_exps",) if found[2] in ("down_proj", "output_linear") else ("ffn_gate_exps", "ffn_up_exps")
                for expert, one in enumerate(weights):
                    places[one.data_ptr()] = [f"blk.{found[1]}.{part}.weight" for part in parts], expert, len(weights)
        kept = torch.nn.functional.linear

        def linear(x, weight, bias=None):
            if weight.dim() == 2 and weight.data_ptr() in places:
                names, expert, experts = places[weight.data_ptr()]
                squares = (x.detach().double().reshape(-1, x.shape[-1]) ** 2).sum(0).numpy()
                for key in names:
                    sums.setdefault(key, np.zeros((experts, x.shape[-1])))[expert] += squares
                    counts.setdefault(key, np.zeros(experts, np.int64))[expert] += x.numel() // x.shape[-1]
            return kept(x, weight, bias)

        torch.nn.functional.linear = linear
        try:
            with torch.no_grad():
                logits_of(model, IDS)
        finally:
            torch.nn.functional.linear = kept
    return sums, counts


def row(key, sums, counts):
    flat = sums.reshape(-1)
    numbers = (flat.sum(), flat @ counted(stream(key), 0, flat.size), flat[0], flat[-1])
    return [len(sums), sums.shape[1], counts.tolist()] + [float(f"{v:.9g}") for v in numbers]


def main():
    transformers.logging.disable_progress_bar()
    cases = {}
    for name in CASES:
        sums, counts = sums_of(name)
        assert sums and all(count.sum() % IDS.size == 0 for count in counts.values()), name
        cases[name] = {key: row(key, sums[key], counts[key]) for key in sorted(sums)}
    with open(sys.argv[1] if len(sys.argv) > 1 else OUT, "w", encoding="utf-8") as f:
        f.write(json.dumps(cases, indent=0, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
