#!/usr/bin/env python3
"""Prunes a model with pare by the protocol that the released MoreauPruner and LLM-Pruner were measured with.

usage: compare_released.py [--method M]... PARE MODEL TRAINING_TEXT TEXT...

Layers 1 up to but not including the last; calibration on the first 10 windows of 64 and of 128 tokens of BOS +
TRAINING_TEXT; ratios 0.25 and 0.5; then the perplexity on each TEXT: BOS + whole file, the first 300 windows of 128
tokens, all in fp32. As there, texts are read by the model's tokenizer.model, which takes "<unk>" and "<s>" in a text
literally; a tokenizer.json does not, and is left out. Prints one row per run. Needs sentencepiece.
"""
import argparse
import json
import os
import subprocess
import tempfile

import sentencepiece

SAMPLES, LENGTHS, RATIOS, PREFIX = 10, (64, 128), (0.25, 0.5), 100000


def run(*words):
    return json.loads(subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout)


def link_without_tokenizer_json(model, folder):
    os.mkdir(folder)
    for name in os.listdir(model):
        if name not in ("tokenizer.json", "tokenizer_config.json"):
            os.symlink(os.path.realpath(os.path.join(model, name)), os.path.join(folder, name))


def write_calibration(options, length, path):
    processor = sentencepiece.SentencePieceProcessor(model_file=os.path.join(options.model, "tokenizer.model"))
    with open(options.training_text, encoding="utf-8", newline="") as file:
        ids = [processor.bos_id()] + processor.encode(file.read(PREFIX))
    with open(path, "w", encoding="utf-8") as file:
        json.dump([ids[i * length : (i + 1) * length] for i in range(SAMPLES)], file)


def perplexities(options, folder):
    report = run(options.pare, "eval", folder, "--text", *options.texts, "--window", 128, "--max-windows", 300,
                 "--compute", "fp32", "--quiet", "--json")
    return [f"{text['perplexity']:.2f}" for text in report["texts"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--method", action="append")
    parser.add_argument("pare")
    parser.add_argument("model")
    parser.add_argument("training_text")
    parser.add_argument("texts", nargs="+")
    options = parser.parse_args()
    parent = tempfile.TemporaryDirectory()
    literal = os.path.join(parent.name, "model")
    link_without_tokenizer_json(options.model, literal)
    options.model = literal
    layers = len(run(options.pare, "inspect", options.model, "--json")["widths"])
    names = [os.path.basename(text) for text in options.texts]
    print("| method | ratio | calibration | " + " | ".join(names) + " | parameters |\n|" + " --- |" * (4 + len(names)))
    print("| dense | - | - | " + " | ".join(perplexities(options, options.model)) + " | |", flush=True)
    with parent:
        ids, output = os.path.join(parent.name, "ids.json"), os.path.join(parent.name, "smaller")
        for method in options.method or ["taylor"]:
            for ratio in RATIOS:
                for length in LENGTHS:
                    write_calibration(options, length, ids)
                    report = run(options.pare, "prune", options.model, "-o", output, "--force", "--method", method,
                                 "--ratio", ratio, "--layers", f"1:{layers - 1}", "--calib", ids, "--compute", "fp32",
                                 "--quiet", "--json")
                    row = [method, f"{ratio:g}", f"{SAMPLES}x{length}", *perplexities(options, output),
                           str(report["parameters"]["after"])]
                    print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
