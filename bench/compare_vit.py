#!/usr/bin/env python3
"""What transformers makes of pictures: compare_vit.py MODEL PICTURES [--limit N] [--logits] [--against DENSE].

PICTURES holds a folder for each class, named as the classes are in the model's id2label; where that has but LABEL_0,
LABEL_1, ..., folders are classes in the order of their names. Pictures go through the model's own
image processor, one by one, and through its stock class in fp32. Prints one JSON document with the members of
`pare eval MODEL --images PICTURES --json` ({"images": {"files", "top1", "top5", "loss", "kl", "agreement"}}), the last two
with --against; with --logits those of every file, too. Needs torch, transformers and Pillow."""
import argparse
import json
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np
import torch
import torch.nn.functional as F
import transformers
from PIL import Image

from picture_files import folder_files

BATCH = 100


def load(folder):
    model, info = transformers.AutoModelForImageClassification.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    strangers = [name for key in ("missing_keys", "unexpected_keys", "mismatched_keys") for name in info[key]]
    if strangers:
        print(f"{folder}: missing or unexpected: {strangers}", file=sys.stderr)
    return model.eval(), transformers.AutoImageProcessor.from_pretrained(folder)


def pixels_of(file, processor, channels):
    with Image.open(file) as picture:
        array = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
    array = array.reshape(*array.shape[:2], channels)
    return processor(images=array, input_data_format="channels_last", return_tensors="pt")["pixel_values"]


def logits_of(folder, files):
    model, processor = load(folder)
    found = []
    for first in range(0, len(files), BATCH):
        pixels = torch.cat([pixels_of(file, processor, model.config.num_channels) for file, _ in files[first:first + BATCH]])
        with torch.no_grad():
            found.append(model(pixel_values=pixels).logits.double())
    return torch.cat(found), model.config.label2id


def measure(logits, labels):
    first = torch.sort(logits, dim=1, descending=True, stable=True).indices  # of equal ones the lower first
    hits = first == labels[:, None]
    return {"files": len(labels), "top1": hits[:, 0].double().mean().item(), "top5": hits[:, :5].any(1).double().mean().item(),
            "loss": F.cross_entropy(logits, labels).item()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("pictures")
    parser.add_argument("--limit", type=int, help="every so many-th file, so that there are N")
    parser.add_argument("--logits", action="store_true")
    parser.add_argument("--against")
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    files = folder_files(given.pictures)
    files = files[::max(1, len(files) // given.limit)] if given.limit else files
    logits, ids = logits_of(given.model, files)
    if all(name.startswith("LABEL_") for name in ids):
        ids = {name: i for i, name in enumerate(sorted({name for _, name in files}))}
    strange = sorted({name for _, name in files} - set(ids))
    if strange:
        sys.exit(f"{given.model} has no class {', '.join(strange)}")
    labels = torch.tensor([ids[name] for _, name in files])
    found = {"images": measure(logits, labels)}
    if given.against:
        dense, _ = logits_of(given.against, files)
        found["images"]["kl"] = F.kl_div(logits.log_softmax(1), dense.log_softmax(1), reduction="batchmean", log_target=True).item()
        found["images"]["agreement"] = (logits.argmax(1) == dense.argmax(1)).double().mean().item()
    if given.logits:
        found["logits"] = {os.path.relpath(file, given.pictures): row.tolist() for (file, _), row in zip(files, logits)}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
