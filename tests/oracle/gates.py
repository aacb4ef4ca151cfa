"""Writes ../data/gates.json: six steps of DDP (arXiv 2603.08065, and its released code) by torch's autograd and AdamW in
fp64, on the model in examples/tiny-stories and three of its own sequences. gates.py [OUT]"""
import json
import os
import sys

import torch

import llama
import structured

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "..", "examples", "tiny-stories")
DATA = os.path.join(HERE, "..", "data")
SEQUENCES, LENGTH, CE, KD = 3, 24, 1.0, 2.0
STEPS, WARMUP, RATE, MULTIPLIER_RATE, SQUARE_RATE, TARGET, MU = 6, 2, 2e-2, 2e-2, 4e-1, 0.7, (0.5, 0.1)


def through(x, hard):
    """`hard` forward, the identity backward."""
    return x + (hard - x).detach()


def gate(z):
    return through(z, z.relu())


def retention(z, mu):
    v = torch.sigmoid((gate(z) - mu) * 2.4 / mu) * 1.2 - 0.1
    return through(v, v.clamp(0, 1))


def parts(config):
    """(output, units, columns of each, parameters of each) in pare's order"""
    d, heads, groups = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
    size = config.get("head_dim") or d // heads
    shared = heads // groups
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        yield at + "self_attn.o_proj.weight", groups, shared * size, 2 * d * size * (shared + 1)
        yield at + "mlp.down_proj.weight", config["intermediate_size"], 1, 3 * d


def gated(weights, config, z):
    out, first = dict(weights), 0
    for name, units, columns, _ in parts(config):
        out[name] = weights[name] * gate(z[first:first + units]).repeat_interleave(columns)
        first += units
    return out


def main():
    config, weights = llama.load(MODEL)
    with open(os.path.join(DATA, "tiny-stories.json"), encoding="utf-8") as f:
        ids = torch.tensor(json.load(f)["ids"])[:SEQUENCES, :LENGTH]
    size = torch.cat([torch.full((units,), float(parameters), dtype=torch.float64) for _, units, _, parameters in parts(config)])
    z = (0.5 + 0.6 * torch.cos(torch.arange(len(size), dtype=torch.float64))).requires_grad_(True)
    first, square, binary = (torch.zeros(1, dtype=torch.float64, requires_grad=True) for _ in range(3))
    optimizer = torch.optim.AdamW([{"params": [z], "lr": RATE}, {"params": [square], "lr": SQUARE_RATE, "maximize": True},
                                   {"params": [first, binary], "lr": MULTIPLIER_RATE, "maximize": True}], weight_decay=0.0)

    def rise(step):  # get_cosine_schedule_with_warmup
        done = torch.tensor((step - WARMUP) / (STEPS - WARMUP))
        return step / WARMUP if step < WARMUP else float(0.5 * (1 + torch.cos(torch.pi * done)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rise)
    with torch.no_grad():
        p = llama.logits(ids, weights, config)[:, :-1].log_softmax(-1)
    golden = {"sequences": SEQUENCES, "length": LENGTH, "steps": []}
    for step in range(STEPS):
        mu = MU[0] - (MU[0] - MU[1]) * (step / STEPS) ** 0.5
        q = llama.logits(ids, gated(weights, config, z), config)[:, :-1].log_softmax(-1)
        ce = -q.gather(-1, ids[:, 1:, None]).mean()
        kl = torch.nn.functional.kl_div(q, p, reduction="sum", log_target=True) / ids[:, 1:].numel()
        loss = CE * ce + KD * kl
        of_loss, = torch.autograd.grad(loss, z, retain_graph=True)
        s = retention(z, mu)
        left, mixed = (size * s).sum() / size.sum(), (size * s * (1 - s)).sum() / size.sum()
        sparsity, target = 1 - left, 1 - TARGET
        penalty = first * (sparsity - target) + square * (sparsity - target) ** 2 + binary * mixed
        optimizer.zero_grad()
        (loss + penalty.sum()).backward()
        golden["steps"].append({"loss": loss.item(), "left": left.item(), "mixed": mixed.item(),
                                "loss_gradient": of_loss.norm().item(), "gradient": z.grad.norm().item(),
                                "first_gradients": z.grad[:8].tolist()})
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            z.clamp_(min=-0.1)
    golden["multipliers"] = [first.item(), binary.item(), square.item()]
    golden["z"] = z.detach()[:64].tolist()
    golden["closed"] = int((z <= 0).sum())
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(DATA, "gates.json")
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        json.dump(structured.rounded(golden), f, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    main()
