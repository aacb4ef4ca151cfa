#!/usr/bin/env python3
"""Writes tests/data/tokenizer_files.json: what transformers makes of examples/tiny-stories' tokenizer.model, or of its
tokenizer.json, with other files beside it (tokenizer_config.json, added_tokens.json, special_tokens_map.json).

usage: tokenizer_files.py [OUT]          transformers 5.24, tokenizers 0.23.3 and sentencepiece were used

AutoTokenizer reads each folder twice. As a Mistral's, where it builds the tokenizer from what the model file itself says:
these ids are written. As a LLaMA's, where its LlamaTokenizer class swallows a space that begins a stretch between two
added tokens, which neither sentencepiece nor a tokenizer.json made from the same model does: the ids must be the same for
every text whose stretches begin with no space, or the script stops.
"""
import json
import os
import shutil
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import tokenizers
import transformers

transformers.logging.set_verbosity_error()
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = os.path.join(ROOT, "examples", "tiny-stories")
SIZE = 1024

TEXTS = [
    "hello",
    "Once upon a time there was a little cat.\nThe cat sat.",
    "a<unk>b<s>c</s>d",
    "</s></s><unk>",
    "caf\u00e9<unk>\U0001f600\t</s>\n\nthe end",
    "<|im_start|>user\nWho was the cat?<|im_end|>\n<|im_start|>assistant\nA dog.<|im_end|>\n",
    "the cat, cats; dog<pad>dogs (dog)cat",
    "<|im_end|><|im_start|><|im_",
    "hello <unk> world <unk> n the </s> end",
    "  hello  ",
    " <s> once",
    "<|im_start|> user \n the <|im_end|>  dog  <pad>  x",
]


def token(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "single_word": False, "normalized": False,
            "special": True, **flags}

CONFIG = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "legacy": True,
          "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
PIECES = {"0": token("<unk>"), "1": token("<s>"), "2": token("</s>")}
CHAT = {"1024": token("<|im_end|>"), "1025": token("<|im_start|>", special=False)}
ADDED = {"<|im_end|>": 1024, "<|im_start|>": 1025}

