"""Writes ../data/examples.json: instruction rows made of sentences of ../data/stories/text.txt, and their tokens as the
public Alpaca code tokenises them with transformers: examples.py [OUT].

Prompt and answer are one text, cut at the cutoff, EOS behind it where there is room; the prompt's length is that of its own
tokens. Rows whose answer is cut away altogether are left out."""
import json
import os
import re
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import transformers

HERE = os.path.dirname(os.path.abspath(__file__))
STORIES = os.path.join(HERE, "..", "data", "stories")
ROWS, CUTOFF = 150, 256
WITH = ("Below is an instruction that describes a task, paired with an input that provides further context. Write a response "
        "that appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n")
WITHOUT = ("Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
           "### Instruction:\n{instruction}\n\n### Response:\n")


def rows():
    with open(os.path.join(STORIES, "text.txt"), encoding="utf-8", newline="") as f:
        sentences = re.findall(r"[^.\n]+\.", f.read())
    for i in range(ROWS):
        at = 10 * i
        yield {"instruction": "Tell: " + sentences[at].strip(), "input": "".join(sentences[at + 1:at + 1 + i % 3 * (i % 7)]).strip(),
               "output": "".join(sentences[at + 5:at + 6 + i % 5]).strip() + ("" if i % 4 else " \u00a9 \u2603")}


def tokens(tokenizer, row):
    prompt = (WITH if row["input"] else WITHOUT).format(**row)
    ids = tokenizer.encode(prompt + row["output"])[:CUTOFF]
    if len(ids) < CUTOFF and ids[-1] != 2:
        ids.append(2)
    return {"prompt": min(len(tokenizer.encode(prompt)), CUTOFF), "ids": ids}


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", "data", "examples.json")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=os.path.join(STORIES, "tokenizer.json"))
    made = list(rows())
    examples = [tokens(tokenizer, row) for row in made]
    kept = [e for e in examples if e["prompt"] < len(e["ids"])]
    assert 0 < len(kept) < ROWS and any(len(e["ids"]) == CUTOFF for e in kept)
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        json.dump({"cutoff": CUTOFF, "rows": made, "dropped": ROWS - len(kept), "examples": kept}, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
