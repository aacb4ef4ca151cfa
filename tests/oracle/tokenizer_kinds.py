#!/usr/bin/env python3
"""Writes tests/data/tokenizer_kinds.json.gz: 400 odd texts, and what the tokenizers library (or sentencepiece, for a
tokenizer.model) makes of them with a small tokenizer of every kind that models have: their normalizers, pre-tokenizers,
models and decoders are those of the families, their vocabularies are trained on bundled text.

usage: tokenizer_kinds.py [OUT [SEED COUNT]]    other texts with another seed; tokenizers 0.23.3 and sentencepiece 0.2.3 were used

A tokenizer's "model" names one of "models"; "@charsmap" stands for the table that tests/data/tokenizers/nfkc/tokenizer.model
has, in base64, and a SentencePiece model with "charsmap" has it appended. "decoded" is null where it is the text itself."""
import array
import base64
import collections
import gzip
import io
import json
import os
import random
import sys
import zlib

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from token_ids import LLAMA3, ROOT, lessons

P, N, D = pre_tokenizers, normalizers, decoders
MARK = "\u2581"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
BLOOM = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"
WORD = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
TITLE = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
REST = r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CONTRACTED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = WORD + CONTRACTED + "|" + TITLE + CONTRACTED + REST
TEKKEN = WORD + "|" + TITLE + REST.replace("{1,3}", "")
DEEPSEEK = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
            r"|\s*[\r\n]+|\s+(?!\S)|\s+")
HAN = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"


def level(prefix=False, regex=True):
    return P.ByteLevel(add_prefix_space=prefix, use_regex=regex)


def split(pattern, behavior="isolated", invert=False):
    return P.Split(Regex(pattern), behavior, invert)


def spelled(*steps):
    return P.Sequence([*steps, level(regex=False)])


def nested(pattern, behavior="isolated"):
    return spelled(split(pattern, behavior))


# name: normalizer, pre-tokenizer of a byte-level BPE
BYTES = {
    "gpt2": (None, level()),
    "gpt2 with a space in front": (None, level(prefix=True)),
    "gpt_neox": (N.NFC(), level()),
    "qwen2": (N.NFC(), nested(QWEN2)),
    "llama3": (None, nested(LLAMA3)),
    "gpt4o, phi4": (None, spelled(split(GPT4O, "removed", True))),
    "mistral tekken": (None, nested(TEKKEN)),
    "deepseek": (None, spelled(split(r"\p{N}{1,3}"), split(HAN), split(DEEPSEEK))),
    "bloom": (None, nested(BLOOM)),
    "falcon": (None, P.Sequence([P.Punctuation("contiguous"), level(), P.Digits(individual_digits=False),
                                 split("[0-9][0-9][0-9]")])),
    "starcoder, smollm": (None, P.Sequence([P.Digits(individual_digits=True), level()])),
    "cohere": (N.NFC(), P.Sequence([P.Digits(individual_digits=True), level(prefix=False)])),
    "exaone": (N.NFC(), nested(QWEN2 + "|[^\\r\\n]")),
    "bytes in the middle": (None, P.Sequence([P.Whitespace(), level(prefix=True), P.Punctuation("merged_with_previous")])),
    "bytes twice": (None, P.Sequence([level(), P.Digits(individual_digits=True), level(regex=False)])),
    "bytes before metaspace": (None, P.Sequence([level(regex=False), P.Metaspace("\u0120", "never")])),
    "bytes normalised": (N.Sequence([N.Lowercase(), N.ByteLevel()]), split("\u0120?[a-z]+|.")),
    "bert": (None, P.Sequence([P.BertPreTokenizer(), level(regex=False)])),
    "fixed length": (None, P.Sequence([P.FixedLength(5), level(regex=False)])),
    "classes in classes": (None, nested(r"[^[a-c]\d[^\w\s]]+|[[a-y]&&[^b-d]&&\w]+|[\W&&[:ascii:]]+", "isolated")),
    "named classes": (None, nested(r"[[:alpha:]_]+|[[:digit:][:space:]]+|[^[:^upper:]x]+", "merged_with_next")),
    "opposites in classes": (None, nested(r"[\W\d]+|[^\S\r\n]+|[\H&&[^g-k-]]+|[-a\-b]+|[a-c-]+", "contiguous")),
}


def metaspace(scheme="always", divide=True):
    return P.Metaspace(MARK, scheme, divide)


def fallback(strip=True):
    steps = [D.Replace(MARK, " "), D.ByteFallback(), D.Fuse()]
    return D.Sequence(steps + ([D.Strip(" ", 1, 0)] if strip else []))


