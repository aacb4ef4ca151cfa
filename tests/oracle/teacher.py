"""Writes ../data/teacher.json: what the model in examples/tiny-stories, with every down_proj halved, learns from itself
as it is, on three of its own sequences. teacher.py [OUT]"""
import json
import os
import sys

import torch

import llama
import structured

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "..", "examples", "tiny-stories")
DATA = os.path.join(HERE, "..", "data")
SEQUENCES, LENGTH, CE, KD = 3, 24, 0.5, 2.0


def main():
    config, weights = llama.load(MODEL)
    weights = {k: weights[k] for k in llama.names(config)}
    with open(os.path.join(DATA, "tiny-stories.json"), encoding="utf-8") as f:
        ids = torch.tensor(json.load(f)["ids"])[:SEQUENCES, :LENGTH]
    student = {k: (v * 0.5 if "down_proj" in k else v.clone()).requires_grad_(True) for k, v in weights.items()}
    with torch.no_grad():
        p = llama.logits(ids, weights, config)[:, :-1].log_softmax(-1)
    q = llama.logits(ids, student, config)[:, :-1].log_softmax(-1)
    ce = -q.gather(-1, ids[:, 1:, None]).sum()
    kl = torch.nn.functional.kl_div(q, p, reduction="sum", log_target=True)
    ((CE * ce + KD * kl) / ids[:, 1:].numel()).backward()
    golden = {"sequences": SEQUENCES, "length": LENGTH, "ce_weight": CE, "kd_weight": KD, "ce": ce.item(), "kl": kl.item(),
              "same": int((p.argmax(-1) == q.argmax(-1)).sum()),
              "gradient_l2": {k: v.grad.norm().item() for k, v in student.items()}}
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(DATA, "teacher.json")
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        json.dump(structured.rounded(golden), f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
