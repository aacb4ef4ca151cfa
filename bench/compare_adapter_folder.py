#!/usr/bin/env python3
"""Adapter folders that pare writes, loaded with peft, and folders that peft writes, read by pare.

usage: compare_adapter_folder.py BENCH MODEL

BENCH is the built bench_adapter_folder, MODEL a small folder in fp32. Each line compares the logits of the model with
the adapter in peft with those of the model that pare merged, both in transformers in fp32: how far they are apart, next
to how much the adapter changes and how large logits are. Fails if they differ by more than rounding.
Needs torch, transformers and peft.
"""
import os
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()
ROUNDING = 1e-5  # of the largest logit: some hundred fp32 roundings

# What peft is told, and the dtype its factors are saved in.
FOLDERS = [
    ("all-linear", dict(target_modules="all-linear"), torch.float32),
    ("rslora, q and down", dict(target_modules=["q_proj", "down_proj"], use_rslora=True), torch.float32),
    ("an expression, bf16", dict(target_modules=r".*layers\.[13]\..*(v|gate)_proj"), torch.bfloat16),
    ("one layer, fp16", dict(target_modules=["o_proj"], layers_to_transform=[2]), torch.float16),
]


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def logits(model, ids):
    with torch.no_grad():
        return model(ids).logits.float()


def folder_for_merged(model, parent, name):
    folder = os.path.join(parent, name)
    os.mkdir(folder)
    shutil.copy(os.path.join(model, "config.json"), folder)
    return folder


def report(name, with_adapter, merged, base):
    apart = (with_adapter - merged).abs().max().item()
    largest = with_adapter.abs().max().item()
    change = (with_adapter - base).abs().max().item()
    print(f"{name:24s} apart {apart:.2e}  change {change:.3g}  largest {largest:.3g}")
    return apart <= ROUNDING * largest and change > 0.1


def compare_written(bench, model, ids, base, parent):
    folder = os.path.join(parent, "pare")
    os.mkdir(folder)
    merged = folder_for_merged(model, parent, "pare-merged")
    subprocess.run([bench, "write", model, folder, merged], check=True)
    adapted = PeftModel.from_pretrained(load(model), folder).eval()
    return report("written by pare", logits(adapted, ids), logits(load(merged), ids), base)


def save_with_peft(model, options, dtype, folder):
    """A folder with random factors, and the model with what was saved."""
    torch.manual_seed(0)
    config = LoraConfig(task_type="CAUSAL_LM", r=5, lora_alpha=11, lora_dropout=0.1, init_lora_weights=False, **options)
    adapted = get_peft_model(load(model), config).eval()
    factors = [p for name, p in adapted.named_parameters() if "lora_" in name]
    for p in factors:
        p.data = (p.data * 0.5).to(dtype)
    adapted.save_pretrained(folder)
    for p in factors:
        p.data = p.data.float()
    return adapted


def compare_read(bench, model, ids, base, parent, case):
    name, options, dtype = FOLDERS[case]
    folder = os.path.join(parent, f"peft-{case}")
    merged = folder_for_merged(model, parent, f"peft-{case}-merged")
    adapted = save_with_peft(model, options, dtype, folder)
    subprocess.run([bench, "read", model, folder, merged], check=True, stdout=subprocess.DEVNULL)
    return report(name, logits(adapted, ids), logits(load(merged), ids), base)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    bench, model = sys.argv[1:]
    base_model = load(model)
    ids = torch.randint(0, base_model.config.vocab_size, (3, 40), generator=torch.Generator().manual_seed(1))
    base = logits(base_model, ids)
    with tempfile.TemporaryDirectory() as parent:
        fine = [compare_written(bench, model, ids, base, parent)]
        fine += [compare_read(bench, model, ids, base, parent, case) for case in range(len(FOLDERS))]
    sys.exit(0 if all(fine) else "peft and pare differ by more than rounding")


if __name__ == "__main__":
    main()
