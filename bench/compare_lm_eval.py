#!/usr/bin/env python3
"""Zero-shot tasks: pare beside EleutherAI's lm-evaluation-harness on the same files, answer by answer.

usage: compare_lm_eval.py [--tasks T,...] [--limit N] [--bos default|yes|no] [--protocol P] [--compute C]
                          [--threads N] [--batch N] PARE DATA MODEL...
       compare_lm_eval.py --speed [the same] PARE DATA MODEL...

DATA is a folder with the tasks' original files. The harness runs with its own task files and its own model class
(transformers on the CPU), in the same number format, only their data sets are replaced by those files, brought into the form of the data
sets on the Hub. Of each task the table says the largest difference of a log-likelihood and where it is, the largest one
as a share of its log-likelihood (the harness adds up in fp32), how many documents' predictions differ (by
log-likelihood, and by log-likelihood per character), and both programs' accuracies. HellaSwag's own file is
hellaswag_val.jsonl; one that holds finished queries and choices is taken as it is, without the harness's cleaning.

--bos says what the harness does about BOS: the tokenizer's default (as it does by itself), or always, or never.
--protocol 4d21ab6b makes it encode a context and its continuation apart and without BOS, as it did in 2023 for the
published tables, draws the documents as it did then, and gives the option to pare. It encodes by tokenizer.json alone:
the tokenizers of transformers 5 no longer put a space before a text that begins with one, which those of 2023 did.
--speed compares nothing but the time of all requests, N threads each: of the harness the seconds in its
loglikelihood(), loading and building requests left out; of pare those of the whole program.
Needs torch, transformers, datasets and lm-eval 0.4.13 or a version with the same task files.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from logging import getLogger

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TQDM_DISABLE="1")
import datasets  # noqa: E402
import lm_eval  # noqa: E402
import torch  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402
from lm_eval.tasks._yaml_loader import load_yaml  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402
from transformers import logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()
getLogger("lm_eval").setLevel("ERROR")
OLD = "4d21ab6b"
DTYPES = {"fp32": "float32", "bf16": "bfloat16"}
FILES = {
    "boolq": "boolq/val.jsonl", "piqa": "piqa/valid.jsonl", "hellaswag": "hellaswag/hellaswag_val_1000_lmeval_exact.jsonl",
    "winogrande": "winogrande/dev_noqid.jsonl", "arc_easy": "arc/ARC-Easy-Test.jsonl",
    "arc_challenge": "arc/ARC-Challenge-Test.jsonl", "openbookqa": "openbookqa/test.jsonl",
}


def read_rows(path):
    with open(path, encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file if line.strip()]


def questions(rows, stem):
    """ARC and OpenBookQA, from their authors' form into the Hub's."""
    for row in rows:
        choices = {key: [choice[key] for choice in row["question"]["choices"]] for key in ("text", "label")}
        yield {stem: row["question"]["stem"], "choices": choices, "answerKey": row["answerKey"]}


def documents(task, data):
    path = data / FILES[task]
    released = data / "hellaswag" / "hellaswag_val.jsonl"
    rows = read_rows(released if task == "hellaswag" and released.exists() else path)
    if task == "boolq":
        return [{**row, "label": int(row["label"] if "label" in row else row["answer"])} for row in rows]
    if task == "piqa":
        labels = (path.parent / "valid-labels.lst").read_text().split()
        return [{**row, "label": int(label)} for row, label in zip(rows, labels, strict=True)]
    if task == "hellaswag" and "query" in rows[0]:
        return [{"row": row["row"], "query": row["query"], "choices": row["choices"], "label": str(row["gold"])} for row in rows]
    if task.startswith("arc") or task == "openbookqa":
        return list(questions(rows, "question_stem" if task == "openbookqa" else "question"))
    return rows


def draw(rows, options):
    """The documents in the harness's order; each remembers which row of the data set it is."""
    rows = [{"row": number, **row} for number, row in enumerate(rows)]
    if options.protocol == OLD:
        random.Random(42).shuffle(rows)
    return rows[: options.limit] if options.limit else rows


def task_of(name, index, options):
    """The harness's own task, reading our documents."""
    config = load_yaml(index[name].yaml_path, resolve_func=True)
    rows = draw(documents(name, options.data), options)
    split = config.get("test_split") or config["validation_split"]
    config |= {"custom_dataset": lambda **_: {split: datasets.Dataset.from_list(rows)}, "training_split": None}
    config["validation_split"] = split if split == config["validation_split"] else None
    if "query" in rows[0]:
        config["process_docs"] = None
    return config


class Harness(HFLM):
    """Keeps the time, and encodes as of old with the tokenizer `apart`."""

    apart = None
    seconds = tokens = 0

    def _encode_pair(self, context, continuation):
        if not self.apart:
            return super()._encode_pair(context, continuation)
        return tuple(self.apart.encode(text, add_special_tokens=False).ids for text in (context, continuation))

    def loglikelihood(self, requests, **rest):
        start = time.perf_counter()
        answers = super().loglikelihood(requests, **rest)
        self.seconds += time.perf_counter() - start
        return answers

    def _loglikelihood_tokens(self, requests, **rest):
        self.tokens += sum(min(len(context) + len(answer) - 1, self.max_length) for _, context, answer in requests)
        return super()._loglikelihood_tokens(requests, **rest)


