#!/usr/bin/env python3
"""Writes tests/data/tokenizer_vocabularies.json.gz: what transformers' AutoTokenizer makes of 400 odd texts in folders that have
vocab.json and merges.txt, but no tokenizer.json, as OPT's and GPT-2's.

usage: tokenizer_vocabularies.py [OUT]          transformers 5.24 and tokenizers 0.23.3 were used

"vocab.json" is the vocabulary of tests/data/tokenizers/gpt2_style/tokenizer.json and, after it, the case's "tokens"; "merges.txt"
has that file's merges behind the case's "head"."""
import gzip
import json
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import tokenizers
import transformers

from token_ids import ROOT
from tokenizer_kinds import odd_texts

transformers.logging.set_verbosity_error()
BASE = os.path.join(ROOT, "tests", "data", "tokenizers", "gpt2_style", "tokenizer.json")
VERSION = "#version: 0.2\n"


def token(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "single_word": False, "normalized": True, **flags}


END = ["<|endoftext|>"]
OPT = ["<s>", "<pad>", "</s>", "<unk>"]
OPT_CONFIG = {"errors": "replace", "unk_token": {**token("</s>"), "__type": "AddedToken"},
              "bos_token": {**token("</s>"), "__type": "AddedToken"}, "eos_token": {**token("</s>"), "__type": "AddedToken"},
              "pad_token": {**token("<pad>"), "__type": "AddedToken"}, "add_prefix_space": False, "add_bos_token": True,
              "tokenizer_class": "GPT2Tokenizer"}
OPT_MAP = {"bos_token": token("</s>"), "eos_token": token("</s>"), "unk_token": token("</s>"), "pad_token": token("<pad>")}
CHAT = {"701": token("<|im_start|>", special=True, normalized=False), "702": token("[w]", special=False, normalized=False, lstrip=True)}
QWEN = {"700": token("<|endoftext|>", special=True, normalized=False), **CHAT}

# name: model_type, tokens that follow the vocabulary, the beginning of merges.txt, other files
CASES = {
    "gpt2, nothing beside": ("gpt2", END, VERSION, {}),
    "gpt2, no version": ("gpt2", END, "", {"tokenizer_config.json": {"model_max_length": 1024}}),
    "gpt2, a space in front": ("gpt2", END, VERSION, {"tokenizer_config.json": {"add_prefix_space": True,
                                                                               "tokenizer_class": "GPT2Tokenizer"}}),
    "gpt2, end token not in the vocabulary": ("gpt_neo", [], VERSION, {"tokenizer_config.json": {
        "tokenizer_class": "GPT2Tokenizer", "pad_token": "<pad>", "additional_special_tokens": ["<|im_start|>", "[w]"]}}),
    "gpt2, no bos": ("gptj", END, VERSION, {"tokenizer_config.json": {
        "tokenizer_class": "GPT2TokenizerFast", "bos_token": None, "add_eos_token": True}}),
    "opt": ("opt", OPT, VERSION, {"tokenizer_config.json": OPT_CONFIG, "special_tokens_map.json": OPT_MAP}),
    "phi": ("phi", END, VERSION, {"tokenizer_config.json": {"tokenizer_class": "CodeGenTokenizer", "add_prefix_space": False},
                                  "added_tokens.json": {"   ": 701, "  ": 702, "\t\t": 703}}),
    "qwen2": ("qwen2", END, VERSION, {"tokenizer_config.json": {
        "tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": False, "added_tokens_decoder": QWEN, "bos_token": None,
        "eos_token": "<|im_start|>", "unk_token": None, "pad_token": "<|endoftext|>"}}),
    "qwen3": ("qwen3", END, VERSION, {}),
    "gpt_neox": ("gpt_neox", END + ["<|padding|>"], VERSION, {"tokenizer_config.json": {"tokenizer_class": "GPTNeoXTokenizer"}}),
    "starcoder2": ("starcoder2", END, VERSION, {"tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer",
                                                                          "add_bos_token": True, "add_eos_token": True}}),
}


def read(case, base):
    kind, tokens, head, files = case
    vocabulary = dict(base["vocab"])
    for text in tokens:
        vocabulary[text] = len(vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in {**files, "config.json": {"model_type": kind}, "vocab.json": vocabulary}.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                json.dump(content, file)
        with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as file:
            file.write(head + "".join(" ".join(merge) + "\n" for merge in base["merges"]))
        return transformers.AutoTokenizer.from_pretrained(folder)


def main():
    with open(BASE, encoding="utf-8") as file:
        base = json.load(file)["model"]
    texts, cases = odd_texts(17, 400), []
    for name, case in CASES.items():
        tokenizer = read(case, base)
        ids = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
        decoded = [tokenizer.decode(i, skip_special_tokens=True, clean_up_tokenization_spaces=False) for i in ids]
        bare, whole = tokenizer.encode("a", add_special_tokens=False), tokenizer.encode("a")
        cases.append({"name": name, "model_type": case[0], "tokens": case[1], "head": case[2], "files": case[3], "size": len(tokenizer),
                      "bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "in_front": whole[:whole.index(bare[0])],
                      "behind": whole[whole.index(bare[0]) + len(bare):], "ids": ids,
                      "decoded": [None if a == b else a for a, b in zip(decoded, texts)]})
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "tests", "data", "tokenizer_vocabularies.json.gz")
    content = json.dumps({"made_with": f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}",
                          "texts": texts, "cases": cases}, separators=(",", ":"), ensure_ascii=False).encode()
    with open(out, "wb") as file, gzip.GzipFile("", "wb", 9, file, 0) as packed:
        packed.write(content)


if __name__ == "__main__":
    main()
