"""Prints the values of test_reference_logits.c for checkpoint folders, by transformers: reference_logits.py FOLDER..."""
import sys

import torch
from transformers import LlamaForCausalLM

for folder in sys.argv[1:]:
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    vocabulary = model.config.vocab_size
    ids = torch.tensor([[(7 + 13 * i + i * i) % vocabulary for i in range(300)]])
    with torch.no_grad():
        out = model(ids, labels=ids)
    values = ", ".join(f"{x:.7f}" for x in out.logits[0, -1, :4].tolist())
    print(f"{out.loss.item():.7f}, {{{values}}}")
