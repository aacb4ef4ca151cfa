#!/usr/bin/env python3
"""Times pare's tokenizer against sentencepiece and Hugging Face tokenizers on one core, on the same file.

usage: tokenizer_compare.py BENCH_TOKENIZER TEXT TOKENIZER...

BENCH_TOKENIZER is the built bench_tokenizer; each TOKENIZER is a tokenizer.model or tokenizer.json. Each library gets
the whole file as one text, and line by line as a batch, where it caches better; the fastest of three runs counts. The
ratio is to the faster of the two. `same count` says whether the whole text gave as many ids (that they are the same ids
is the business of test_golden_tokenizers).
"""
import json
import os
import subprocess
import sys
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
REPEATS = 3


def fastest(function):
    best = None
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = function()
        seconds = time.perf_counter() - start
        best = seconds if best is None else min(best, seconds)
    return best, result


def encode_with_sentencepiece(path, text):
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=path)
    seconds, ids = fastest(lambda: processor.encode(text))
    by_line, _ = fastest(lambda: processor.encode(text.split("\n"), num_threads=1))
    return seconds, by_line, len(ids)


def encode_with_tokenizers(path, text):
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(path)
    seconds, encoding = fastest(lambda: tokenizer.encode(text, add_special_tokens=False))
    by_line, _ = fastest(lambda: tokenizer.encode_batch(text.split("\n"), add_special_tokens=False))
    return seconds, by_line, len(encoding.ids)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    bench, text_path, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(text_path, encoding="utf-8", newline="") as file:
        text = file.read()
    megabytes = len(text.encode()) / 1e6
    print(f"{text_path}: {megabytes:.2f} MB, one core, fastest of {REPEATS}; MB/s")
    print(f"{'tokenizer':<44}{'tokens':>9}{'pare':>8}  {'library':<14}{'whole':>7}{'lines':>7}{'ratio':>7}  same count")
    for path in paths:
        output = subprocess.run([bench, path, text_path, str(REPEATS)], check=True, capture_output=True, text=True)
        ours = json.loads(output.stdout)
        is_json = path.endswith(".json")
        whole, lines, count = (encode_with_tokenizers if is_json else encode_with_sentencepiece)(path, text)
        library = "tokenizers" if is_json else "sentencepiece"
        ratio = min(whole, lines) / ours["seconds"]
        print(f"{'/'.join(path.split('/')[-2:]):<44}{ours['tokens']:>9}{ours['megabytes_per_second']:>8.1f}  {library:<14}"
              f"{megabytes / whole:>7.2f}{megabytes / lines:>7.2f}{ratio:>7.1f}  {count == ours['tokens']}")


if __name__ == "__main__":
    main()
