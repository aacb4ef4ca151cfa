"""Writes ../data/expert_channels.json: which channels of each expert, of what all tokens reach beside them and of dense
layers stay of models of EXPERT_CASES at RATIO, by scores that torch computes in fp64 from the ids of experts.json, and
what transformers makes of the models without the others; of REPAIRED ones also by optimal brain surgeon, refitted.

For each case and method: per layer the channels that stay, "ffn" of what all tokens reach or of the dense FFN and
"experts" a list for each; keys of config.json that say how wide they are; names and shapes of what transformers saves of
the smaller model; its loss on the same ids."""
import json
import math
import os
import sys
import tempfile

import torch
import transformers

import families
from expert_pruning import expert_modules, loss_of

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "expert_channels.json")
RATIO = 0.3
CASES = ("mixtral", "qwen2_moe", "qwen2_moe every second layer", "qwen3_moe", "qwen3_moe normalised, one dense", "olmoe", "granitemoe", "glm4_moe groups, all layers",
         "phimoe", "deepseek_v2", "deepseek_v3", "dots1")
REPAIRED = ("mixtral", "qwen3_moe", "granitemoe")  # no other FFN is narrowed, and channels go one at a time
DAMPING = 1e-2  # as the preset has it
METHODS = ("magnitude-l1", "wanda-structured", "taylor", "taylor-second", "taylor-mix")
KEYS = ("moe_intermediate_size", "shared_expert_intermediate_size", "intermediate_size", "n_shared_experts")


def dense_modules(model):
    """FFNs that all tokens reach: dense layers' and those beside experts."""
    return [(name, module) for name, module in model.named_modules() if hasattr(module, "gate_proj") and hasattr(module, "down_proj")]


def parts_of(module, e=None):
    """Gate, up [f, d], down [d, f], the gradients of their weights, and the mean squares of single sequences' gradients."""
    if e is None:
        weights = [module.gate_proj.weight, module.up_proj.weight, module.down_proj.weight]
        return [w.detach() for w in weights], [w.grad for w in weights], [w.squares for w in weights]

    def split(both, down):
        return [*both[e].chunk(2, 0), down[e]]

    both, down = module.gate_up_proj, module.down_proj
    return split(both.detach(), down.detach()), split(both.grad, down.grad), split(both.squares, down.squares)


def element(method, w, g, squares):
    """LLM-Pruner's param_first, param_second, param_mix."""
    return {"taylor": w * g, "taylor-second": w * w * squares, "taylor-mix": w * g - w * w * squares / 2}[method].abs()


def score(method, parts, x, act):
    """[f] of one FFN; x: [tokens, d] what reaches it."""
    weights = gate, up, down = parts[0]
    if method == "magnitude-l1":
        return gate.abs().sum(1) + up.abs().sum(1) + down.abs().sum(0)
    if method.startswith("taylor"):
        return sum(element(method, *each).sum(axis) for *each, axis in zip(*parts, (1, 1, 0)))
    h = act(x @ gate.T) * (x @ up.T)
    outer, inner = x.norm(dim=0), h.norm(dim=0)
    return (gate.abs() * outer).sum(1) + (up.abs() * outer).sum(1) + (down.abs() * inner).sum(0)


def kept_of(scores, keep):
    """Of equal scores the lower index goes first."""
    order = sorted(range(len(scores)), key=lambda i: (scores[i], i))
    return sorted(order[len(scores) - keep:])


def left_of(width):
    return math.trunc(width * (1 - RATIO))


def look(model):
    """Inputs of all FFNs on the ids, gradients of their weights, and mean squares of each sequence's."""
    seen, hooks = {}, []
    for name, module in expert_modules(model) + dense_modules(model):
        hooks.append(module.register_forward_hook(lambda m, inputs, output, name=name: seen.__setitem__(name, [i.detach() for i in inputs])))
    loss_of(model)
    for hook in hooks:
        hook.remove()
    for p in model.parameters():
        p.squares = torch.zeros_like(p)
    for sequence in families.IDS:
        model.zero_grad()
        torch.nn.functional.cross_entropy(families.logits_of(model, sequence[None])[0, :-1], torch.tensor(sequence[1:])).backward()
        for p in model.parameters():
            if p.grad is not None:
                p.squares += p.grad.square() / len(families.IDS)
    model.zero_grad()
    loss_of(model).backward()
    for p in model.parameters():
        p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    return seen