LEGACY = N.Sequence([N.Prepend(MARK), N.Replace(" ", MARK)])

# name: normalizer, pre-tokenizer, decoder of a BPE of characters
CHARACTERS = {
    "llama2": (LEGACY, None, fallback()),
    "llama2, not legacy": (None, metaspace("first", False), fallback()),
    "gemma": (N.Replace(" ", MARK), P.Split(" ", "merged_with_previous"), fallback(strip=False)),
    "metaspace": (None, metaspace(), D.Metaspace(MARK)),
}

# name: normalizer ("@" puts the table first), pre-tokenizer, decoder of a Unigram model, whether bytes are its fallback
UNIGRAM = {
    "t5": (["@", N.Strip(left=False, right=True), N.Replace(Regex(" {2,}"), MARK)], metaspace(), D.Metaspace(MARK), False),
    "t5, first": (["@"], metaspace("first"), D.Metaspace(MARK, "first"), False),
    "xlnet": ([N.Replace("``", '"'), N.Replace("''", '"'), N.NFKD(), N.StripAccents(), N.Lowercase(), "@",
               N.Replace(Regex(" {2,}"), " ")], P.Sequence([P.WhitespaceSplit(), metaspace()]), D.Metaspace(MARK), False),
    "helium": ([N.Prepend(" "), N.Replace(" ", MARK)], P.Sequence([P.Split("\n", "contiguous")]), fallback(), True),
    "sentencepiece by transformers": (["@", N.Replace(Regex(r"\A +| +\z"), ""), N.Replace(Regex(" {2,}"), " "),
                                       N.Replace(" ", MARK), N.Replace(Regex(r"\A" + MARK), MARK * 2)],
                                      P.Sequence([metaspace(divide=False)]), fallback(), True),
    "nfkc": ([N.NFKC(), N.Nmt(), N.Strip()], metaspace("never"), D.Metaspace(MARK, "never"), False),
}

WORDS = ["the", "The", "cat", "Once upon a time", "naïve", "café", "cafe\u0301", "don't", "I'LL", "WE'VE", "it's", "they'd", "x==y", "HTTPServer",
         "iPhone", "\u01c5", "\u0130stanbul", "stra\u00dfe", "\ufb01n", "\u03a9\u03bc\u03ad\u03b3\u03b1", "\u043f\u0440\u0438\u0432\u0435\u0442", "\u65e5\u672c\u8a9e\u30c6\u30b9\u30c8", "\u4e2d\u6587\uff0c\u6807\u70b9\u3002", "\ud55c\uad6d\uc5b4",
         "\u1112\u1161\u11ab", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629\u060c", "\u05e2\u05d1\u05e8\u05d9\u05ea", "\u0939\u093f\u0928\u094d\u0926\u0940\u0964", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd",
         "\U0001d400\U0001d401", "\uff26\uff35\uff2c\uff2c", "\u24b6\u24b7", "def f(x):", "http://a.b/c?d=e&f#g", "a_b-c/d\\e", "<|im_start|>", "<s>", "</s>",
         "<unk>", "<pad>", "<|endoftext|>", "[w]", "  [w]  ", "<0x41>", "\u0120the", MARK, MARK + "the", "``quoted''", "e\u200d", "a\u0301\u0302\u0303"]
NUMBERS = ["0", "7", "42", "123", "1234", "1234567890", "3.14159", "1,000,000", "\u0664\u0665\u0666", "\u2167", "\u00bd", "\u00b2\u00b3", "\u0968\u0969", "1st", "0x1F", "\uff11\uff12", "\u2460"]
MARKS = [".", ",", "!", "?", "...", "\u2026", "---", "\u2014", "!?!", "\u201c", "\u201d", "'", "''", "\u00ab\u00bb", "(", ")", "|", "[", "]", "{}", "$", "+", "=", "^", "~~", "`", "@#", "\u20ac", "\u00d7\u00f7",
         "\u3001", "\u06d4", "\u0964", "\u00a1\u00bf", "*", "//", "\\n", "&&", "-", "_"]
