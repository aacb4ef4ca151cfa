"""Writes ../data/adapters.json: what peft and transformers, in fp64, make of tiny models of families with a LoRA beside
all their matrices, fused ones as the modules that they are: adapters.py [OUT].

Models are those of family_cases.py; numbers of factors, too, are made of tensors' names (families.weight)."""
import json
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import torch
import transformers
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

from family_cases import V
from families import IDS, build, digits, logits_of, stream, weight
from importance import counted

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "adapters.json")
NAMES = ["llama", "qwen3", "gemma3", "phi3", "glm", "cohere", "olmo2", "gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "bloom", "mpt", "falcon",
         "falcon each its own", "falcon groups"]
RANK, ALPHA = 3, 6


def case(name):
    with tempfile.TemporaryDirectory() as folder:
        _, _, model = build(name, folder)
        made = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear"))
        shapes = {key: list(value.shape) for key, value in get_peft_model_state_dict(made).items()}
        set_peft_model_state_dict(made, {key: weight(key, shape) for key, shape in shapes.items()})
        made = made.double().eval()
        flat = logits_of(made, IDS).detach().reshape(-1, V)
        loss = torch.nn.functional.cross_entropy(flat.reshape(len(IDS), -1, V)[:, :-1].reshape(-1, V), torch.tensor(IDS[:, 1:]).reshape(-1))
        flat = flat.numpy()
        return {"name": name, "loss": digits([loss.detach()], 9)[0], "largest": digits([np.abs(flat).max()])[0],
                "dots": digits(flat @ counted(stream("logits"), 0, V)), "factors": [[key, shape] for key, shape in sorted(shapes.items())]}


def write_cases(out, names, case):
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    with open(sys.argv[1] if len(sys.argv) > 1 else out, "w", encoding="utf-8", newline="\n") as f:
        f.write(f'{{"rank":{RANK},"alpha":{ALPHA},"cases":[\n')
        f.write(",\n".join(json.dumps(case(name), **compact) for name in names) + "]}\n")


if __name__ == "__main__":
    write_cases(OUT, NAMES, case)
