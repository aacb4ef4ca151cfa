"""Writes ../data/vision.json: what transformers and torch's autograd, in fp64, make of tiny vision transformers on made-up
pictures, whole and pruned by hand: vision.py [OUT [NAME...]].

Neither weights nor pictures are stored: weights are those of families.py, of the tensors' names as save_pretrained
writes them. Byte i of a case's PICTURES pictures, one after the other, row by row, the channels of a pixel together, is
128 + 64 x with x the counted number i of the stream "pictures": 1 to 255, never 128.

Of each case: config.json as save_pretrained writes it (those of SHORT: as it is given, without what the class fills in),
preprocessor_config.json, the first pixels as they go into the model (of the first channel's first rows), labels, logits,
mean cross-entropy, and every tensor with its shape and its loss gradient as in families.json. "pruned" is the same model
without a layer, some heads and some channels of the FFN, held by the class itself: what is kept of each kept layer,
config.json, logits, loss. Before it is written it is compared with the whole model whose removed parts are zeros.

transformers 4.57 makes the same numbers (but for "head_dim" in a config, which it does not read): it holds a model
with fewer heads by "pruned_heads", which 5 does not read."""
import copy
import json
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import torch
import transformers
from safetensors.torch import save_file

from families import digits, everything_double, gradients, stored, stream, tensor_row, weight
from importance import counted

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "vision.json")
PICTURES, SHOWN = 5, 6
OLDER = int(transformers.__version__.split(".", maxsplit=1)[0]) < 5

BASE = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40, "image_size": 12, "patch_size": 4}


def like(model_type, labels, **changes):
    maker = {"vit": "ViTForImageClassification", "deit": "DeiTForImageClassification"}[model_type]
    names = [f"kind {i}" for i in range(labels)]
    return {"architectures": [maker], "model_type": model_type, **BASE, "id2label": {str(i): name for i, name in enumerate(names)},
            "label2id": {name: i for i, name in enumerate(names)}, **changes}


CASES = {
    "vit": like("vit", 3, num_channels=1),
    "vit short": {"model_type": "vit", **BASE},
    "vit wide": like("vit", 10, image_size=[14, 21], patch_size=7, hidden_act="gelu_new"),
    "vit high, no biases of attention": like("vit", 10, image_size=[10, 6], patch_size=2, num_channels=1, qkv_bias=False, hidden_act="relu"),
    "vit oblong patches, pixels over": like("vit", 3, image_size=[11, 16], patch_size=[3, 5], layer_norm_eps=1e-2, hidden_act="gelu_pytorch_tanh"),
    "vit heads of 10": like("vit", 3, hidden_size=30, num_attention_heads=3, num_channels=1, intermediate_size=55, layer_norm_eps=1e-6),
    "vit heads stated": like("vit", 10, num_attention_heads=3, head_dim=12, num_channels=1),
    "vit one patch": like("vit", 3, image_size=5, patch_size=5, num_hidden_layers=2),
    "deit": like("deit", 3),
    "deit short": {"architectures": ["DeiTForImageClassification"], "model_type": "deit", **BASE, "num_labels": 3},
    "deit wide, no biases of attention": like("deit", 10, image_size=[10, 15], patch_size=5, num_channels=1, qkv_bias=False, hidden_act="gelu_new",
                                              layer_norm_eps=1e-3),
    "deit heads stated": like("deit", 10, num_attention_heads=5, head_dim=4, image_size=[9, 12], patch_size=3, hidden_act="relu"),
}
SHORT = ("vit short", "deit short")
COLOURS = {1: {"image_mean": [0.1307], "image_std": [0.3081]}, 3: {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}}


def processor_of(config):
    """preprocessor_config.json that leaves pictures of the right size as they are."""
    size = config.image_size if isinstance(config.image_size, (list, tuple)) else (config.image_size,) * 2
    kind = {"vit": "ViTImageProcessor", "deit": "DeiTImageProcessor"}[config.model_type]
    return {"image_processor_type": kind, "do_resize": True, "size": {"height": size[0], "width": size[1]}, "resample": 2,
            "do_center_crop": False, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, **COLOURS[config.num_channels]}


def pixels_of(config, processor):
    """[PICTURES, channels, height, width] of a case."""
    height, width = processor["size"]["height"], processor["size"]["width"]
    shape = PICTURES, height, width, config.num_channels
    pictures = (128 + 64 * counted(stream("pictures"), 0, int(np.prod(shape)))).reshape(shape)
    pixels = (pictures / 255 - processor["image_mean"]) / processor["image_std"]
    return torch.tensor(np.moveaxis(pixels, -1, 1).copy())


def write(folder, config, tensors):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f)
    save_file({name: value.contiguous() for name, value in tensors.items()}, os.path.join(folder, "model.safetensors"), {"format": "pt"})


def load(folder):
    maker = transformers.AutoModelForImageClassification
    with everything_double():
        model, info = maker.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager", output_loading_info=True)
    assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    return model.eval()


def saved_config(model, folder):
    """As save_pretrained writes it; but for what says who wrote it and that this is fp64."""
    model.save_pretrained(folder)
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    config.pop("transformers_version", None)
    assert config.pop("dtype") == "float64"
    return {**config, "dtype": "float32"}


def build(name, folder):
    """The case's model with its weights, and these by name."""
    given = CASES[name]
    write(folder, given, {})
    drawn = transformers.AutoModelForImageClassification.from_config(transformers.AutoConfig.from_pretrained(folder))
    drawn.save_pretrained(folder)
    tensors = {tensor: weight(tensor, value.shape) for tensor, value in stored(folder).items()}
    write(folder, given, tensors)
    return load(folder), tensors


