"""Writes ../data/expert_heads.json: what transformers, in fp64, makes of models of EXPERT_CASES from which pare, the program in
PARE, has removed half of the KV groups: class, loss on the ids, names and shapes of the tensors."""
import json
import os
import subprocess
import sys
import tempfile

import torch
import transformers

from families import IDS
from family_pruning import DATA, PARE, look, write_model

CASES = ("mixtral", "qwen2_moe", "qwen3_moe", "granitemoe plain", "gpt_oss")
METHODS = ("magnitude-l2", "taylor", "taylor-second")


def prune(model, output, method):
    ids = output + ".json"
    with open(ids, "w", encoding="utf-8") as f:
        json.dump(IDS.tolist(), f)
    subprocess.run([PARE, "prune", model, "-o", output, "--threads", "1", "--compute", "fp32", "--quiet", "--ratio", "0.5", "--ffn-layers", "none", "--method", method,
                    *(["--calib", ids, "--samples", str(len(IDS)), "--length", str(len(IDS[0]))] if method.startswith("taylor") else [])], check=True)


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    with open(os.path.join(DATA, "experts.json"), encoding="utf-8") as f:
        cases = {c["name"]: c for c in json.load(f)["cases"]}
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name in CASES:
            model = os.path.join(place, name)
            write_model(cases[name], model)
            for method in METHODS:
                output = os.path.join(place, f"{name} - {method}")
                prune(model, output, method)
                found = look(output)
                rows.append({"name": name, "method": method, **{key: found[key] for key in ("class", "loss", "tensors")}})
                print(name, method, found["class"], found["loss"], flush=True)
    with open(os.path.join(DATA, "expert_heads.json"), "w", encoding="utf-8", newline="\n") as f:
        f.write('{"rows":[\n%s]}\n' % ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
