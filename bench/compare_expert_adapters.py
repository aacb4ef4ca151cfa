#!/usr/bin/env python3
"""Adapters inside experts that `pare recover --adapter` writes, loaded with peft, beside the models that `pare merge` makes of them.

usage: compare_expert_adapters.py PARE [CASE...]

PARE is the built program, CASE a tiny mixture of tests/oracle/family_cases.py. Each line compares the logits of the model with the
adapter in peft with those of the merged model, both in transformers in fp32: how far they are apart, next to how much the
adapter changes and how large logits are. Fails if they differ by more than rounding. Needs torch, transformers 5 and peft.
"""
import json
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "oracle"))
import torch  # noqa: E402
from families import IDS, build  # noqa: E402
from peft import PeftModel  # noqa: E402
from transformers import AutoModelForCausalLM, logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()
ROUNDING = 1e-5  # of the largest logit: some hundred fp32 roundings
CASES = ["mixtral", "qwen2_moe every second layer", "qwen3_moe", "granitemoe", "glm4_moe", "gpt_oss", "deepseek_v2", "deepseek_v3", "phimoe"]
TARGETS = ["", "q_proj,gate_proj,up_proj", "down_proj"]


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager").eval()


def logits(model):
    with torch.no_grad():
        return model(torch.tensor(IDS)).logits


def run(*words):
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)


def compare(pare, name, targets, parent):
    model, adapter, merged, data = (os.path.join(parent, part) for part in ("model", "adapter", "merged", "ids.jsonl"))
    os.mkdir(model)
    build(name, model)
    with open(data, "w", encoding="utf-8") as f:
        f.writelines(json.dumps([int(x) for x in row]) + "\n" for row in list(IDS) * 8)
    run(pare, "recover", model, "-o", adapter, "--adapter", "--data", data, "--steps", 4, "--batch", 4, "--rate", 0.05, "--val", 0,
        "--rank", 2, "--alpha", 4, "--dropout", 0.1, "--compute", "fp32", "--quiet", *(["--targets", targets] if targets else []))
    run(pare, "merge", model, "--adapter", adapter, "-o", merged, "--quiet")
    base, of_merged, of_peft = logits(load(model)), logits(load(merged)), logits(PeftModel.from_pretrained(load(model), adapter).eval())
    apart, change, largest = ((x - y).abs().max().item() for x, y in ((of_peft, of_merged), (of_merged, base), (of_merged, 0)))
    print(f"{name:32s} {targets or 'all':26s} apart {apart:.2e}  change {change:.3g}  largest {largest:.3g}", flush=True)
    return apart <= ROUNDING * largest and change > 0.1


def main():
    good = True
    for name in sys.argv[2:] or CASES:
        for targets in TARGETS:
            with tempfile.TemporaryDirectory() as parent:
                good &= compare(sys.argv[1], name, targets, parent)
    sys.exit(0 if good else "an adapter does something else in peft")


if __name__ == "__main__":
    main()
