"""Makes OUT/tokenizer.model, a tiktoken file as Llama 3 has in Meta's own format, of the tokens of
tests/data/tokenizers/llama3_style, and OUT/ids.json: what the tiktoken library makes of awkward strings with it.

    python tests/oracle/tiktoken_file.py tests/data/tiktoken
"""
import base64
import json
import os
import sys

import tiktoken

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "data")
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = {0: "<|begin_of_text|>", 1: "<|end_of_text|>", 2: "<|reserved_special_token_0|>", 4: "<|finetune_right_pad_id|>", 6: "<|start_header_id|>",
           7: "<|end_header_id|>", 9: "<|eot_id|>", 10: "<|python_tag|>", 11: "<|reserved_special_token_3|>", 255: "<|reserved_special_token_247|>"}


def spelling():
    """GPT-2's characters for bytes, back to bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


def main(out):
    with open(os.path.join(DATA, "tokenizers/llama3_style/tokenizer.json"), encoding="utf-8") as file:
        vocabulary = json.load(file)["model"]["vocab"]
    with open(os.path.join(DATA, "tokenizers.json"), encoding="utf-8") as file:
        strings = json.load(file)["strings"]
    strings += [text + " and " + text for text in SPECIAL.values()]
    bytes_of = spelling()
    ranks = {bytes(bytes_of[c] for c in token): rank for token, rank in vocabulary.items()}
    os.makedirs(out, exist_ok=True)
    with open(out + "/tokenizer.model", "wb") as file:
        for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
            file.write(base64.b64encode(token) + b" %d\n" % rank)
    encoding = tiktoken.Encoding("tiny", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={text: len(ranks) + at for at, text in SPECIAL.items()})
    with open(out + "/ids.json", "w", encoding="utf-8") as file:
        json.dump([{"text": text, "ids": encoding.encode(text, allowed_special="all")} for text in strings], file, separators=(",", ":"))
        file.write("\n")


main(sys.argv[1])
