"""Writes ../data/gguf_models.json.gz: tiny models as GGUF files, by the gguf package: gguf_models.py [OUT [FOLDER]].

Names of tensors are those that the package maps transformers' to, the metadata is written with its methods, and rows of
Q and K and norms are changed as llama.cpp's convert_hf_to_gguf.py changes them. Where transformers reads the
architecture from GGUF files, what it makes of the file is held against the model. What is kept is the front of each
file, up to the tensors' data, and what is stored of each tensor, since weights are made of names (families.py); and
logits and losses of the models in fp64. FOLDER: the whole files are left there."""
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
from family_cases import CASES as PLAIN, LLAMA3, like_llama, long_rope
from families import IDS, PICKED, V, build, counted, digits, logits_of, stream, weight

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "gguf_models.json.gz")
ARCH = gguf.MODEL_ARCH
# Attention of Gemmas is scaled by the width of heads: no key of GGUF says otherwise.
OWN = {
    "gemma2 as converted": like_llama("gemma2", head_dim=12, query_pre_attn_scalar=12, sliding_window=16, attn_logit_softcapping=3.0,
                                      final_logit_softcapping=2.0),
    "gemma3 as converted": like_llama("gemma3_text", head_dim=12, query_pre_attn_scalar=12, sliding_window=16, num_hidden_layers=7,
                                      rope_theta=5000.0, rope_scaling={"rope_type": "linear", "factor": 4.0}),
    "llama llama3, untied": like_llama("llama", head_dim=32, hidden_size=64, num_attention_heads=2, num_key_value_heads=1, rope_parameters=LLAMA3),
    "starcoder2 without windows": like_llama("starcoder2", sliding_window=None),
    "phi3 longrope": like_llama("phi3", rope_parameters=long_rope(4, 32), original_max_position_embeddings=32),
}
# By case: the architecture, whether rows of Q and K are stored in pairs, what is added to norms.
CASES = {
    "llama": (ARCH.LLAMA, True, 0), "llama biases": (ARCH.LLAMA, True, 0), "llama linear": (ARCH.LLAMA, True, 0),
    "llama llama3": (ARCH.LLAMA, True, 0), "llama llama3, untied": (ARCH.LLAMA, True, 0), "llama yarn": (ARCH.LLAMA, True, 0),
    "llama one key head of 10": (ARCH.LLAMA, True, 0), "qwen2": (ARCH.QWEN2, False, 0), "qwen2 tied, yarn": (ARCH.QWEN2, False, 0),
    "qwen3": (ARCH.QWEN3, False, 0), "gemma": (ARCH.GEMMA, False, 1), "gemma2 as converted": (ARCH.GEMMA2, False, 1),
    "gemma3 as converted": (ARCH.GEMMA3, False, 1), "phi3": (ARCH.PHI3, False, 0), "phi3 window": (ARCH.PHI3, False, 0),
    "phi3 longrope": (ARCH.PHI3, False, 0), "olmo2": (ARCH.OLMO2, False, 0), "granite": (ARCH.GRANITE, True, 0),
    "smollm3": (ARCH.SMOLLM3, True, 0), "stablelm": (ARCH.STABLELM, False, 0), "stablelm parallel": (ARCH.STABLELM, False, 0),
    "starcoder2 without windows": (ARCH.STARCODER2, False, 0), "nemotron": (ARCH.NEMOTRON, False, 1), "cohere": (ARCH.COMMAND_R, False, 0),
}
# What transformers' own reader of GGUF files can be asked for.
READ = {"llama", "llama one key head of 10", "qwen2"}


