#!/usr/bin/env python3
"""Trains a small vision transformer and saves it as transformers does: train_vit.py mnist|cifar10 DATA OUT [--seed N]
[--epochs N] [--threads N] [--pictures DIR].

mnist: DATA holds t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz; the first 8,000 pictures are trained on, the
last 2,000 judge. cifar10: DATA holds train/CLASS/*.jpg and test/CLASS/*.jpg (Pillow reads them). examples/vit-digits was
made by `train_vit.py mnist` with what is set here. --pictures writes MNIST's pictures as DIR/mnist-train/CLASS/*.png and
DIR/mnist-test/CLASS/*.png. The same seed on the same machine with the same number of threads gives the same bytes.

Needs torch and transformers."""
import argparse
import json
import math
import os
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np
import torch
import torch.nn.functional as F
from transformers import ViTConfig, ViTForImageClassification

from picture_files import folder_files, read_idx, write_folders

TRAINED_ON = 8000  # of MNIST's 10,000
DIGITS = [str(i) for i in range(10)]
SHAPES = {
    "mnist": {"hidden_size": 64, "num_hidden_layers": 6, "num_attention_heads": 8, "intermediate_size": 128, "image_size": 28,
              "patch_size": 7, "num_channels": 1, "initializer_range": 0.06},
    "cifar10": {"hidden_size": 128, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 256, "image_size": 32,
                "patch_size": 4, "num_channels": 3, "initializer_range": 0.05},
}
# How a picture is changed before it is learnt from: turned by up to `turn` radians, made up to `scale` larger or smaller,
# leant by up to `lean`, moved by up to `shift` pixels, mirrored. bf16: products are in it, weights are not; a third of the
# time on CPUs that have it, with plain attention (torch's fused one is slow backwards in bf16).
TRAINING = {
    "mnist": {"epochs": 70, "batch": 100, "rate": 2e-3, "decay": 0.05, "turn": 0.25, "scale": 0.15, "lean": 0.2, "shift": 3, "mirror": False,
              "bf16": False},
    "cifar10": {"epochs": 45, "batch": 100, "rate": 1e-3, "decay": 0.05, "turn": 0, "scale": 0.1, "lean": 0, "shift": 3, "mirror": True,
                "bf16": True},
}
PROCESSORS = {
    "mnist": {"image_mean": [0.1307], "image_std": [0.3081]},
    "cifar10": {"image_mean": [0.4914, 0.4822, 0.4465], "image_std": [0.247, 0.2435, 0.2616]},
}


def mnist(folder):
    pictures = read_idx(os.path.join(folder, "t10k-images-idx3-ubyte.gz"))[..., None]
    labels = read_idx(os.path.join(folder, "t10k-labels-idx1-ubyte.gz"))
    return (pictures[:TRAINED_ON], labels[:TRAINED_ON]), (pictures[TRAINED_ON:], labels[TRAINED_ON:]), DIGITS


def cifar10(folder):
    from PIL import Image

    def read(part):
        files = folder_files(os.path.join(folder, part))
        names = sorted({name for _, name in files})
        pictures = np.stack([np.asarray(Image.open(file).convert("RGB")) for file, _ in files])
        return (pictures, np.array([names.index(name) for _, name in files])), names

    (train, names), (test, _) = read("train"), read("test")
    return train, test, names


def to_tensors(part, processor):
    """Normalised pixels [pictures, channels, height, width], and labels."""
    pixels = torch.tensor(part[0]).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(processor[key]).view(1, -1, 1, 1) for key in ("image_mean", "image_std"))
    return (pixels - mean) / std, torch.tensor(part[1].astype(np.int64))


def changed(pixels, training, generator, background):
    """Each picture turned, scaled, leant, moved and mirrored by chance."""
    count, size = pixels.shape[0], pixels.shape[-1]

    def drawn(most):
        return (2 * torch.rand(count, generator=generator) - 1) * most

    turn, lean = drawn(training["turn"]), drawn(training["lean"])
    wide, high = 1 + drawn(training["scale"]), 1 + drawn(training["scale"])
    if training["mirror"]:
        wide = wide * torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    right, down = drawn(2 * training["shift"] / size), drawn(2 * training["shift"] / size)
    rows = [torch.stack([wide * torch.cos(turn), lean - torch.sin(turn), right], 1),
            torch.stack([torch.sin(turn), high * torch.cos(turn), down], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels - background, grid, align_corners=False) + background  # outside: black


def judge(model, pixels, labels):
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(pixel_values=part).logits for part in pixels.split(500)])
    return (logits.argmax(1) == labels).float().mean().item(), F.cross_entropy(logits, labels).item()


def rate_at(step, steps):
    """Up over the first twentieth, down along a cosine."""
    return min(1.0, 20 * (step + 1) / steps) * 0.5 * (1 + math.cos(math.pi * step / steps))


def train(model, train_set, test_set, training, processor, seed):
    pixels, labels = train_set
    generator = torch.Generator().manual_seed(seed)
    black = -torch.tensor(processor["image_mean"]).view(1, -1, 1, 1) / torch.tensor(processor["image_std"]).view(1, -1, 1, 1)
    matrices = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": training["decay"]}, {"params": others, "weight_decay": 0.0}],
                                  lr=training["rate"], betas=(0.9, 0.99))
    batches = len(labels) // training["batch"]
    steps = batches * training["epochs"]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, steps))
    began = time.time()
    for epoch in range(training["epochs"]):
        model.train()
        total = 0.0
        for chosen in torch.randperm(len(labels), generator=generator)[:batches * training["batch"]].split(training["batch"]):
            seen = changed(pixels[chosen], training, generator, black)
            with torch.autocast("cpu", torch.bfloat16, enabled=training["bf16"]):
                logits = model(pixel_values=seen).logits
            loss = F.cross_entropy(logits.float(), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        if (training["epochs"] - epoch - 1) % 15 == 0:
            print(f"epoch {epoch + 1}: loss {total / batches:.4f}, judged: accuracy %.4f, loss %.4f, {time.time() - began:.0f} s"
                  % judge(model, *test_set), flush=True)


def save(model, out, processor):
    model.save_pretrained(out)
    size = model.config.image_size
    settings = {"image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": size, "width": size}, "resample": 2,
                "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, **processor}
    with open(os.path.join(out, "preprocessor_config.json"), "w", encoding="utf-8") as f:
        json.dump(settings, f, indent=2)
        f.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=SHAPES)
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pictures")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    training, processor = dict(TRAINING[given.name]), PROCESSORS[given.name]
    training["epochs"] = given.epochs or training["epochs"]
    learnt, judged, names = {"mnist": mnist, "cifar10": cifar10}[given.name](given.data)
    if given.pictures and given.name == "mnist":
        for part, (pictures, labels), first in (("train", learnt, 0), ("test", judged, TRAINED_ON)):
            write_folders(os.path.join(given.pictures, f"mnist-{part}"), pictures[..., 0], labels, names, first)
    config = ViTConfig(**SHAPES[given.name], id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)},
                       attn_implementation="eager" if training["bf16"] else "sdpa")
    model = ViTForImageClassification(config)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    train(model, to_tensors(learnt, processor), to_tensors(judged, processor), training, processor, given.seed)
    save(model, given.out, processor)


if __name__ == "__main__":
    main()
