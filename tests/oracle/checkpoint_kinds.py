"""Prints what transformers computes for checkpoint folders, for the golden numbers of tests/model/test_checkpoint_kinds.c.

    PARE_TEST_KEEP=1 build/release/tests/test_checkpoint_kinds    makes the folders and names them
    python tests/oracle/checkpoint_kinds.py FOLDER...             transformers 5

The same lines under transformers 4.46 to 4.57 say what older ones read from a config.json; what pare writes must give
the same in all of them, but for a Mistral with scaled rotary positions, which 4.47 and before compute without.
"""
import sys

import torch
from transformers import AutoModelForCausalLM

LENGTH, SHOWN = 48, 4

for folder in sys.argv[1:]:
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation="eager").eval()
    except Exception as error:
        print(folder, "refused:", type(error).__name__, str(error).replace("\n", " ")[:160])
        continue
    vocabulary = model.config.vocab_size
    ids = torch.tensor([[(7 + 13 * i + i * i) % vocabulary for i in range(LENGTH)]])
    with torch.no_grad():
        logits = model(ids).logits[0].double()
    loss = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:]).item()
    values = ", ".join(f"{x:.7f}" for x in logits[-1, :SHOWN].tolist())
    print(folder, type(model).__name__, f"{loss:.7f}, {{{values}}}")