SPACES = [" ", " ", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\r", " \n", "\n  ", "\u00a0", "\u3000", "\u2003", "\u200b", "\u0085", "\u2028", "\u180e", "\x0b\x0c", "", "", ""]
ODD = ["\x00", "\x01\x02", "\x7f", "\ufeff", "\ufffd", "\ufffe", "\U0010ffff", "\ue000", "\u0378", "\U0001f600", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea\U0001f1eb", "\U0001f44d\U0001f3fd",
       "\u2764\ufe0f", "\u0301", "\u200d", "\u202e", "\u0600" + "1", "\u00ad", "a" * 70, " " * 40, "-" * 33, "ab" * 40, "\u65e5" * 25, "\u0301" * 9, "\n" * 9, "\U0001f600" * 12, "9" * 31,
       "\u00c0\u0323", "q\u0307\u0323", "\u1e9b\u0323", "\u212b", "\uac00\u11a8", "\u0dda", "\u20dd" + "x"]


LONG, TIMES = "----- caf\u00e9 [w]aab\n", 8000


def odd_texts(seed, count):
    draw = random.Random(seed)
    texts = ["", " ", "a", " a", "a ", "  a  ", "\n", MARK, "<s>", " <s> a", "\u0301"] + ODD
    while len(texts) < count:
        text = ""
        for _ in range(draw.randint(1, 8)):
            pool = draw.choices([WORDS, NUMBERS, MARKS, ODD], [6, 3, 3, 1])[0]
            text += draw.choice(pool) + draw.choice(SPACES)
        texts.append(text if draw.random() < 0.7 else text.strip())
    return texts[:count]


def write(tokenizer, model, charsmap=False):
    content = json.loads(tokenizer.to_str())
    content["model"] = model
    if charsmap:
        for step in content["normalizer"]["normalizers"]:
            if step["type"] == "Precompiled":
                step["precompiled_charsmap"] = "@charsmap"
    return {"json": content}


def results(tokenizer, texts):
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    decoded = [tokenizer.decode(i) for i in ids]
    return {"ids": ids, "decoded": [None if a == b else a for a, b in zip(decoded, texts)],
            "any": any_ids(tokenizer.get_vocab_size(), tokenizer.decode)}


def any_ids(size, decode):
    """Ids that no text has, as untrained models write them, and their text."""
    draw = random.Random(size)
    lists = [[draw.randrange(size) for _ in range(draw.randint(1, 9))] for _ in range(50)]
    return [[ids, decode(ids)] for ids in lists]


def added(*names, **flags):
    return [AddedToken(name, special=True, normalized=False, **flags) for name in names]


def byte_level(texts, out):
    base = Tokenizer(models.BPE())
    base.pre_tokenizer = level()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", "<s>", "</s>", "<pad>"], show_progress=False,
                                  initial_alphabet=sorted(P.ByteLevel.alphabet()))
    base.train_from_iterator(lessons(), trainer)
    out["models"]["bytes"] = json.loads(base.to_str())["model"]
    for name, (normalizer, pre) in BYTES.items():
        tokenizer = Tokenizer(models.BPE.from_str(json.dumps(out["models"]["bytes"]))) if hasattr(models.BPE, "from_str") else \
            Tokenizer.from_str(json.dumps({**json.loads(base.to_str()), "added_tokens": []}))
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer, tokenizer.decoder = pre, D.ByteLevel()
        tokenizer.add_special_tokens(added("<|endoftext|>", "<s>", "</s>"))
        if name == "gpt_neox":  # runs of spaces are tokens, to be found in normalised text
            tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
        tokenizer.add_tokens([AddedToken("[w]", single_word=True, lstrip=True, rstrip=True, normalized=True)])
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
        out["tokenizers"][name] = {**write(tokenizer, "bytes"), **results(tokenizer, texts)}


def characters(texts, out):
    base = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    base.pre_tokenizer = metaspace()
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    counts = collections.Counter("".join(lessons()))
    known = set(sorted(set(counts) - {"\x00"}, key=lambda letter: (-counts[letter], letter))[:150])
    base.train_from_iterator(["".join(letter if letter in known else " " for letter in text) for text in lessons()], trainer)
    model = json.loads(base.to_str())["model"]
    for byte in range(256):
        model["vocab"].setdefault(f"<0x{byte:02X}>", len(model["vocab"]))
    model["byte_fallback"] = True
    out["models"]["characters"] = model
    out["models"]["characters without bytes"] = {**model, "byte_fallback": False}
    for name, (normalizer, pre, decoder) in CHARACTERS.items():
        which = "characters without bytes" if name == "metaspace" else "characters"
        tokenizer = Tokenizer.from_str(json.dumps({**json.loads(base.to_str()), "added_tokens": [], "pre_tokenizer": None,
                                                   "model": out["models"][which]}))
        if normalizer:
            tokenizer.normalizer = normalizer
        if pre:
            tokenizer.pre_tokenizer = pre
        tokenizer.decoder = decoder
        tokenizer.add_special_tokens(added("<unk>", "<s>", "</s>"))
        out["tokenizers"][name] = {**write(tokenizer, which), **results(tokenizer, texts)}


