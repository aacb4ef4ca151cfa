"""LLaMA in fp64 by the textbook, on torch autograd: what every golden value of a model is computed with.

Weights are a dict of tensors by their Hugging Face names. Nothing here is taken from pare or from transformers;
tests/model/test_golden_gradients.c holds pare to it."""
import json
import math
import os

import torch
from safetensors.torch import load_file


def load(folder, dtype=torch.float64):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    weights = {k: v.to(dtype) for k, v in load_file(os.path.join(folder, "model.safetensors")).items()}
    if config.get("tie_word_embeddings"):
        weights.pop("lm_head.weight", None)
    return config, weights


def names(config):
    """Tensor names in pare's and the golden files' order."""
    out = ["model.embed_tokens.weight"]
    for i in range(config["num_hidden_layers"]):
        out += [f"model.layers.{i}.{part}.weight" for part in (
            "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
            "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm")]
    out.append("model.norm.weight")
    return out if config.get("tie_word_embeddings") else out + ["lm_head.weight"]


def norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def rotate(x, base):
    """x: [batch, heads, length, head size]; pairs are (i, i + half)."""
    half, length = x.shape[-1] // 2, x.shape[-2]
    angle = torch.arange(length, dtype=x.dtype)[:, None] * base ** (-torch.arange(half, dtype=x.dtype) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


def linear(x, w, name, inputs=None):
    """inputs: a dict that receives what each linear layer reads."""
    if inputs is not None:
        inputs[name + ".weight"] = x.detach()
    return x @ w[name + ".weight"].T


def attention(x, w, layer, config, inputs=None):
    """The first half of a decoder layer."""
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    base = (config.get("rope_parameters") or {}).get("rope_theta") or config.get("rope_theta") or 10000.0
    at, (batch, length, _) = f"model.layers.{layer}.", x.shape
    h = norm(x, w[at + "input_layernorm.weight"], config["rms_norm_eps"])
    q, k, v = (linear(h, w, at + f"self_attn.{part}_proj", inputs).view(batch, length, -1, size).transpose(1, 2)
               for part in "qkv")
    q, k = rotate(q, base), rotate(k, base)
    k, v = (t.repeat_interleave(heads // groups, 1) for t in (k, v))
    scores = q @ k.transpose(-1, -2) / math.sqrt(size)
    scores = scores.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), float("-inf"))
    context = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, heads * size)
    return x + linear(context, w, at + "self_attn.o_proj", inputs)


def ffn(x, w, layer, config, inputs=None):
    """The second half."""
    at = f"model.layers.{layer}."
    h = norm(x, w[at + "post_attention_layernorm.weight"], config["rms_norm_eps"])
    gate, up = (linear(h, w, at + f"mlp.{part}_proj", inputs) for part in ("gate", "up"))
    return x + linear(gate / (1 + (-gate).exp()) * up, w, at + "mlp.down_proj", inputs)


def block(x, w, layer, config, inputs=None):
    return ffn(attention(x, w, layer, config, inputs), w, layer, config, inputs)


def logits(ids, w, config):
    x = w["model.embed_tokens.weight"][ids]
    for layer in range(config["num_hidden_layers"]):
        x = block(x, w, layer, config)
    x = norm(x, w["model.norm.weight"], config["rms_norm_eps"])
    return x @ w.get("lm_head.weight", w["model.embed_tokens.weight"]).T


def token_losses(ids, w, config):
    """[batch, length - 1]: cross-entropy of every next token."""
    out = logits(ids, w, config)[:, :-1]
    return out.logsumexp(-1) - out.gather(-1, ids[:, 1:, None]).squeeze(-1)


def gradient(ids, w, config):
    """Loss (mean over all next tokens of all sequences) and its gradient by tensor."""
    leaves = {k: v.detach().clone().requires_grad_() for k, v in w.items()}
    loss = token_losses(ids, leaves, config).mean()
    grads = torch.autograd.grad(loss, list(leaves.values()))
    return loss.item(), dict(zip(leaves, grads))


def perplexity(windows, w, config, batch=25):
    with torch.no_grad():
        losses = [token_losses(windows[i:i + batch], w, config).double() for i in range(0, len(windows), batch)]
    return math.exp(torch.cat(losses).mean().item())
