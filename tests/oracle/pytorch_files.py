"""Makes tests/data/pytorch: a tiny LLaMA with grouped heads as torch.save writes it, in every form that pare reads.

    python tests/oracle/pytorch_files.py OUT

The model is HF/model.safetensors, in bf16 but for its norms in fp32. Beside it: `zip` and `legacy` (pytorch_model.bin of
either form), `sharded` (with its index), `kinds` (fp16, fp64, transposed, sliced and shared tensors of the same values, as
parameters in a wrapping dict), `meta1`, `meta2` (consolidated.*.pth in one file and in two, which divide the embedding by
rows and by columns), `mistral` (consolidated.safetensors). kinds.safetensors has what must be read from `kinds`.
"""
import json
import os
import sys
from collections import OrderedDict

import torch
from safetensors.torch import save_file

DIM, HEADS, KV, HEAD, FFN, LAYERS, VOCABULARY = 16, 4, 2, 4, 24, 2, 32
CONFIG = dict(architectures=["LlamaForCausalLM"], model_type="llama", bos_token_id=1, eos_token_id=2, hidden_act="silu", hidden_size=DIM,
              intermediate_size=FFN, num_attention_heads=HEADS, num_key_value_heads=KV, num_hidden_layers=LAYERS, head_dim=HEAD,
              max_position_embeddings=4096, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False, torch_dtype="bfloat16",
              vocab_size=VOCABULARY)
PARAMS = dict(dim=DIM, n_layers=LAYERS, n_heads=HEADS, n_kv_heads=KV, multiple_of=8, norm_eps=1e-5, vocab_size=-1)
IN_LAYERS = [("attention.wq", "self_attn.q_proj", 0), ("attention.wk", "self_attn.k_proj", 0), ("attention.wv", "self_attn.v_proj", 0),
             ("attention.wo", "self_attn.o_proj", 1), ("feed_forward.w1", "mlp.gate_proj", 0), ("feed_forward.w2", "mlp.down_proj", 1),
             ("feed_forward.w3", "mlp.up_proj", 0), ("attention_norm", "input_layernorm", None), ("ffn_norm", "post_attention_layernorm", None)]


def make():
    torch.manual_seed(7)
    shapes = OrderedDict([("model.embed_tokens", (VOCABULARY, DIM))])
    for layer in range(LAYERS):
        rows = {"q_proj": (HEADS * HEAD, DIM), "k_proj": (KV * HEAD, DIM), "v_proj": (KV * HEAD, DIM), "o_proj": (DIM, HEADS * HEAD),
                "gate_proj": (FFN, DIM), "up_proj": (FFN, DIM), "down_proj": (DIM, FFN)}
        for _, name, _ in IN_LAYERS:
            shapes[f"model.layers.{layer}.{name}"] = rows.get(name.split(".")[-1], (DIM,))
    shapes["model.norm"] = (DIM,)
    shapes["lm_head"] = (VOCABULARY, DIM)
    model = OrderedDict()
    for name, shape in shapes.items():
        values = torch.randn(shape) * 0.3 if len(shape) == 2 else 1 + 0.1 * torch.randn(shape)
        model[name + ".weight"] = values.bfloat16() if len(shape) == 2 else values
    return model


def interleaved(rows, heads):
    """Rows of transformers' order in Meta's: the reverse of what its converter does."""
    return rows.view(heads, 2, HEAD // 2, DIM).transpose(1, 2).reshape(heads * HEAD, DIM)


def meta(model, parts, embedding_axis):
    files = [OrderedDict() for _ in range(parts)]

    def put(own, values, axis):
        for i, file in enumerate(files):
            file[own] = values.clone() if axis is None else values.chunk(parts, axis)[i].clone().contiguous()

    put("tok_embeddings.weight", model["model.embed_tokens.weight"], embedding_axis)
    put("norm.weight", model["model.norm.weight"], None)
    put("output.weight", model["lm_head.weight"], 0)
    put("rope.freqs", torch.ones(HEAD // 2), None)
    for layer in range(LAYERS):
        for own, name, axis in IN_LAYERS:
            values = model[f"model.layers.{layer}.{name}.weight"]
            if own in ("attention.wq", "attention.wk"):
                values = interleaved(values, HEADS if own == "attention.wq" else KV)
            put(f"layers.{layer}.{own}.weight", values, axis)
    return files


def kinds():
    """A wrapped state dict of every kind of tensor, and what it means."""
    base = torch.arange(60, dtype=torch.float32).reshape(6, 10) / 7
    tied = torch.arange(12, dtype=torch.float32).reshape(3, 4).bfloat16()
    state = OrderedDict()
    state["plain"] = torch.nn.Parameter(base.half())
    state["transposed"] = base.t()
    state["columns"] = base[:, 2:7]
    state["rows"] = base[2:5]
    state["steps"] = base[::2, ::3]
    state["cube"] = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4).permute(2, 0, 1)
    state["one"] = torch.tensor(2.5)
    state["empty"] = torch.zeros(0, 7)
    state["double"] = base.double() / 3
    state["double.transposed"] = (base.double() / 3).t()
    state["tied"] = tied
    state["tied.again"] = tied
    state["layer.attn.bias"] = torch.ones(1, 1, 2, 2, dtype=torch.bool)
    expected = {name: (value.float() if value.dtype == torch.float64 else value).detach().contiguous().clone()
                for name, value in state.items() if not name.endswith("attn.bias")}
    return {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.5}}, expected


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


def main(out):
    model = make()
    folder = {name: os.path.join(out, name) for name in ("HF", "zip", "legacy", "sharded", "kinds", "meta1", "meta2", "mistral")}
    for path in folder.values():
        os.makedirs(path, exist_ok=True)
    for name in ("HF", "zip", "legacy", "sharded"):
        write_json(folder[name] + "/config.json", CONFIG)
    save_file(model, folder["HF"] + "/model.safetensors")
    torch.save(model, folder["zip"] + "/pytorch_model.bin")
    torch.save(model, folder["legacy"] + "/pytorch_model.bin", _use_new_zipfile_serialization=False)
    names, half, places = list(model), len(model) // 2, {}
    for i, part in enumerate((names[:half], names[half:])):
        file = f"pytorch_model-{i + 1:05}-of-00002.bin"
        torch.save(OrderedDict((name, model[name]) for name in part), f"{folder['sharded']}/{file}", pickle_protocol=4)
        places.update({name: file for name in part})
    write_json(folder["sharded"] + "/pytorch_model.bin.index.json", {"metadata": {}, "weight_map": places})
    state, expected = kinds()
    for form in ("zip", "legacy"):
        torch.save(state, f"{folder['kinds']}/{form}.pt", _use_new_zipfile_serialization=form == "zip")
    save_file(expected, out + "/kinds.safetensors")
    for name, parts, axis in (("meta1", 1, 0), ("meta2", 2, 1)):
        write_json(folder[name] + "/params.json", PARAMS)
        for i, file in enumerate(meta(model, parts, axis)):
            torch.save(file, f"{folder[name]}/consolidated.{i:02}.pth")
    write_json(folder["mistral"] + "/params.json", PARAMS | {"head_dim": HEAD, "hidden_dim": FFN, "vocab_size": VOCABULARY, "sliding_window": 48})
    del (single := meta(model, 1, 0)[0])["rope.freqs"]
    save_file(single, folder["mistral"] + "/consolidated.safetensors")


main(sys.argv[1])
