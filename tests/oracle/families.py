"""Writes ../data/families.json: what transformers and torch's autograd, in fp64, make of tiny models of every family:
families.py [OUT [NAME...]]; and ../data/experts.json of those with experts: families.py --experts.

Weights are not stored: weight() makes them of tensors' names, as tests/model/families.h does. For each case of
family_cases.py: config.json, every tensor by its name in the file with its shape and, of its loss gradient, the L2 norm,
the dot product with counted numbers and the first and the last element (null: the loss does not depend on it); the mean
next-token loss of the ids, logits, and what greedy decoding with a cache appends to prompts."""
import contextlib
import json
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

from family_cases import CASES, EXPERT_CASES, SAVED, V
from importance import counted

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "families.json")
SEQUENCES, LENGTH = 2, 48
IDS = (np.abs(counted(77, 0, SEQUENCES * LENGTH)) * 64).astype(np.int64).reshape(SEQUENCES, LENGTH) % V
PICKED = (15, 95)  # tokens, of all, whose logits are stored, every eighth one
NEW, APART = 12, 2e-4
PROMPTS = (6, 24, 35)  # lengths: within a window, beyond it, beyond the original positions of a longrope, too


def stream(name):
    """FNV-1a."""
    x = 0x811C9DC5
    for byte in name.encode():
        x = (x ^ byte) * 0x01000193 & 0xFFFFFFFF
    return x


def packed(name, shape):
    """Bytes of MXFP4: two numbers each, or an exponent that keeps them below 3/8."""
    x = counted(stream(name), 0, int(np.prod(shape)))
    size = (np.abs(x) * 64).astype(np.uint8)
    made = 120 + size % 4 if name.endswith("_scales") else size + np.where(x < 0, 128, 0)
    return torch.tensor(made.astype(np.uint8).reshape(shape))


def pack(shapes):
    """Shapes of the tensors that experts' weights [experts, inputs, outputs] are stored as."""
    out = {}
    for name, shape in shapes.items():
        if name.endswith("_proj"):
            blocks = [shape[0], shape[2], shape[1] // 32]
            out |= {name + "_blocks": blocks + [16], name + "_scales": blocks}
        else:
            out[name] = shape
    return out


def unpacked(tensors):
    """Those of MXFP4 as the plain ones."""
    out = {}
    for name, value in tensors.items():
        if name.endswith("_blocks"):
            scales = tensors[name.removesuffix("_blocks") + "_scales"]
            out[name.removesuffix("_blocks")] = convert_moe_packed_tensors(value, scales, dtype=torch.float64)
        elif not name.endswith("_scales"):
            out[name] = value
    return out


def weight(name, shape):
    """Numbers that fp32, fp16 and bf16 hold: around 0 to 1/2 in matrices, to 1/4 in biases; 1/4 to 5/4 in norms."""
    x = counted(stream(name), 0, int(np.prod(shape)))
    if name.endswith(("_blocks", "_scales")):
        return packed(name, shape)
    if len(shape) > 1:
        x = x / 4
    else:
        x = x / 8 if name.endswith("bias") else 0.25 + np.abs(x) / 2
    return torch.tensor(x.reshape(shape), dtype=torch.float64)


@contextlib.contextmanager
def everything_double():
    """transformers computes norms, angles and softmax in fp32, whatever the model's dtype; here in fp64."""
    kept = torch.float32, torch.float, torch.Tensor.float
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = kept
        torch.set_default_dtype(torch.float32)


def stored(folder):
    """Tensors of a saved model, by name."""
    with safe_open(os.path.join(folder, "model.safetensors"), "pt") as f:
        return {name: f.get_tensor(name) for name in sorted(f.keys())}


def class_of(config):
    return transformers.AutoModelForImageTextToText if "text_config" in config else transformers.AutoModelForCausalLM


def attention_of(config):
    """The default one of Falcon with ALiBi: its eager attention adds the slopes twice, with the mask and by itself."""
    return "sdpa" if config.get("alibi") else "eager"


def build(name, folder):
    """config.json, shapes by tensor, and the model with its weights."""
    given = (CASES | EXPERT_CASES)[name]
    maker = class_of(given)
    config_path = os.path.join(folder, "config.json")
    with open(config_path, "w", encoding="utf-8") as f:
        json.dump({key: value for key, value in given.items() if key != "quantization_config"}, f)
    drawn = maker.from_config(transformers.AutoConfig.from_pretrained(folder))
    drawn.save_pretrained(folder)
    shapes = {tensor: list(value.shape) for tensor, value in stored(folder).items()}
    if "quantization_config" in given:
        shapes = pack(shapes)
    weights = unpacked({tensor: weight(tensor, shape) for tensor, shape in shapes.items()})
    save_file({tensor: value.contiguous() for tensor, value in weights.items()}, os.path.join(folder, "model.safetensors"), {"format": "pt"})
    with open(config_path, encoding="utf-8") as f:
        saved = json.load(f)
    if name not in SAVED:
        with open(config_path, "w", encoding="utf-8") as f:
            json.dump({key: value for key, value in given.items() if key != "quantization_config"}, f)
    with everything_double():
        model, info = maker.from_pretrained(folder, dtype=torch.float64, attn_implementation=attention_of(given), output_loading_info=True,
                                            **({"experts_implementation": "eager"} if name in EXPERT_CASES else {}))
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            module.padding_idx = None  # or else torch leaves out the gradient of that id's row
    assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    saved.pop("transformers_version", None)
    return (saved if name in SAVED else given), shapes, model.eval()


def reader_of(model):
    """What reads text: Llama 4's class with pictures fails without any, in transformers 5.24, and has the language model's whole class in it."""
    return model.language_model if type(model).__name__ == "Llama4ForConditionalGeneration" else model


def logits_of(model, ids):
    with everything_double():
        return reader_of(model)(input_ids=torch.tensor(ids)).logits


def gradients(model, loss, folder):
    """By tensor as it is stored: what is saved in place of the weights. None where the loss does not depend on it."""
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.full_like(p, torch.nan) if p.grad is None else p.grad)
        for b in model.buffers():
            if b.is_floating_point():
                b.fill_(torch.nan)
    model.save_pretrained(folder)
    return {name: None if torch.isnan(g).any() else g for name, g in stored(folder).items()}


