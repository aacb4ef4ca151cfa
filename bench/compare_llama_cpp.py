#!/usr/bin/env python3
"""What llama.cpp makes of a model that pare wrote: the checkpoint as GGUF, then the same greedy text?

    bench/compare_llama_cpp.py PARE MODEL WORK [--methods wanda,sparsegpt] [--pattern 2:4 | --sparsity 0.5]

Needs numpy and the Python packages gguf and xllamacpp (llama.cpp in a wheel), and a model with a SentencePiece tokenizer.model. Tensors are
written in F32, Q and K in llama.cpp's order of rotary dimensions, as its own converter does.
"""
import argparse
import json
import pathlib
import struct
import subprocess

import gguf
import numpy
import xllamacpp

ROLES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}
OUTSIDE = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}


def tensors(folder):
    blob = (folder / "model.safetensors").read_bytes()
    size = struct.unpack("<Q", blob[:8])[0]
    for name, entry in json.loads(blob[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        raw = blob[8 + size + first : 8 + size + last]
        if entry["dtype"] == "F32":
            values = numpy.frombuffer(raw, numpy.float32)
        elif entry["dtype"] == "F16":
            values = numpy.frombuffer(raw, numpy.float16).astype(numpy.float32)
        else:
            values = (numpy.frombuffer(raw, numpy.uint16).astype(numpy.uint32) << 16).view(numpy.float32)
        yield name, values.reshape(entry["shape"])


def rotary_order(weights, heads):
    """Halves of a head next to each other, as llama.cpp has them."""
    rows, columns = weights.shape
    return weights.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def convert(folder, path):
    config = json.loads((folder / "config.json").read_text())
    heads, groups = config["num_attention_heads"], config.get("num_key_value_heads", config["num_attention_heads"])
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config.get("rope_theta", 10000.0))
    add_tokenizer(writer, folder / "tokenizer.model")
    for name, values in tensors(folder):
        if name in OUTSIDE:
            writer.add_tensor(OUTSIDE[name], values)
            continue
        layer, module = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
        if module in ("self_attn.q_proj", "self_attn.k_proj"):
            values = rotary_order(values, heads if module.endswith("q_proj") else groups)
        writer.add_tensor(f"blk.{layer}.{ROLES[module]}.weight", numpy.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_tokenizer(writer, path):
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(str(path))
    count = model.vocab_size()
    kinds = [
        gguf.TokenType.UNKNOWN if model.is_unknown(i) else gguf.TokenType.CONTROL if model.is_control(i) else gguf.TokenType.BYTE if model.is_byte(i) else gguf.TokenType.NORMAL
        for i in range(count)
    ]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([model.id_to_piece(i).encode() for i in range(count)])
    writer.add_token_scores([model.get_score(i) for i in range(count)])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(model.bos_id())
    writer.add_eos_token_id(model.eos_id())


def complete(path, prompt, tokens):
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = 256
    parameters.warmup = False
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32  # F16 turns near ties
    server = xllamacpp.Server(parameters)
    answer = server.handle_completions({"prompt": prompt, "n_predict": tokens, "max_tokens": tokens, "temperature": 0.0, "seed": 1})
    answer = answer if isinstance(answer, dict) else json.loads(answer)
    return answer.get("content") or answer["choices"][0]["text"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pare", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--methods", default="wanda,sparsegpt,best-sparse")
    parser.add_argument("--pattern")
    parser.add_argument("--sparsity", default="0.5")
    parser.add_argument("--prompt", default="once upon a time")
    parser.add_argument("--tokens", type=int, default=48)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    amount = ["--pattern", arguments.pattern] if arguments.pattern else ["--sparsity", arguments.sparsity]
    failed = False
    for method in arguments.methods.split(","):
        folder, path = arguments.work / method, arguments.work / f"{method}.gguf"
        prune = [arguments.pare, "prune", arguments.model, "-o", folder, "--force", "--quiet", "--method", method, *amount, "--samples", "32"]
        subprocess.run(prune, check=True, stdout=subprocess.DEVNULL)
        convert(folder, path)
        theirs = complete(path, arguments.prompt, arguments.tokens)
        generate = [arguments.pare, "generate", folder, "--prompt", arguments.prompt, "--tokens", str(arguments.tokens), "--compute", "fp32"]
        ours = subprocess.run(generate, check=True, capture_output=True, text=True).stdout
        ours = ours.removeprefix(arguments.prompt).rstrip("\n")
        same = ours.strip() == theirs.strip()
        failed |= not same
        print(f"{arguments.model.name} {method} {amount[1]}: {'same greedy text' if same else f'DIFFERENT{chr(10)}  pare      {ours!r}{chr(10)}  llama.cpp {theirs!r}'}")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