def run_harness(model, options):
    bos = {"default": None, "yes": True, "no": False}[options.bos]
    harness = Harness(pretrained=str(model), dtype=DTYPES[options.compute], device="cpu", batch_size=options.batch, add_bos_token=bos)
    harness.apart = Tokenizer.from_file(str(model / "tokenizer.json")) if options.protocol == OLD else None
    manager = TaskManager()
    tasks = [task_of(name, manager.task_index, options) for name in options.tasks]
    return harness, lm_eval.simple_evaluate(harness, tasks=tasks, task_manager=manager, bootstrap_iters=0)


def run_pare(model, options):
    """(report, {task: {row of the file: item}}, seconds)"""
    with tempfile.TemporaryDirectory() as folder:
        items = os.path.join(folder, "items.jsonl")
        words = [options.pare, "eval", model, "--tasks", ",".join(options.tasks), "--data", options.data, "--save-items",
                 items, "--compute", options.compute, "--threads", options.threads, "--quiet", "--json"]
        words += ["--limit", options.limit] if options.limit else []
        words += ["--protocol", options.protocol] if options.protocol else []
        start = time.perf_counter()
        out = subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds = time.perf_counter() - start
        table = {name: {} for name in options.tasks}
        for item in read_rows(items):
            table[item["task"]][item["doc"]] = item
        return json.loads(out), table, seconds


def first_best(scores):
    return max(range(len(scores)), key=lambda number: (scores[number], -number))


def judged(sample):
    """The harness's log-likelihoods of a document and what they choose, by themselves and per character."""
    scores = [float(answer[0][0]) for answer in sample["resps"]]
    lengths = [len(request[1]) - 1 for request in sample["arguments"]]
    return scores, first_best(scores), first_best([score / length for score, length in zip(scores, lengths)])


def compare_task(samples, items):
    worst, share, where, wrong, wrong_norm = 0.0, 0.0, "-", 0, 0
    hits = [0, 0]
    for sample in samples:
        row = sample["doc"]["row"]
        item = items[row]
        scores, best, best_norm = judged(sample)
        for ours, theirs in zip(item["choices"], scores, strict=True):
            apart = abs(ours["ll"] - theirs)
            share = max(share, apart / abs(theirs))
            if not apart <= worst:
                worst, where = apart, f"{row}: {theirs:.0f}"
        wrong += item["pred"] != best
        wrong_norm += item["pred_norm"] != best_norm
        hits[0] += item["pred"] == item["gold"]
        hits[1] += item["pred_norm"] == item["gold"]
    return worst, share, where, wrong, wrong_norm, [hit / len(samples) for hit in hits]


def rows_of(model, options):
    report, table, _ = run_pare(model, options)
    _, result = run_harness(model, options)
    for name in options.tasks:
        samples = result["samples"][name]
        worst, share, where, wrong, wrong_norm, ours = compare_task(samples, table[name])
        theirs = [result["results"][name].get(f"{metric},none") for metric in ("acc", "acc_norm")]
        pairs = ["-" if b is None else f"{a:.4f} / {b:.4f}" for a, b in zip(ours, theirs)]
        same = all(b is None or abs(a - b) < 1e-12 for a, b in zip(ours, theirs)) and len(table[name]) == len(samples)
        yield (model.name, name, str(len(samples)), f"{worst:.1e}", where, f"{share:.1e}", str(wrong), str(wrong_norm), *pairs), same


def compare(options):
    titles = ("model", "task", "documents", "log-likelihoods apart", "row: its log-likelihood", "apart, as a share", "predictions differ", "per character",
              "acc pare / lm-eval", "acc_norm pare / lm-eval")
    print("| " + " | ".join(titles) + " |\n|" + " --- |" * len(titles))
    failed = False
    for model in options.models:
        for row, same in rows_of(model, options):
            print("| " + " | ".join(row) + " |", flush=True)
            failed |= not same
    return failed


def measure(options):
    print("| model | tokens of all requests | lm-eval s | tokens/s | pare s | tokens/s | ratio |\n|" + " --- |" * 7)
    for model in options.models:
        harness, _ = run_harness(model, options)
        _, _, seconds = run_pare(model, options)
        print(f"| {model.name} | {harness.tokens} | {harness.seconds:.1f} | {harness.tokens / harness.seconds:.0f} | {seconds:.1f} | "
              f"{harness.tokens / seconds:.0f} | {harness.seconds / seconds:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", default=",".join(FILES))
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--bos", choices=("default", "yes", "no"), default="default")
    parser.add_argument("--protocol", choices=(OLD,))
    parser.add_argument("--compute", choices=DTYPES, default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("pare")
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    options.tasks = options.tasks.split(",")
    torch.set_num_threads(options.threads)
    print(f"lm-eval {lm_eval.__version__}, torch {torch.__version__}, {options.compute}, {options.threads} threads")
    return measure(options) if options.speed else compare(options)


if __name__ == "__main__":
    sys.exit(main())
