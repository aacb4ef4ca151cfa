#!/usr/bin/env python3
"""Trains a small mixture of experts and saves it as transformers does: train_moe.py STORIES MODEL OUT [--seed N]
[--steps N] [--threads N] [--state FILE].

STORIES is the text; its first 95 % are trained on, the last 5 % judge. MODEL has the tokenizer (examples/tiny-stories).
examples/tiny-stories-moe was made with what is set here. The rate goes up, stays, and falls over the last 30 % of the
steps, so that a run may be taken up from its --state with other --steps, as long as the fall had not begun.

Experts are kept in use by the loss of the Switch transformer (arXiv 2101.03961, eq. 4) of every layer by itself: times
the number of experts, the sum over them of the share of choices that they get times their mean probability.

Needs torch, transformers and tokenizers."""
import argparse
import json
import math
import os
import shutil
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

SHAPE = {"vocab_size": 1024, "hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4,
         "head_dim": 16, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 192, "intermediate_size": 384,
         "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [], "max_position_embeddings": 512,
         "tie_word_embeddings": True, "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": 2, "use_cache": False}
TRAINING = {"steps": 900, "batch": 24, "length": 256, "rate": 3e-3, "warmup": 50, "fall": 0.3, "decay": 0.1, "balance": 0.01}
FILES = ["tokenizer.json", "tokenizer.model", "tokenizer_config.json", "generation_config.json"]


def read_ids(stories, tokenizer):
    """Ids of the first 95 % of the text, cut at a line, and of the rest."""
    with open(stories, encoding="utf-8") as f:
        text = f.read()
    cut = text.rindex("\n", 0, int(0.95 * len(text))) + 1
    return [torch.tensor(tokenizer.encode(part).ids) for part in (text[:cut], text[cut:])]


def balance_loss(router_logits, chosen):
    """Mean over layers of E sum_e f_e P_e; f_e: share of choices, P_e: mean probability."""
    losses = []
    for logits in router_logits:
        probability = logits.float().softmax(-1)
        experts = probability.shape[-1]
        picked = F.one_hot(probability.topk(chosen, -1).indices, experts).float().sum(1).mean(0) / chosen
        losses.append(experts * (picked * probability.mean(0)).sum())
    return torch.stack(losses).mean()


def judge(model, ids, windows=200, length=128):
    """Perplexity over windows that begin with BOS, and the share of choices that each expert of each layer gets."""
    rows = ids[:windows * (length - 1)].view(windows, length - 1)
    rows = torch.cat([torch.full((windows, 1), model.config.bos_token_id), rows], 1)
    total, loads = 0.0, torch.zeros(model.config.num_hidden_layers, model.config.num_experts)
    with torch.no_grad():
        for part in rows.split(50):
            out = model(part, output_router_logits=True)
            total += F.cross_entropy(out.logits[:, :-1].flatten(0, 1), part[:, 1:].flatten(), reduction="sum").item()
            for layer, logits in enumerate(out.router_logits):
                loads[layer] += logits.topk(model.config.num_experts_per_tok, -1).indices.flatten().bincount(
                    minlength=model.config.num_experts)
    return math.exp(total / (windows * (length - 1))), loads / loads.sum(1, keepdim=True)


def rate_at(step, steps):
    falling = int(TRAINING["fall"] * steps)
    return min(1.0, (step + 1) / TRAINING["warmup"], (steps - step) / falling)


def train(model, ids, held, steps, seed, state):
    matrices = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": TRAINING["decay"]}, {"params": others, "weight_decay": 0.0}],
                                  lr=TRAINING["rate"], betas=(0.9, 0.98))
    first, length = 0, TRAINING["length"]
    if state and os.path.exists(state):
        kept = torch.load(state)
        if kept["step"] <= steps - int(TRAINING["fall"] * steps):
            first = kept["step"]
            model.load_state_dict(kept["model"])
            optimizer.load_state_dict(kept["optimizer"])
    for step in range(first, steps):
        if state and step % 50 == 0 and step > first and rate_at(step, steps) == 1.0:
            torch.save({"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, state + ".new")
            os.replace(state + ".new", state)
        for group in optimizer.param_groups:
            group["lr"] = TRAINING["rate"] * rate_at(step, steps)
        generator = torch.Generator().manual_seed(seed * 1000003 + step)
        starts = torch.randint(len(ids) - length, (TRAINING["batch"],), generator=generator)
        rows = torch.stack([ids[at:at + length + 1] for at in starts.tolist()])
        with torch.autocast("cpu", torch.bfloat16):
            out = model(rows[:, :-1], output_router_logits=True)
        loss = F.cross_entropy(out.logits.float().flatten(0, 1), rows[:, 1:].flatten())
        balance = balance_loss(out.router_logits, model.config.num_experts_per_tok)
        optimizer.zero_grad()
        (loss + TRAINING["balance"] * balance).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % 10 == 0:
            print(f"step {step + 1}: loss {loss.item():.3f}, balance {balance.item():.3f}, {time.process_time():.0f} s", flush=True)
        if (step + 1) % 200 == 0:
            print("perplexity of what it was not trained on: %.2f" % judge(model, held)[0], flush=True)


def name_for_older(path):
    """transformers 4 has another name for the number of experts."""
    with open(path, encoding="utf-8") as f:
        config = json.load(f)
    config["num_experts"] = config["num_local_experts"]
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f, indent=2, sort_keys=True)
        f.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stories")
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=TRAINING["steps"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--state")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    ids, held = read_ids(given.stories, Tokenizer.from_file(os.path.join(given.model, "tokenizer.json")))
    model = Qwen3MoeForCausalLM(Qwen3MoeConfig(**SHAPE))
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(ids)} tokens", flush=True)
    train(model, ids, held, given.steps, given.seed, given.state)
    model = model.to(torch.bfloat16)
    model.save_pretrained(given.out)
    name_for_older(os.path.join(given.out, "config.json"))
    for name in FILES:
        shutil.copy(os.path.join(given.model, name), given.out)
    perplexity, loads = judge(model.float(), held)
    print(f"perplexity of what it was not trained on: {perplexity:.2f}")
    for layer, shares in enumerate(loads):
        print(f"layer {layer}: shares of choices " + " ".join(f"{share:.3f}" for share in shares.tolist()))


if __name__ == "__main__":
    main()