def metadata(writer, config, arch):
    rope = getattr(config, "rope_parameters", None) or {}
    if "full_attention" in rope:
        rope = rope["full_attention"]
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    kinds = gguf.RopeScalingType
    writer.add_type("model")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_freq_base(rope.get("rope_theta", 10000.0))
    writer.add_rope_dimension_count(int(head * rope.get("partial_rotary_factor", 1.0)))
    if head * config.num_attention_heads != config.hidden_size:
        writer.add_key_length(head)
        writer.add_value_length(head)
    if arch in (ARCH.STABLELM, ARCH.STARCODER2, ARCH.NEMOTRON, ARCH.COMMAND_R):
        writer.add_layer_norm_eps(getattr(config, "layer_norm_eps", None) or getattr(config, "norm_eps", None) or config.norm_epsilon)
    else:
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if rope.get("rope_type") in ("linear", "yarn"):
        writer.add_rope_scaling_type(kinds.LINEAR if rope["rope_type"] == "linear" else kinds.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
    if rope.get("rope_type") == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if arch in (ARCH.GEMMA2, ARCH.GEMMA3, ARCH.PHI3):
        writer.add_sliding_window(config.sliding_window or 0)
    if arch == ARCH.GEMMA2:
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if arch == ARCH.GRANITE:
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
    if arch == ARCH.STABLELM:
        writer.add_parallel_residual(config.use_parallel_residual)
    if arch == ARCH.COMMAND_R:
        writer.add_logit_scale(config.logit_scale)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    return rope, head


def factors_of(writer, config, rope, head):
    """Tensors of numbers by which pairs of a head are slowed down, by name."""
    half = int(head * rope.get("partial_rotary_factor", 1.0)) // 2
    if rope.get("rope_type") == "llama3":
        frequencies = rope["rope_theta"] ** (-np.arange(half) / half)
        turns = rope["original_max_position_embeddings"] * frequencies / (2 * np.pi)
        low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
        smooth = np.clip((turns - low) / (high - low), 0, 1)
        return {"rope_freqs.weight": 1 / ((1 - smooth) / factor + smooth)}
    if rope.get("rope_type") == "longrope":
        original = config.original_max_position_embeddings if hasattr(config, "original_max_position_embeddings") else rope["original_max_position_embeddings"]
        ratio = config.max_position_embeddings / original
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(float(np.sqrt(1 + np.log(ratio) / np.log(original))))
        return {"rope_factors_long.weight": np.array(rope["long_factor"]), "rope_factors_short.weight": np.array(rope["short_factor"])}
    return {}


def change(name, values, pairs, heads, kv_heads, shift):
    """As stored, and how: [size of heads stored in pairs or 0, what is added]."""
    size = 0
    for part, count in ((".q_proj.", heads), (".k_proj.", kv_heads)):
        if pairs and part in name:
            size = values.shape[0] // count
            values = values.reshape(count, 2, size // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
    added = shift if name.endswith("norm.weight") else 0
    return values + added, size, added


def write(path, config, shapes, arch, pairs, shift):
    """What is stored of each tensor, in the order of the file."""
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    names, rows = gguf.get_tensor_name_map(arch, config.num_hidden_layers), []
    rope, head = metadata(writer, config, arch)
    for name, values in factors_of(writer, config, rope, head).items():
        writer.add_tensor(name, values.astype(np.float32))
        rows.append([name, values.astype(np.float32).tolist()])
    for name, shape in shapes.items():
        values = weight(name, shape).numpy().astype(np.float32)
        stored, size, added = change(name, values, pairs, config.num_attention_heads, config.num_key_value_heads, shift)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), np.ascontiguousarray(stored))
        rows.append([name, shape, size, added])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return rows


def record(name, folder, keep):
    config, shapes, model = build(name, folder)
    arch, pairs, shift = CASES[name]
    path = os.path.join(folder, name.replace(" ", "-").replace(",", "") + ".gguf")
    if model.config.tie_word_embeddings:
        shapes = {tensor: shape for tensor, shape in shapes.items() if tensor != "lm_head.weight"}
    rows = write(path, model.config, shapes, arch, pairs, shift)
    flat = logits_of(model, IDS).detach().double().reshape(-1, V).numpy()
    loss = torch.nn.functional.cross_entropy(torch.tensor(flat.reshape(*IDS.shape, V)[:, :-1].reshape(-1, V)), torch.tensor(IDS[:, 1:]).reshape(-1))
    if name in READ:
        again = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=os.path.basename(path), dtype=torch.float32, attn_implementation="eager")
        with torch.no_grad():
            other = again(input_ids=torch.tensor(IDS)).logits.double().reshape(-1, V).numpy()
        print(f"{name}: transformers' reader is {np.abs(other - flat).max() / np.abs(flat).max():.2g} apart", flush=True)
        assert np.abs(other - flat).max() < 1e-4 * np.abs(flat).max()
    begin = gguf.GGUFReader(path).data_offset
    with open(path, "rb") as f:
        front = f.read(int(begin))
    if keep:
        shutil.copy(path, keep)
    return {"name": name, "front": base64.b64encode(front).decode(), "loss": digits([loss], 9)[0], "largest": digits([np.abs(flat).max()])[0],
            "logits": [digits(flat[token, ::8], 6) for token in PICKED], "dots": digits(flat @ counted(stream("logits"), 0, V)), "tensors": rows}


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    families.CASES.update(OWN)
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