# name: whether tokenizer.json lies there instead of tokenizer.model; tokenizer_config, added_tokens, special_tokens_map
CASES = {
    "nothing added": (False, CONFIG, None, None),
    "prefix at the beginning only": (False, {**CONFIG, "legacy": False, "added_tokens_decoder": {**PIECES, **CHAT}},
                                     None, None),
    "no BOS": (False, {**CONFIG, "add_bos_token": False}, None, None),
    "added_tokens.json": (False, CONFIG, ADDED, None),
    "added_tokens.json and a map": (False, CONFIG, ADDED,
                                    {"eos_token": "<|im_end|>", "additional_special_tokens": ["<|im_start|>"]}),
    "the map counts before the configuration": (
        False, {**CONFIG, "eos_token": "<|im_start|>"}, ADDED,
        {"eos_token": {"content": "<|im_end|>", "lstrip": False, "rstrip": False, "single_word": False,
                       "normalized": True}}),
    "added_tokens_decoder": (False, {**CONFIG, "eos_token": "<|im_end|>", "added_tokens_decoder": {**PIECES, **CHAT}},
                             None, None),
    "added_tokens_decoder silences the other files": (
        False, {**CONFIG, "added_tokens_decoder": {**PIECES, **CHAT}}, {**ADDED, "<pad>": 1026},
        {"eos_token": "<|im_end|>"}),
    "flags": (False, {**CONFIG, "added_tokens_decoder": {
        **PIECES, "1024": token("<|im_end|>", lstrip=True), "1025": token("<|im_start|>", rstrip=True),
        "1026": token("cat", single_word=True, special=False), "1027": token("dog", special=False),
        "1028": token("<pad>", lstrip=True, rstrip=True)}}, None, None),
    "flags of pieces": (False, {**CONFIG, "added_tokens_decoder": {
        "0": token("<unk>", rstrip=True), "1": token("<s>"), "2": token("</s>", lstrip=True)}}, None, None),
    "named, but without an id": (False, {**CONFIG, "eos_token": "<|im_end|>", "pad_token": "<pad>"}, None, None),
    "additional, but without ids": (
        False, {**CONFIG, "additional_special_tokens": ["<|im_end|>", "<|im_start|>"]}, None, None),
    "named in another order": (False, {**CONFIG, "cls_token": "<|im_", "pad_token": "<pad>", "image_token": "dog",
                                       "additional_special_tokens": ["<|im_start|>", {**token("cats", lstrip=True),
                                                                                      "__type": "AddedToken"}]},
                               None, None),
    "named without a BOS": (False, {**CONFIG, "bos_token": None}, None, None),
    "named beside added_tokens.json": (False, {**CONFIG, "pad_token": "<pad>"}, ADDED, None),
    "json: nothing added": (True, CONFIG, None, None),
    "json: added_tokens_decoder": (True, {**CONFIG, "eos_token": "<|im_end|>",
                                          "added_tokens_decoder": {**PIECES, **CHAT}}, None, None),
    "json: flags of its tokens": (True, {**CONFIG, "added_tokens_decoder": {
        "0": token("<unk>", rstrip=True), "1": token("<s>"), "2": token("</s>", lstrip=True)}}, None, None),
    "json: an id with a gap before it": (
        True, {**CONFIG, "added_tokens_decoder": {**PIECES, "1029": token("<|im_end|>")}}, None, None),
    "json: another name for a token": (
        True, {**CONFIG, "added_tokens_decoder": {**PIECES, "300": token("<|im_end|>")}}, None, None),
    "json: a map": (True, CONFIG, None, {"eos_token": "<|im_end|>"}),
    "json: named, but without an id": (True, {**CONFIG, "eos_token": "<|im_end|>", "pad_token": "<pad>"}, None, None),
}


def is_tight(text, tokenizer):
    """Whether no stretch of the text between added tokens begins with a space."""
    added = [token.content for token in tokenizer.added_tokens_decoder.values()]
    return not text.startswith(" ") and not any(content + " " in text for content in added)


def read(kind, fast, files):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(MODEL, "config.json"), encoding="utf-8") as file:
            config = {**json.load(file), "model_type": kind}
        shutil.copy(os.path.join(MODEL, "tokenizer.json" if fast else "tokenizer.model"), folder)
        for name, content in {**files, "config.json": config}.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                json.dump(content, file)
        return transformers.AutoTokenizer.from_pretrained(folder)


def main():
    cases = []
    for name, (fast, config, added, special) in CASES.items():
        files = {"tokenizer_config.json": config, "added_tokens.json": added, "special_tokens_map.json": special}
        files = {key: value for key, value in files.items() if value is not None}
        mistral, llama = read("mistral", fast, files), read("llama", fast, files)
        ids = [mistral.encode(text, add_special_tokens=False) for text in TEXTS]
        for text, expected in zip(TEXTS, ids):
            if not is_tight(text, mistral):
                continue
            other = llama.encode(text, add_special_tokens=False)
            if other != expected:
                sys.exit(f"{name}, {text!r}: {expected} as a Mistral's, {other} as a LLaMA's")
        cases.append({"name": name, "json": fast, "files": files, "size": len(mistral), "bos": mistral.bos_token_id,
                      "eos": mistral.eos_token_id, "adds_bos": len(mistral.encode("a")) > len(
                          mistral.encode("a", add_special_tokens=False)), "ids": ids})
        if (len(llama), llama.bos_token_id, llama.eos_token_id) != (len(mistral), mistral.bos_token_id,
                                                                    mistral.eos_token_id):
            sys.exit(f"{name}: the classes differ in size, BOS or EOS")
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "tests", "data", "tokenizer_files.json")
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"made_with": f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}",
                   "texts": TEXTS, "cases": cases}, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
