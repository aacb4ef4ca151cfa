"""Writes ../data/llama4_pruning.json: what torch, in fp64, keeps of models of Llama 4 in EXPERT_CASES, whose shares multiply what
experts read: whole experts by REAP, by frequency, by the sums of their shares and by the error that they leave; channels of experts, of what all tokens reach and
of dense layers by norms of inputs; and what transformers makes of the smaller models: losses, names and shapes.

By layer: the experts that stay, or the channels of each and of what all tokens reach ("ffn")."""
import math
import os
import sys
import tempfile

import torch

import families
from expert_channels import kept_of
from expert_pruning import loss_of

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "llama4_pruning.json")
CASES = ("llama4_text", "llama4_text two of six, plain")
METHODS = ("reap", "expert-frequency", "expert-gates", "expert-obs", "wanda-structured")
RATIO = {"wanda-structured": 0.3, "expert-obs": 0.5}  # at which it keeps others than frequency does
USUAL = 0.34


def look(model):
    """What each FFN reads on the ids, by layer."""
    seen, hooks = {}, []
    for number, layer in enumerate(model.model.layers):
        hooks.append(layer.feed_forward.register_forward_hook(
            lambda m, inputs, output, number=number: seen.__setitem__(number, inputs[0].detach().reshape(-1, inputs[0].shape[-1]))))
    loss_of(model)
    for hook in hooks:
        hook.remove()
    return seen


def parts_of(experts, e):
    """Gate, up [f, d], down [d, f]."""
    gate, up = experts.gate_up_proj[e].detach().chunk(2, dim=-1)
    return gate.T, up.T, experts.down_proj[e].detach().T


def run(parts, x, act):
    gate, up, down = parts
    h = act(x @ gate.T) * (x @ up.T)
    return h, h @ down.T


def reached(ffn, x):
    """Of each expert: what it reads of the tokens that reach it, and their shares."""
    logits = x @ ffn.router.weight.detach().T
    index = logits.topk(ffn.top_k, dim=1).indices
    shares = torch.sigmoid(logits)
    out = []
    for e in range(ffn.num_experts):
        tokens = torch.where((index == e).any(-1))[0]
        out.append((x[tokens] * shares[tokens, e:e + 1], shares[tokens, e]))
    return out


def expert_scores(method, ffn, x):
    scores = []
    for e, (inputs, shares) in enumerate(reached(ffn, x)):
        _, y = run(parts_of(ffn.experts, e), inputs, ffn.experts.act_fn)
        value = {"reap": y.norm(dim=1).mean() if len(y) else torch.zeros(()), "expert-frequency": torch.tensor(float(len(y))),
                 "expert-gates": shares.sum()}[method]
        scores.append(value.item())
    return scores


def least_error(ffn, x, keep):
    """Experts that stay where the one goes next without which the layer's output, tokens choosing anew, is nearest to the dense one's."""
    logits = x @ ffn.router.weight.detach().T
    made = torch.stack([run(parts_of(ffn.experts, e), x * torch.sigmoid(logits[:, e:e + 1]), ffn.experts.act_fn)[1] for e in range(ffn.num_experts)])

    def output(left):
        off = torch.full_like(logits, float("-inf"))
        off[:, left] = logits[:, left]
        index = off.topk(min(ffn.top_k, len(left)), dim=1).indices
        return sum(made[index[:, i], torch.arange(len(x))] for i in range(index.shape[1]))

    left = list(range(ffn.num_experts))
    dense = output(left)
    while len(left) > keep:
        errors = {e: (output([i for i in left if i != e]) - dense).square().sum().item() for e in left}
        left.remove(min(left, key=lambda e: (errors[e], e)))
    return left


def channel_scores(parts, x, act):
    gate, up, down = parts
    h, _ = run(parts, x, act)
    outer, inner = x.norm(dim=0), h.norm(dim=0)
    return ((gate.abs() * outer).sum(1) + (up.abs() * outer).sum(1) + (down.abs() * inner).sum(0)).tolist()


