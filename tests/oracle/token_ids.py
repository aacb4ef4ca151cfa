"""Trains the tokenizers in ../data/tokenizers on bundled text, and writes ../data/tokenizers.json: the ids of awkward strings
and of whole files by the tokenizers and sentencepiece libraries, no automatic BOS. token_ids.py [FOLDER [OUT]]: other places.

Beside these are those of ../data/stories and examples/tiny-stories. transformers' slow and fast LLaMA classes meet in
tokenizer_files.py."""
import hashlib
import io
import json
import os
import sys

import numpy as np
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
FILES = {"stories": "tests/data/stories/text.txt", "license": "LICENSE"}
FIXED = ["tests/data/stories/tokenizer.json", "tests/data/stories/tokenizer.model", "examples/tiny-stories/tokenizer.model"]
STRINGS = [
    "", "a", " ", "  ", "   a", "Hello world", "Hello  world ", " leading", "trailing ", "tab\tnewline\n\n\nend", "\n", "\r\nx\r\n",
    "na\u00efve caf\u00e9 \u2014 \u201cquotes\u201d \u2026 \u0153uvre", "don't I'll WE'VE they'd it'S", "1234567890 3.14159 1,000,000 \u0664\u0665\u0666\u0667", "x" * 50,
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \u4e2d\u6587", "emoji \U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1e9\U0001f1ea ok", "\u0301combining e\u0301", "zero\u200bwidth",
    "<s> literal </s> <unk>", "<|begin_of_text|> literal <|end_of_text|>", "nbsp\u00a0here", "\uff26\uff35\uff2c\uff2c\u3000\uff57\uff49\uff44\uff54\uff48", "a_b-c/d\\e",
    "{\"json\": [1, 2.5e-3, null]}", "def f(x):\n    return x  # comment\n", "\u03a9\u2248\u00e7\u221a\u222b\u02dc\u00b5\u2264\u2265\u00f7", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9\u05ea \u0939\u093f\u0928\u094d\u0926\u0940", "\x00\x01ctrl\x7f",
    "a\u0085b\u2028c\u2029d\u3000e", "\u0130\u0131\u017f\ufb01 \u01c5 \u1e9e", "!!! ... ---\n\n  \n\t x", "\ufeffbom", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \ud55c\uad6d\uc5b4"]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", newline="") as f:
        return f.read()


def lessons():
    """Text of every kind, so that there are merges for all of it."""
    return [read(name) for name in FILES.values()] + STRINGS * 40


def byte_level(size, pattern=None, special=("<|endoftext|>",)):
    tokenizer = Tokenizer(models.BPE())
    if pattern:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                                           pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[], show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(lessons(), trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    return tokenizer


def llama3(folder):
    """As LLaMA 3's: digits by three, words that are in the vocabulary not merged, BOS in front."""
    tokenizer = byte_level(700, LLAMA3, ("<|begin_of_text|>", "<|end_of_text|>"))
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B",
        special_tokens=[("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))])])
    content = json.loads(tokenizer.to_str())
    content["model"]["ignore_merges"] = True
    with open(os.path.join(folder, "llama3_style", "tokenizer.json"), "w", encoding="utf-8") as f:
        json.dump(content, f, ensure_ascii=False, indent=1)
        f.write("\n")


def nfkc(folder):
    """SentencePiece with the rules that it has by default: NFKC, spaces joined, no bytes for what is unknown."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter("\n".join(lessons()).replace("\x00", "").split("\n")), model_writer=model, model_type="bpe", vocab_size=600,
        character_coverage=1.0, num_threads=1, minloglevel=2)
    with open(os.path.join(folder, "nfkc", "tokenizer.model"), "wb") as f:
        f.write(model.getvalue())


def train(folder):
    for style in ("gpt2_style", "llama3_style", "nfkc"):
        os.makedirs(os.path.join(folder, style), exist_ok=True)
    byte_level(700).save(os.path.join(folder, "gpt2_style", "tokenizer.json"))
    llama3(folder)
    nfkc(folder)


def encoder(path):
    if path.endswith(".model"):
        return sentencepiece.SentencePieceProcessor(model_file=path).encode
    tokenizer = Tokenizer.from_file(path)
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def digest(ids):
    return {"count": len(ids), "sha256": hashlib.sha256(np.array(ids, "<u4").tobytes()).hexdigest()}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "tests", "data", "tokenizers")
    out = sys.argv[2] if len(sys.argv) > 2 else os.path.join(ROOT, "tests", "data", "tokenizers.json")
    train(folder)
    places = {name: os.path.join(ROOT, name) for name in FIXED}
    for name in ("gpt2_style/tokenizer.json", "llama3_style/tokenizer.json", "nfkc/tokenizer.model"):
        places["tests/data/tokenizers/" + name] = os.path.join(folder, name)
    golden = {"strings": STRINGS, "files": FILES, "tokenizers": {}}
    for name, path in places.items():
        encode = encoder(path)
        golden["tokenizers"][name] = {"ids": [encode(text) for text in STRINGS],
                                      "files": {key: digest(encode(read(file))) for key, file in FILES.items()}}
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
