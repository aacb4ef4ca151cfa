"""Writes ../data/vit-digits.json: what transformers, in fp64, makes of the pictures of examples/vit-digits: vit_digits.py [OUT].

Of all pictures the share it reads right, the share that is among its first five, and the mean cross-entropy; of each, its
logits. Pictures are read by Pillow; pixels are compared with those of transformers' image processor."""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import torch
import transformers
from PIL import Image

from families import digits
from vision import results

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "..", "examples", "vit-digits")
OUT = os.path.join(HERE, "..", "data", "vit-digits.json")


def files():
    """CLASS/NUMBER.png, in order."""
    place = os.path.join(MODEL, "pictures")
    return [f"{name}/{file}" for name in sorted(os.listdir(place)) for file in sorted(os.listdir(os.path.join(place, name)))]


def pixels_of(names):
    processor = transformers.AutoImageProcessor.from_pretrained(MODEL)
    pictures = [Image.open(os.path.join(MODEL, "pictures", name)) for name in names]
    pixels = np.stack([(np.asarray(p, np.float64)[None] / 255 - processor.image_mean) / processor.image_std for p in pictures])
    assert np.abs(pixels - processor(images=pictures, return_tensors="np")["pixel_values"]).max() < 1e-6
    return torch.tensor(pixels)


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    names = files()
    model = transformers.AutoModelForImageClassification.from_pretrained(MODEL, dtype=torch.float64, attn_implementation="eager").eval()
    labels = torch.tensor([model.config.label2id[name.partition("/")[0]] for name in names])
    with torch.no_grad():
        logits, loss = results(model, pixels_of(names), labels)
    hits = torch.sort(logits, dim=1, descending=True, stable=True).indices == labels[:, None]
    found = {"files": len(names), "top1": hits[:, 0].double().mean().item(), "top5": hits[:, :5].any(1).double().mean().item(),
             "loss": digits([loss], 9)[0]}
    with open(sys.argv[1] if len(sys.argv) > 1 else OUT, "w", encoding="utf-8", newline="\n") as f:
        rows = ",\n".join(json.dumps(name) + ":" + json.dumps(digits(row, 9), separators=(",", ":")) for name, row in zip(names, logits))
        f.write('{"images":' + json.dumps(found, separators=(",", ":")) + ',"logits":{\n' + rows + "}}\n")


if __name__ == "__main__":
    main()