def kept_of(config):
    """What is left of each layer that is left: all layers but the second, half of the heads or more, four in five channels."""
    heads, ffn = config.num_attention_heads, config.intermediate_size
    layers = [layer for layer in range(config.num_hidden_layers) if layer != 1]
    return {"layers": layers, "heads": [sorted((layer + 1 + i) % heads for i in range((heads + 1) // 2)) for layer in layers],
            "ffn": [[i for i in range(ffn) if (i + layer) % 5] for layer in layers]}


def rows_of(heads, size):
    return [head * size + i for head in heads for i in range(size)]


def prune(tensors, kept, size, zeros):
    """The tensors of a smaller model; or those of the whole one with zeros in place of what is removed."""
    def take(value, chosen, axis):
        chosen = torch.tensor(chosen)
        if not zeros:
            return value.index_select(axis, chosen)
        return torch.zeros_like(value).index_copy(axis, chosen, value.index_select(axis, chosen))

    found = {}
    for name, value in tensors.items():
        before, _, after = name.partition(".encoder.layer.")
        layer, _, part = after.partition(".")
        if not after:
            found[name] = value
            continue
        if int(layer) not in kept["layers"]:
            if zeros:  # nothing is added to the residual stream
                found[name] = torch.zeros_like(value)
            continue
        at = kept["layers"].index(int(layer))
        heads, ffn = rows_of(kept["heads"][at], size), kept["ffn"][at]
        if part.startswith("attention.attention."):
            value = take(value, heads, 0)
        elif part == "attention.output.dense.weight":
            value = take(value, heads, 1)
        elif part.startswith("intermediate.dense."):
            value = take(value, ffn, 0)
        elif part == "output.dense.weight":
            value = take(value, ffn, 1)
        found[name if zeros else f"{before}.encoder.layer.{at}.{part}"] = value
    return found


def smaller_config(config, kept, size):
    smaller = {**copy.deepcopy(config), "num_hidden_layers": len(kept["layers"]), "intermediate_size": len(kept["ffn"][0])}
    if OLDER:
        every = range(config["num_attention_heads"])
        return {**smaller, "pruned_heads": {str(at): [h for h in every if h not in heads] for at, heads in enumerate(kept["heads"])}}
    return {**smaller, "num_attention_heads": len(kept["heads"][0]), "head_dim": size}


def results(model, pixels, labels):
    with everything_double():
        logits = model(pixel_values=pixels).logits
        return logits, torch.nn.functional.cross_entropy(logits, labels)


def numbers(logits, loss):
    flat = logits.detach().numpy()
    return {"loss": digits([loss.detach()], 9)[0], "largest": digits([np.abs(flat).max()])[0], "logits": [digits(row, 9) for row in flat]}


def pruned_case(config, tensors, pixels, labels, folder):
    size = config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])
    kept = kept_of(transformers.AutoConfig.for_model(**config))
    write(os.path.join(folder, "zeros"), config, prune(tensors, kept, size, True))
    write(os.path.join(folder, "smaller"), smaller_config(config, kept, size), prune(tensors, kept, size, False))
    model = load(os.path.join(folder, "smaller"))
    found = results(model, pixels, labels)
    wanted = results(load(os.path.join(folder, "zeros")), pixels, labels)
    assert torch.allclose(found[0], wanted[0], rtol=0, atol=1e-11 * wanted[0].abs().max().item())
    return {**kept, "config": saved_config(model, os.path.join(folder, "saved")), **numbers(*found)}


def exact(row):
    """0 where there is no gradient but what rounding makes: a bias of keys moves all scores of a query alike."""
    name, shape, found = row
    return [name, shape, [0.0, 0.0, 0.0, 0.0] if found[0] < 1e-12 else found]


def case(name):
    with tempfile.TemporaryDirectory() as folder:
        model, tensors = build(name, os.path.join(folder, "whole"))
        processor = processor_of(model.config)
        pixels = pixels_of(model.config, processor)
        labels = torch.tensor([(7 * i + 2) % model.config.num_labels for i in range(PICTURES)])
        config = saved_config(model, os.path.join(folder, "saved"))
        pruned = pruned_case(config, tensors, pixels, labels, folder)
        logits, loss = results(model, pixels, labels)
        found = gradients(model, loss, os.path.join(folder, "gradients"))
        return {"name": name, "config": CASES[name] if name in SHORT else config, "processor": processor,
                "pixels": digits(pixels.reshape(-1)[:SHOWN]), "labels": labels.tolist(), **numbers(logits, loss), "pruned": pruned,
                "tensors": [exact(tensor_row(tensor, list(value.shape), found[tensor])) for tensor, value in tensors.items()]}


def write_cases(out, cases):
    """One line for each tensor."""
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        f.write('{"cases":[\n')
        for i, c in enumerate(cases):
            rows = ",\n".join(json.dumps(row, **compact) for row in c.pop("tensors"))
            f.write(json.dumps(c, **compact)[:-1] + ',"tensors":[\n' + rows + "]}" + (",\n" if i + 1 < len(cases) else "]}\n"))


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    cases = []
    for name in sys.argv[2:] or list(CASES):
        cases.append(case(name))
        print(name, cases[-1]["loss"], cases[-1]["pruned"]["loss"], flush=True)
    write_cases(sys.argv[1] if len(sys.argv) > 1 else OUT, cases)


if __name__ == "__main__":
    main()