def dense_parts(mlp):
    return mlp.gate_proj.weight.detach(), mlp.up_proj.weight.detach(), mlp.down_proj.weight.detach()


def left_of(count, method):
    ratio = RATIO.get(method, USUAL)
    return math.trunc(count * (1 - ratio) + 1e-9) if method == "wanda-structured" else count - int(count * ratio)


def choose(model, method, seen):
    layers = []
    for number, layer in enumerate(model.model.layers):
        ffn, x = layer.feed_forward, seen[number]
        routed = hasattr(ffn, "experts")
        if method == "wanda-structured":
            shared = ffn.shared_expert if routed else ffn
            row = {"ffn": kept_of(channel_scores(dense_parts(shared), x, shared.activation_fn), left_of(shared.gate_proj.out_features, method))}
            if routed:
                row["experts"] = [kept_of(channel_scores(parts_of(ffn.experts, e), inputs, ffn.experts.act_fn), left_of(ffn.experts.expert_dim, method))
                                  for e, (inputs, _) in enumerate(reached(ffn, x))]
            layers.append(row)
        else:
            keep = left_of(ffn.num_experts, method) if routed else 0
            if method == "expert-obs":
                layers.append({"kept": least_error(ffn, x, keep)} if routed else {})
            else:
                layers.append({"kept": kept_of(expert_scores(method, ffn, x), keep)} if routed else {})
    return layers


def smaller(model, layers):
    config = type(model.config).from_dict(model.config.to_dict())
    for row in layers:
        if "kept" in row:
            config.num_local_experts = len(row["kept"])
        elif "experts" in row:
            config.intermediate_size = len(row["ffn"])
        elif row:
            config.intermediate_size_mlp = len(row["ffn"])
    state = {key: value.clone() for key, value in model.state_dict().items()}
    for number, row in enumerate(layers):
        at = f"model.layers.{number}.feed_forward."
        if "kept" in row:
            for name in ("router.weight", "experts.gate_up_proj", "experts.down_proj"):
                state[at + name] = state[at + name][row["kept"]]
        if "ffn" in row:
            dense = at + ("shared_expert." if "experts" in row else "")
            for name in ("gate_proj.weight", "up_proj.weight"):
                state[dense + name] = state[dense + name][row["ffn"]]
            state[dense + "down_proj.weight"] = state[dense + "down_proj.weight"][:, row["ffn"]]
        if "experts" in row:
            both, down = state[at + "experts.gate_up_proj"], state[at + "experts.down_proj"]
            f = both.shape[2] // 2
            state[at + "experts.gate_up_proj"] = torch.stack([both[e][:, c + [i + f for i in c]] for e, c in enumerate(row["experts"])])
            state[at + "experts.down_proj"] = torch.stack([down[e][c] for e, c in enumerate(row["experts"])])
    with families.everything_double():
        fewer = type(model)._from_config(config, attn_implementation="eager", dtype=torch.float64)
    fewer.load_state_dict(state)
    return fewer.eval()


def case(name):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        _, _, model = families.build(name, folder)
        seen = look(model)
        for method in METHODS:
            layers = choose(model, method, seen)
            fewer = smaller(model, layers)
            out = os.path.join(folder, "smaller")
            fewer.save_pretrained(out)
            rows.append({"method": method, "ratio": RATIO.get(method, USUAL), "loss": families.digits([loss_of(fewer).item()], 9)[0], "layers": layers,
                         "tensors": [[tensor, list(value.shape)] for tensor, value in families.stored(out).items()]})
    return {"name": name, "rows": rows}


def main():
    families.quietly()
    cases = [case(name) for name in CASES]
    for one in cases:
        print(one["name"], [(row["method"], row["loss"]) for row in one["rows"]])
    families.write_rows(OUT, cases)


if __name__ == "__main__":
    main()
