"""Writes ../data/stories/generation.json: what 200 tokens of transformers' generate(do_sample=False) in fp32 decode to after
some prompts: generation.py [OUT]. The two largest logits are nowhere closer than 2e-4, or the script stops."""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
STORIES = os.path.join(HERE, "..", "data", "stories")
PROMPTS = ["", "once upon a time", "lily and tom", "the dog was sad. \"why", "one day, a caf\u00e9", "a \u2603 in the snow", "tom said, \"no"]
TOKENS, APART = 200, 2e-4


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(STORIES, "generation.json")
    model = transformers.LlamaForCausalLM.from_pretrained(STORIES, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(os.path.join(STORIES, "tokenizer.json"))
    golden = {}
    for prompt in PROMPTS:
        ids = torch.tensor([tokenizer.encode(prompt).ids])
        made = model.generate(ids, do_sample=False, max_new_tokens=TOKENS, output_logits=True, return_dict_in_generate=True, pad_token_id=0)
        two = torch.stack(made.logits).topk(2).values
        apart = (two[..., 0] - two[..., 1]).min().item()
        whole, before = (tokenizer.decode(x, skip_special_tokens=True) for x in (made.sequences[0].tolist(), ids[0].tolist()))
        print(repr(prompt), "apart", apart, flush=True)
        assert apart > APART and whole.startswith(before)
        golden[prompt] = whole[len(before):]
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        json.dump(golden, f, ensure_ascii=False, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