def choose(model, method, seen):
    """By module: a list of channels, or one for each expert."""
    kept = {}
    times = getattr(model.config, "n_shared_experts", None)
    for name, module in expert_modules(model):
        x, index, _ = seen[name]
        x = x.reshape(-1, x.shape[-1])
        lists = []
        for e in range(module.num_experts):
            parts = parts_of(module, e)
            reached = torch.where((index.reshape(len(x), -1) == e).any(-1))[0]
            lists.append(kept_of(score(method, parts, x[reached], module.act_fn).tolist(), left_of(len(parts[0][0]))))
        kept[name] = lists
    for name, module in dense_modules(model):
        x = seen[name][0]
        parts = parts_of(module)
        width = len(parts[0][0])
        bound = "shared_experts" in name and times
        keep = times * left_of(width // times) if bound else left_of(width)
        kept[name] = kept_of(score(method, parts, x.reshape(-1, x.shape[-1]), module.act_fn).tolist(), keep)
    return kept


def smaller(model, kept):
    config = type(model.config).from_dict(model.config.to_dict())
    each = {"experts": None, "shared": None, "dense": None}
    for name, list_ in kept.items():
        what = "experts" if name.endswith(".experts") else "shared" if "shared" in name else "dense"
        each[what] = len(list_[0]) if what == "experts" else len(list_)
    own = hasattr(config, "moe_intermediate_size") and model.config.model_type != "olmoe"
    setattr(config, "moe_intermediate_size" if own else "intermediate_size", each["experts"])
    if hasattr(config, "shared_expert_intermediate_size"):
        config.shared_expert_intermediate_size = each["shared"]
    if own and each["dense"]:
        config.intermediate_size = each["dense"]
    with families.everything_double():
        fewer = type(model)._from_config(config, attn_implementation="eager", experts_implementation="eager", dtype=torch.float64)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    for name, list_ in kept.items():
        if name.endswith(".experts"):
            both, down = state[name + ".gate_up_proj"], state[name + ".down_proj"]
            f = both.shape[1] // 2
            state[name + ".gate_up_proj"] = torch.stack([both[e][c + [i + f for i in c]] for e, c in enumerate(list_)])
            state[name + ".down_proj"] = torch.stack([down[e][:, c] for e, c in enumerate(list_)])
            continue
        for part in ("gate_proj", "up_proj"):
            state[f"{name}.{part}.weight"] = state[f"{name}.{part}.weight"][list_]
        state[name + ".down_proj.weight"] = state[name + ".down_proj.weight"][:, list_]
    fewer.load_state_dict(state)
    return fewer.eval()


def by_layer(kept, layers):
    rows = [{} for _ in range(layers)]
    for name, list_ in kept.items():
        number = int(name.split(".layers.")[1].split(".")[0])
        rows[number]["experts" if name.endswith(".experts") else "ffn"] = list_
    return rows


def greedy(weights, gram, left):
    """Channels that stay when the one goes next whose loss the others make up for best, each by itself."""
    f = len(gram)
    inverse, w, alive = torch.linalg.inv(gram), weights.clone(), list(range(f))
    while len(alive) > left:
        costs = {u: (w[:, u].square().sum() / inverse[u, u]).item() for u in alive}
        u = min(alive, key=lambda i: (costs[i], i))
        w = w - torch.outer(w[:, u], inverse[u]) / inverse[u, u]
        inverse = inverse - torch.outer(inverse[:, u], inverse[u]) / inverse[u, u]
        alive.remove(u)
    return alive


def repaired(model, seen):
    """Kept channels by module, the other columns of down being zero and those that stay fitted, layer by layer. An expert
    that sees fewer tokens than it has channels takes what all of them would make of it."""
    kept = {}
    for name, module in expert_modules(model):
        look_at = []
        hook = module.register_forward_hook(lambda m, inputs, output: look_at.append(inputs))
        with torch.no_grad():
            loss_of(model)
        hook.remove()
        (x, index, _), = look_at
        x, lists = x.reshape(-1, x.shape[-1]), []
        for e in range(module.num_experts):
            gate, up, down = parts_of(module, e)[0]
            f, reached = len(gate), torch.where((index.reshape(len(x), -1) == e).any(-1))[0]
            all_ = module.act_fn(x @ gate.T) * (x @ up.T)
            own = all_[reached]
            gram = own.T @ own if len(own) >= f else all_.T @ all_ * (max(len(own), 1) / len(all_))
            damped = gram + DAMPING * gram.diagonal().mean() * torch.eye(f, dtype=gram.dtype)
            list_ = greedy(down, damped, left_of(f))
            gone = [i for i in range(f) if i not in list_]
            fitted = torch.zeros_like(down)
            fitted[:, list_] = down[:, list_] + torch.linalg.solve(damped[list_][:, list_], gram[list_][:, gone] @ down[:, gone].T).T
            module.down_proj.data[e] = fitted
            lists.append(list_)
        kept[name] = lists
    return kept


def case(name):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        _, _, model = families.build(name, folder)
        seen = look(model)
        for method in METHODS:
            kept = choose(model, method, seen)
            fewer = smaller(model, kept)
            loss = loss_of(fewer).item()
            out = os.path.join(folder, "smaller")
            fewer.save_pretrained(out)
            row = {"method": method, "loss": families.digits([loss], 9)[0], "layers": by_layer(kept, model.config.num_hidden_layers)}
            if method == METHODS[0]:
                row["tensors"] = [[tensor, list(value.shape)] for tensor, value in families.stored(out).items()]
                row["config"] = {key: value for key, value in fewer.config.to_dict().items() if key in KEYS}
            rows.append(row)
        if name in REPAIRED:
            kept = repaired(model, seen)
            rows.append({"method": "obs", "loss": families.digits([loss_of(model).item()], 9)[0], "layers": by_layer(kept, model.config.num_hidden_layers)})
    return {"name": name, "rows": rows}


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    cases = []
    for name in CASES:
        cases.append(case(name))
        print(name, [(row["method"], row["loss"]) for row in cases[-1]["rows"]], cases[-1]["rows"][0]["config"], flush=True)
    with open(OUT, "w", encoding="utf-8", newline="\n") as f:
        lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
        f.write('{"ratio":%g,"cases":[\n%s]}\n' % (RATIO, lines))


if __name__ == "__main__":
    sys.exit(main())
