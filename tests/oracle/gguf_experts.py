"""Writes ../data/gguf_experts.json.gz: tiny models with experts as GGUF files, by the gguf package: gguf_experts.py [OUT [FOLDER]].

As gguf_models.py, whose functions these are: names of tensors are those that the package maps transformers' to, and the metadata
is what llama.cpp's converter (conversion/base.py and the files of its classes) writes of such a model, with the package's methods.
Experts of a layer are stacked to one tensor of three axes for each part; Granite's fused ones are parted; what makes keys and
values of a latent is parted by heads into the keys', the other way round, and the values'. What is kept of each case: config.json,
tensors as transformers saves them, the front of the file, how each of its tensors is made of those, and logits and losses of the
model in fp64. FOLDER: the whole files are left there."""
import base64
import gzip
import json
import os
import shutil
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import gguf
import numpy as np
import torch
import transformers

import families
from family_cases import CHUNKED, EXPERT_CASES, EXPERTS, LATENT, LOCAL, ROUTED, YARN, like_llama
from families import IDS, PICKED, V, build, counted, digits, logits_of, stream, weight
from gguf_models import change, factors_of

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "gguf_experts.json.gz")
ARCH = gguf.MODEL_ARCH
LLAMA4 = CHUNKED | {"attention_chunk_size": 8192, "use_qk_norm": True}
# By case: the architecture, whether rows of Q and K are stored in pairs, and its own config.json where llama.cpp has not that of family_cases.py.
CASES = {
    "mixtral": (ARCH.LLAMA, True, None),
    "qwen2_moe": (ARCH.QWEN2MOE, False, None),
    "qwen3_moe normalised": (ARCH.QWEN3MOE, False, like_llama("qwen3_moe", **EXPERTS, head_dim=12, norm_topk_prob=True)),
    "olmoe with keys of its own": (ARCH.OLMOE, False, like_llama("olmoe", num_key_value_heads=4, **EXPERTS | {"moe_intermediate_size": "absent"})),
    "granitemoe": (ARCH.GRANITE_MOE, True, None),
    "glm4_moe": (ARCH.GLM4_MOE, False, None),
    "glm4_moe groups, all layers": (ARCH.GLM4_MOE, False, None),
    "dots1 with keys of its own": (ARCH.DOTS1, False, EXPERT_CASES["dots1"] | {"num_key_value_heads": 4}),
    "deepseek_v2 one mscale": (ARCH.DEEPSEEK2, False, EXPERT_CASES["deepseek_v2"] | {"rope_parameters": {**YARN, "mscale": 0.7, "mscale_all_dim": 0.7}}),
    "deepseek_v2 straight queries": (ARCH.DEEPSEEK2, False, like_llama("deepseek_v2", **LATENT | {"q_lora_rank": None, "v_head_dim": 12}, **ROUTED,
                                                                       n_shared_experts=1, first_k_dense_replace=0)),
    "deepseek_v3": (ARCH.DEEPSEEK2, False, None),
    "glm4_moe_lite, one dense": (ARCH.DEEPSEEK2, False, like_llama("glm4_moe_lite", **LATENT, **ROUTED, num_hidden_layers=3,
                                                                   mlp_layer_types=["dense", "sparse", "sparse"])),
    "llama4_text": (ARCH.LLAMA4, False, like_llama("llama4_text", **LLAMA4, num_experts_per_tok=1, num_hidden_layers=4, interleave_moe_layer_step=2)),
    "llama4_text, two of six everywhere": (ARCH.LLAMA4, False, like_llama(
        "llama4_text", **LLAMA4, num_experts_per_tok=2, num_hidden_layers=5, interleave_moe_layer_step=1, tie_word_embeddings=True,
        rope_parameters={"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 32})),
}


DIVIDED = ("granitemoe", "deepseek_v3")  # into several files, halves of one tensor among them


def base(writer, c):
    """TextModel.set_gguf_parameters"""
    rope = getattr(c, "rope_parameters", None) or {}
    get = lambda *names: next((getattr(c, name) for name in names if getattr(c, name, None) is not None), None)
    writer.add_block_count(c.num_hidden_layers)
    writer.add_context_length(c.max_position_embeddings)
    writer.add_embedding_length(c.hidden_size)
    writer.add_feed_forward_length(getattr(c, "intermediate_size_mlp", c.intermediate_size))
    writer.add_head_count(c.num_attention_heads)
    writer.add_head_count_kv(1 if get("kv_lora_rank") else c.num_key_value_heads)
    if rope.get("rope_type") == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    if get("num_local_experts", "num_experts") is not None:
        writer.add_expert_count(get("num_local_experts", "num_experts"))
    writer.add_expert_used_count(c.num_experts_per_tok)
    if get("n_group") is not None:
        writer.add_expert_group_count(c.n_group)
        writer.add_expert_group_used_count(c.topk_group)
    if get("head_dim") is not None and not get("kv_lora_rank"):
        writer.add_key_length(c.head_dim)
        writer.add_value_length(c.head_dim)
    return rope, get


def metadata(writer, c, arch, sigmoid):
    rope, get = base(writer, c)
    head = get("head_dim") or c.hidden_size // c.num_attention_heads
    if arch in (ARCH.LLAMA, ARCH.GRANITE_MOE):
        writer.add_vocab_size(c.vocab_size)
        writer.add_rope_dimension_count(head)
    if arch == ARCH.GRANITE_MOE:
        writer.add_attention_scale(c.attention_multiplier)
        writer.add_embedding_scale(c.embedding_multiplier)
        writer.add_residual_scale(c.residual_multiplier)
        writer.add_logit_scale(c.logits_scaling)
    if arch in (ARCH.QWEN2MOE, ARCH.QWEN3MOE, ARCH.GLM4_MOE, ARCH.DOTS1, ARCH.DEEPSEEK2):
        writer.add_expert_feed_forward_length(c.moe_intermediate_size)
    if arch == ARCH.LLAMA4:
        writer.add_vocab_size(c.vocab_size)
        writer.add_rope_dimension_count(head)
        writer.add_interleave_moe_layer_step(c.interleave_moe_layer_step)
        writer.add_expert_feed_forward_length(c.intermediate_size)
    if arch == ARCH.QWEN2MOE:
        writer.add_expert_shared_feed_forward_length(c.shared_expert_intermediate_size)
    if arch == ARCH.GLM4_MOE:
        writer.add_rope_dimension_count(int(head * rope.get("partial_rotary_factor", 0.5)))
    if arch in (ARCH.GLM4_MOE, ARCH.DOTS1, ARCH.DEEPSEEK2):
        dense = get("first_k_dense_replace")
        if dense is None:
            dense = c.mlp_layer_types.count("dense")
        if get("num_local_experts", "num_experts") is None:
            writer.add_expert_count(c.n_routed_experts)
        writer.add_expert_shared_count(c.n_shared_experts)
        writer.add_leading_dense_block_count(dense)
        writer.add_expert_weights_scale(c.routed_scaling_factor)
        if sigmoid:  # as published files of config.json say (scoring_func), where transformers has no key
            writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
            writer.add_expert_weights_norm(c.norm_topk_prob)
    if arch == ARCH.DEEPSEEK2:
        writer.add_vocab_size(c.vocab_size)
        if c.q_lora_rank is not None:
            writer.add_q_lora_rank(c.q_lora_rank)
        writer.add_kv_lora_rank(c.kv_lora_rank)
        writer.add_key_length(c.kv_lora_rank + c.qk_rope_head_dim)
        writer.add_value_length(c.kv_lora_rank)
        writer.add_key_length_mla(c.qk_nope_head_dim + c.qk_rope_head_dim)
        writer.add_value_length_mla(c.v_head_dim)
        writer.add_rope_dimension_count(c.qk_rope_head_dim)
        if rope.get("mscale_all_dim") is not None:
            writer.add_rope_scaling_yarn_log_mul(0.1 * rope["mscale_all_dim"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def parted(names, shape, block=0, first=0, rows=0, turned=False):
    """Of each of these tensors, rows [first, first + rows) of every `block`, turned within the block; block 0: all."""
    whole = [weight(name, shape).numpy().astype(np.float32) for name in names]
    if not block:
        return np.stack(whole), [names, shape, 0, 0, 0, 0]
    each = np.concatenate([one.reshape(-1, block, shape[-1])[:, first:first + rows] for one in whole])
    return each.transpose(0, 2, 1) if turned else each, [names, shape, block, first, rows, int(turned)]


def turned(name, shape, first, columns):
    """Columns [first, first + columns) of every matrix as its rows."""
    numbers = weight(name, shape).numpy().astype(np.float32)[:, :, first:first + columns].transpose(0, 2, 1)
    return numbers, [[name], shape, shape[1], 0, shape[1], 1, first, columns]


def stored(c, shapes, arch, pairs):
    """(name in transformers' words for the package to map, numbers, how they are made), tensor by tensor."""
    done = set()
    for name, shape in shapes.items():
        if ".experts." in name and name.endswith(".weight"):
            before, rest = name.split(".experts.")
            part = rest.split(".")[1]
            if (before, part) not in done:
                done.add((before, part))
                names = [f"{before}.experts.{i}.{part}.weight" for i in range(sum(1 for n in shapes if n.startswith(f"{before}.experts.") and n.endswith(f".{part}.weight")))]
                yield f"{before}.experts.{part}.weight", *parted(names, shape)
        elif name.endswith("experts.gate_up_proj"):  # Llama 4's
            width = shape[2] // 2
            for i, part in enumerate(("gate_proj", "up_proj")):
                yield name.replace("gate_up_proj", part) + ".weight", *turned(name, shape, i * width, width)
        elif name.endswith("experts.down_proj"):
            yield name + ".weight", *turned(name, shape, 0, shape[2])
        elif name.endswith("input_linear.weight"):  # Granite's
            width = shape[1] // 2
            for i, part in enumerate(("gate_proj", "up_proj")):
                numbers, made = parted([name], shape, 2 * width, i * width, width)
                yield name.replace("input_linear", f"experts.{part}").replace("block_sparse_moe", "mlp"), numbers, made
        elif name.endswith("output_linear.weight"):
            yield name, *parted([name], shape, shape[1], 0, shape[1])
        elif name.endswith("kv_b_proj.weight"):
            plain, value = c.qk_nope_head_dim, c.v_head_dim
            yield name.replace("kv_b", "k_b"), *parted([name], shape, plain + value, 0, plain, True)
            yield name.replace("kv_b", "v_b"), *parted([name], shape, plain + value, plain, value)
        else:
            numbers, size, added = change(name, weight(name, shape).numpy().astype(np.float32), pairs, c.num_attention_heads, c.num_key_value_heads, 0)
            if name.endswith("shared_expert_gate.weight"):
                numbers = numbers.reshape(-1)
            yield name, numbers, [name, shape, size, added]


def write(path, c, shapes, arch, pairs, split=0):
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch], split_max_tensors=split)
    names, rows = gguf.get_tensor_name_map(arch, c.num_hidden_layers), []
    sigmoid = any("e_score_correction_bias" in name for name in shapes)
    writer.add_type("model")
    metadata(writer, c, arch, sigmoid)
    rope = getattr(c, "rope_parameters", None) or {}
    head = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    for name, numbers in factors_of(writer, c, rope, head).items():
        writer.add_tensor(name, numbers.astype(np.float32))
        rows.append([name, numbers.astype(np.float32).tolist()])
    for name, numbers, made in stored(c, shapes, arch, pairs):
        mapped = names.get_name(name.replace("e_score_correction_bias", "e_score_correction.bias"), try_suffixes=(".weight", ".bias"))
        assert mapped, name
        writer.add_tensor(mapped, np.ascontiguousarray(numbers))
        rows.append(made)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return rows


def front_of(path):
    with open(path, "rb") as f:
        return base64.b64encode(f.read(int(gguf.GGUFReader(path).data_offset))).decode()


def parts_of(folder, *model):
    """Fronts and numbers of tensors of the same file, divided every few tensors."""
    write(os.path.join(folder, "parts.gguf"), *model, split=5)
    paths = sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("parts-"))
    return [[front_of(path), len(gguf.GGUFReader(path).tensors)] for path in paths]


def record(name, folder, keep):
    arch, pairs, own = CASES[name]
    config, shapes, model = build(name, folder)
    path = os.path.join(folder, name.replace(" ", "-").replace(",", "") + ".gguf")
    if model.config.tie_word_embeddings:
        shapes = {tensor: shape for tensor, shape in shapes.items() if tensor != "lm_head.weight"}
    rows = write(path, model.config, shapes, arch, pairs)
    flat = logits_of(model, IDS).detach().double().reshape(-1, V).numpy()
    loss = torch.nn.functional.cross_entropy(torch.tensor(flat.reshape(*IDS.shape, V)[:, :-1].reshape(-1, V)), torch.tensor(IDS[:, 1:]).reshape(-1))
    if keep:
        shutil.copy(path, keep)
    parts = {"parts": parts_of(folder, model.config, shapes, arch, pairs)} if name in DIVIDED else {}
    return {"name": name, "config": config, "tensors": [[tensor, shape] for tensor, shape in shapes.items()], "front": front_of(path), "stored": rows, **parts, "loss": digits([loss], 9)[0], "largest": digits([np.abs(flat).max()])[0],
            "logits": [digits(flat[token, ::8], 6) for token in PICKED], "dots": digits(flat @ counted(stream("logits"), 0, V))}


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    families.EXPERT_CASES.update({name: own for name, (_, _, own) in CASES.items() if own})
    keep = sys.argv[2] if len(sys.argv) > 2 else None
    cases = []
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            cases.append(record(name, folder, keep))
        print(name, len(cases[-1]["front"]), flush=True)
    text = json.dumps({"ids": IDS.tolist(), "picked": PICKED, "cases": cases}, separators=(",", ":"))
    with open(sys.argv[1] if len(sys.argv) > 1 else OUT, "wb") as f:
        f.write(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
