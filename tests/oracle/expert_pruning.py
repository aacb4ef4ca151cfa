"""Writes ../data/expert_pruning.json: scores of whole experts on the ids of experts.json, and what transformers makes of
the models of EXPERT_CASES without those that score lowest, in fp64.

For each case: per layer with experts, tokens that reach each expert and scores by method; the experts that stay at
RATIO; of the first such layer its output's error without those of expert-obs, before and after a repair; keys of config.json that count them; names and shapes of what transformers saves of the smaller model; its loss
on the same ids."""
import json
import os
import sys
import tempfile

import torch
import transformers

import families
from family_cases import EXPERT_CASES, V

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "expert_pruning.json")
RATIO = 0.35
SWEEPS, DAMPING = 2, 1e-2  # as src/layerwise/expert_repair.h and the preset have them
SOFTMAX = ("mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "granitemoe", "gpt_oss")  # routers whose choice is computed here again
KEYS = ("n_routed_experts", "num_experts", "num_local_experts")


def expert_modules(model):
    return [(name, module) for name, module in model.named_modules() if name.endswith(".experts")]


def is_turned(module):
    """gpt_oss: matrices lie transposed, with biases."""
    return hasattr(module, "gate_up_proj_bias")


def activated_of(module, e, x):
    if is_turned(module):
        return module._apply_gate(x @ module.gate_up_proj[e] + module.gate_up_proj_bias[e])
    gate, up = torch.nn.functional.linear(x, module.gate_up_proj[e]).chunk(2, dim=-1)
    return module.act_fn(gate) * up


def outputs_of(module, e, x):
    if is_turned(module):
        return activated_of(module, e, x) @ module.down_proj[e] + module.down_proj_bias[e]
    return torch.nn.functional.linear(activated_of(module, e, x), module.down_proj[e])


def logits_of(router, x):
    logits = x @ (router.weight if hasattr(router, "weight") else router.layer.weight).T
    return logits + router.bias if getattr(router, "bias", None) is not None else logits


def loss_of(model):
    logits = families.logits_of(model, families.IDS)
    return torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, V), torch.tensor(families.IDS[:, 1:]).reshape(-1))


def shares_of(logits, left, chosen, normalised):
    """Shares of all experts [tokens, experts] where only those in `left` can be chosen."""
    off = torch.ones(logits.shape[1], dtype=torch.bool)
    off[left] = False
    probability = logits.masked_fill(off, -torch.inf).softmax(-1)
    top = probability.topk(min(chosen, len(left)), -1)
    value = top.values / top.values.sum(-1, keepdim=True) if normalised else top.values
    return torch.zeros_like(logits).scatter(1, top.indices, value)


def removal_scores(model, block, module, x, index, weights):
    """Greedily the expert without which the layer's output changes least; error over energy, never less than before."""
    parent = model.get_submodule(block)
    router = parent.gate if hasattr(parent, "gate") else parent.router
    with torch.no_grad():
        logits = logits_of(router, x)
        y = torch.stack([outputs_of(module, e, x) for e in range(module.num_experts)], 1)
        shares = torch.zeros_like(logits).scatter(1, index, weights.double())
        chosen, everyone = index.shape[1], list(range(module.num_experts))
        normalised = min((False, True), key=lambda n: (shares_of(logits, everyone, chosen, n) - shares).abs().max())
        assert (shares_of(logits, everyone, chosen, normalised) - shares).abs().max() < 1e-12
        dense = (shares[..., None] * y).sum(1)
        energy, left, last, scores = dense.square().sum().item(), everyone, 0.0, [0.0] * module.num_experts
        while left:
            errors = {}
            for e in left:
                rest = [i for i in left if i != e]
                made = (shares_of(logits, rest, chosen, normalised)[..., None] * y).sum(1) if rest else 0 * dense
                errors[e] = (made - dense).square().sum().item()
            best = min(left, key=lambda e: (errors[e], e))
            last = scores[best] = max(errors[best] / energy, last)
            left = [i for i in left if i != best]
    return scores


def repair_errors(model, left):
    """Of the first layer with experts, whose input is the dense model's: squared error of its output with the experts
    that are left, before and after SWEEPS turns of ridge regressions, expert by expert, of their down projections."""
    name, module = expert_modules(model)[0]
    seen = []
    hook = module.register_forward_hook(lambda m, inputs, output: seen.append(inputs))
    loss_of(model)
    hook.remove()
    (x, index, weights), = seen
    parent = model.get_submodule(name.rsplit(".", 1)[0])
    router = parent.gate if hasattr(parent, "gate") else parent.router
    scale = getattr(model.config, "residual_multiplier", 1.0)
    with torch.no_grad():
        logits = logits_of(router, x)
        y = torch.stack([outputs_of(module, e, x) for e in range(module.num_experts)], 1)
        shares = torch.zeros_like(logits).scatter(1, index, weights.double())
        everyone, chosen = list(range(module.num_experts)), index.shape[1]
        normalised = min((False, True), key=lambda n: (shares_of(logits, everyone, chosen, n) - shares).abs().max())
        after = shares_of(logits, left, chosen, normalised)
        r = scale * ((shares - after)[..., None] * y).sum(1)
        before = r.square().sum().item()
        for _ in range(SWEEPS):
            for e in left:
                reached = after[:, e] > 0
                h = scale * after[reached, e, None] * activated_of(module, e, x[reached])
                gram = h.T @ h
                if not len(h):
                    continue
                gram += DAMPING * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
                r[reached] -= h @ torch.linalg.solve(gram, h.T @ r[reached])
    return [before, r.square().sum().item()]