def greedy(model, sequence, length):
    """The first place in the sequence where a prompt may begin so that no choice is close: [sequence, place, length, ids...]."""
    settings = transformers.GenerationConfig(do_sample=False, max_new_tokens=NEW, pad_token_id=0, eos_token_id=None, bos_token_id=None)
    for start in range(LENGTH - length):
        prompt = IDS[sequence:sequence + 1, start:start + length]
        with everything_double(), torch.no_grad():
            made = reader_of(model).generate(torch.tensor(prompt), generation_config=settings, output_logits=True, return_dict_in_generate=True)
        two = torch.stack(made.logits).topk(2).values
        if (two[..., 0] - two[..., 1]).min() > APART * two[..., 0].abs().max():
            return [sequence, start, length] + made.sequences[0, length:].tolist()
    sys.exit("every prompt has choices too close to tell")


def digits(x, count=7):
    return [float(f"{float(v):.{count}g}") for v in x]


def tensor_row(name, shape, gradient):
    if gradient is None:
        return [name, shape, None]
    g = gradient.double().reshape(-1).numpy()
    n = g.size
    return [name, shape, digits([np.linalg.norm(g), g @ counted(stream(name) ^ 1, 0, n)], 6) + digits([g[0], g[n - 1]], 5)]


def case(name):
    with tempfile.TemporaryDirectory() as folder:
        config, shapes, model = build(name, folder)
        prompts = [greedy(model, i % SEQUENCES, length) for i, length in enumerate(PROMPTS)]
        logits = logits_of(model, IDS)
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, V), torch.tensor(IDS[:, 1:]).reshape(-1))
        found = gradients(model, loss, folder)
        flat = logits.detach().double().reshape(-1, V).numpy()
        return {"name": name, "config": config, "loss": digits([loss.detach()], 9)[0], "largest": digits([np.abs(flat).max()])[0],
                "logits": [digits(flat[token, ::8], 6) for token in PICKED],
                "dots": digits(flat @ counted(stream("logits"), 0, V)), "greedy": prompts,
                "tensors": [tensor_row(tensor, shape, found.get(tensor)) for tensor, shape in shapes.items()]}


def write(out, cases):
    """One line for each tensor."""
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        f.write('{"ids":' + json.dumps(IDS.tolist(), **compact) + ',"picked":' + json.dumps(PICKED, **compact) + ',"cases":[\n')
        for i, c in enumerate(cases):
            rows = ",\n".join(json.dumps(row, **compact) for row in c.pop("tensors"))
            f.write(json.dumps(c, **compact)[:-1] + ',"tensors":[\n' + rows + "]}" + (",\n" if i + 1 < len(cases) else "]}\n"))


def write_rows(out, cases, head=""):
    """One line for each case; head: members in front of them."""
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        f.write('{%s"cases":[\n%s]}\n' % (head, ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)))


def quietly():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)


def main():
    quietly()
    experts = sys.argv[1:2] == ["--experts"]
    names = sys.argv[2:] or list(EXPERT_CASES if experts else CASES)
    cases = []
    for name in names:
        cases.append(case(name))
        print(name, cases[-1]["loss"], [p[:3] for p in cases[-1]["greedy"]], flush=True)
    out = os.path.join(os.path.dirname(OUT), "experts.json") if experts else sys.argv[1] if len(sys.argv) > 1 else OUT
    write(out, cases)


if __name__ == "__main__":
    main()