def train_sentencepiece(**options):
    model = io.BytesIO()
    sentences = "\n".join(lessons()).replace("\x00", "").split("\n")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, model_type="unigram", character_coverage=0.999, num_threads=1,
        minloglevel=2, hard_vocab_limit=False, **options)
    return model.getvalue()


def without_charsmap(data):
    """The model's bytes without the table, and whether it had one."""
    model = sentencepiece_model_pb2.ModelProto.FromString(data)
    had = bool(model.normalizer_spec.precompiled_charsmap)
    model.normalizer_spec.ClearField("precompiled_charsmap")
    return base64.b64encode(model.SerializeToString()).decode(), had


SENTENCEPIECE = {
    "unigram model": dict(vocab_size=500),
    "unigram model with bytes": dict(vocab_size=700, byte_fallback=True, normalization_rule_name="identity", split_digits=True,
                                     user_defined_symbols=["[w]", "<|im_start|>", "  ", "\u65e5\u672c", "ab"], control_symbols=["<pad>"]),
    "unigram model that keeps spaces": dict(vocab_size=500, remove_extra_whitespaces=False, add_dummy_prefix=False,
                                            split_by_whitespace=False, user_defined_symbols=["cat"]),
    "unigram model with suffixes": dict(vocab_size=400, treat_whitespace_as_suffix=True, normalization_rule_name="nfkc_cf"[:4] + "_cf"),
}


def unigram(texts, out):
    for name, options in SENTENCEPIECE.items():
        if name == "unigram model with suffixes":  # its table would be another one
            options = {**options, "normalization_rule_name": "identity"}
        data = train_sentencepiece(**options)
        processor = sentencepiece.SentencePieceProcessor(model_proto=data)
        ids = [processor.encode(text) for text in texts]
        model, charsmap = without_charsmap(data)
        decoded = [processor.decode(i) for i in ids]
        long_ids = processor.encode(LONG * TIMES)  # the library takes sums of scores back when they get too low
        out["tokenizers"][name] = {"sentencepiece": model, "charsmap": charsmap, "ids": ids,
                                   "decoded": [None if a == b else a for a, b in zip(decoded, texts)],
                                   "any": any_ids(processor.get_piece_size(), processor.decode),
                                   "long": {"unit": LONG, "times": TIMES, "count": len(long_ids),
                                            "crc32": zlib.crc32(array.array("I", long_ids).tobytes())}}
        if name in ("unigram model", "unigram model with bytes"):
            pieces = [[processor.id_to_piece(i), processor.get_score(i)] for i in range(processor.get_piece_size())]
            fallback_name = "pieces with bytes" if "bytes" in name else "pieces"
            out["models"][fallback_name] = {"type": "Unigram", "unk_id": 0, "vocab": pieces, "byte_fallback": "bytes" in name}
    with open(os.path.join(ROOT, "tests", "data", "tokenizers", "nfkc", "tokenizer.model"), "rb") as f:
        table = sentencepiece_model_pb2.ModelProto.FromString(f.read()).normalizer_spec.precompiled_charsmap
    for name, (steps, pre, decoder, with_bytes) in UNIGRAM.items():
        which = "pieces with bytes" if with_bytes else "pieces"
        steps = [N.Precompiled(table) if step == "@" else step for step in steps]
        pieces = out["models"][which]
        tokenizer = Tokenizer(models.Unigram([tuple(piece) for piece in pieces["vocab"]], 0, with_bytes))
        tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = N.Sequence(steps), pre, decoder
        tokenizer.add_special_tokens(added("<s>", "</s>"))
        if name != "t5, first":
            tokenizer.add_special_tokens(added("<unk>"))
        out["tokenizers"][name] = {**write(tokenizer, which, True), **results(tokenizer, texts)}


def make(seed, count):
    texts = odd_texts(seed, count)
    out = {"made_with": f"tokenizers {tokenizers.__version__}, sentencepiece {sentencepiece.__version__}", "texts": texts,
           "models": {}, "tokenizers": {}}
    byte_level(texts, out)
    characters(texts, out)
    unigram(texts, out)
    return out


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "tests", "data", "tokenizer_kinds.json.gz")
    seed, count = (int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else (16, 400)
    content = json.dumps(make(seed, count), separators=(",", ":"), ensure_ascii=False).encode()
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, 0) as packed:
        packed.write(content)


if __name__ == "__main__":
    main()