def scores_of(model):
    """By layer: "tokens", and scores by method."""
    seen = []

    def look(module, inputs, output):
        output.retain_grad()
        seen.append((module, inputs, output))

    hooks = [module.register_forward_hook(look) for _, module in expert_modules(model)]
    loss = loss_of(model)
    loss.backward()
    for hook in hooks:
        hook.remove()
    layers = []
    names = {module: name.rsplit(".", 1)[0] for name, module in expert_modules(model)}
    for module, (x, index, weights), output in seen:
        layer = {"tokens": [], "reap": [], "expert-frequency": [], "expert-gates": [], "expert-taylor": []}
        if model.config.model_type in SOFTMAX:
            layer["expert-obs"] = removal_scores(model, names[module], module, x, index, weights)
        for e in range(module.num_experts):
            token, place = torch.where(index == e)
            share = weights[token, place].detach().double()
            with torch.no_grad():
                y = outputs_of(module, e, x[token])
            norms, felt = share * y.norm(dim=-1), share * (output.grad[token] * y).sum(-1)
            layer["tokens"].append(len(token))
            layer["reap"].append(norms.mean().item() if len(token) else 0.0)
            layer["expert-frequency"].append(float(len(token)))
            layer["expert-gates"].append(share.sum().item())
            layer["expert-taylor"].append(felt.sum().abs().item())
        layers.append(layer)
    return layers, loss.item()


def kept_of(scores, groups):
    """As many in each group; of equal scores the lower index goes first."""
    each = len(scores) // groups
    gone = int(each * RATIO + 1e-9)
    kept = []
    for first in range(0, len(scores), each):
        kept += sorted(sorted(range(first, first + each), key=lambda i: (scores[i], i))[gone:])
    return kept


def groups_of(config):
    """A router that chooses in all groups has none."""
    groups = getattr(config, "n_group", 1) or 1
    return groups if (getattr(config, "topk_group", None) or groups) < groups else 1


def smaller(name, kept, folder):
    """A model of fewer experts, filled with what is left of the weights of the case's."""
    _, _, model = families.build(name, folder)
    config = model.config
    for key in KEYS:
        if key in config.to_dict():
            setattr(config, key, len(kept[0]))
    with families.everything_double():
        fewer = type(model)._from_config(config, attn_implementation="eager", experts_implementation="eager", dtype=torch.float64)
    state = model.state_dict()
    numbers = {module: lists for (module, _), lists in zip(expert_modules(model), kept)}
    for module, list_ in numbers.items():
        block = module.rsplit(".", 1)[0]
        for key in state:
            if key.startswith(module + ".") or key in (block + ".gate.weight", block + ".router.weight", block + ".router.bias", block + ".gate.e_score_correction_bias"):
                state[key] = state[key][list_]
    fewer.load_state_dict(state)
    return fewer.eval()


def case(name):
    with tempfile.TemporaryDirectory() as folder:
        _, _, model = families.build(name, folder)
        layers, before = scores_of(model)
        groups = groups_of(model.config)
        plain = "expert-obs" in layers[0]
        exact = plain and "mxfp4" not in name  # what is repaired of those is rounded to bf16
        repair = {"repair": families.digits(repair_errors(model, kept_of(layers[0]["expert-obs"], groups)))} if exact else {}
    rows = []
    for method in ("reap", "expert-frequency", "expert-gates", "expert-taylor", *(["expert-obs"] if plain else [])):
        kept = [kept_of(layer[method], groups) for layer in layers]
        with tempfile.TemporaryDirectory() as folder:
            model = smaller(name, kept, folder)
            loss = loss_of(model).item()
            out = os.path.join(folder, "smaller")
            model.save_pretrained(out)
            tensors = [[tensor, list(value.shape)] for tensor, value in families.stored(out).items()]
        row = {"method": method, "scores": [families.digits(layer[method]) for layer in layers], "kept": kept, "loss": families.digits([loss], 9)[0]}
        if method == "reap":
            row["tensors"] = tensors
        rows.append(row)
    return {"name": name, "left": len(rows[0]["kept"][0]), "tokens": [layer["tokens"] for layer in layers], "before": families.digits([before], 9)[0], **repair, "rows": rows}


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    cases = []
    for name in EXPERT_CASES:
        cases.append(case(name))
        print(name, cases[-1]["before"], [(row["method"], row["loss"]) for row in cases[-1]["rows"]], flush=True)
    with open(OUT, "w", encoding="utf-8", newline="\n") as f:
        lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
        f.write('{"ratio":%g,"cases":[\n%s]}\n' % (RATIO, lines))


if __name__ == "__main__":
    sys.exit(main())
