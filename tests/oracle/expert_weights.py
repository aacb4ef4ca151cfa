"""Writes ../data/expert_weights.json: what Wanda, SparseGPT, magnitude and scores by gradients leave of models of EXPERT_CASES, in
fp64 and on the ids of experts.json: a prototype on transformers' own modules, whose layers are run one by one. Gradients are those
of the dense model, of each sequence by itself.

Of a block everything is seen behind pruned blocks and before any of its own weights go. With n tokens, n_e of which reach
an expert: gate and up see the sum over those of x x^T plus 0.01 n_e / n of that over all tokens, or, where n_e is below the
width of x, n_e / n of that over all; Down sees its own tokens' activations, or, where n_e is below their width, n_e / n of
its activations of all tokens (n_e at least 1). Routers stay as they are.

Attention over latents is pruned like any other: what reads a latent sees it as the dense layer has it.

"one by one" is Wanda on attention alone, each input seen behind the matrices before it: what reads the hidden state, latents, what
puts attention's output out.

For each case and method: tokens that reach each expert, whether its inputs are the layer's, masks of its matrices, of
attention's and of what makes the latent of queries (hex, a bit for each weight, 1 = removed, least
significant first, tensor after tensor), and the loss."""
import os
import sys
import tempfile

import numpy as np
import torch

import families
import sparse
from expert_pruning import activated_of, is_turned

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "expert_weights.json")
CASES = ("mixtral", "qwen2_moe every second layer", "granitemoe", "olmoe normalised, one of four", "gpt_oss clamped",
         "deepseek_v2", "deepseek_v2 groups, straight queries", "deepseek_v3", "glm4_moe_lite")  # attention without biases, which would be refitted
SHARE_OF_LAYER = 0.01
ROLES = (("q_proj", "q_b_proj"), ("k_proj", "kv_a_proj_with_mqa"), ("v_proj", "kv_b_proj"), ("o_proj",))
SHARED = ("gate_proj", "up_proj", "down_proj")


def by_row(w, gram, gradients):
    return sparse.row(np.abs(w) * np.sqrt(np.diag(gram))), w


def by_both(w, gram, gradients):
    """GBLM-Pruner, as released: the norms of inputs are means over the sequences, those of gradients sums."""
    norms = np.sqrt(np.diag(gram) / len(families.IDS))
    return sparse.row(np.abs(w) * (norms + 100.0 * sum(np.abs(g) for g in gradients))), w


def by_gradient(w, gram, gradients):
    """Pruner-Zero."""
    g = np.sqrt(sum(g * g for g in gradients))
    return sparse.row(w * w * (g - g.min()) / (g.max() - g.min() or 1.0)), w


def by_taylor(w, gram, gradients):
    """LLM-Pruner's param_mix."""
    mean, squares = sum(gradients) / len(gradients), sum(g * g for g in gradients) / len(gradients)
    return sparse.row(np.abs(w * mean - 0.5 * w * w * squares)), w


def by_size(w, gram, gradients):
    flat = np.abs(w).ravel()
    gone = np.zeros(flat.size, bool)
    gone[np.argsort(flat, kind="stable")[:flat.size // 2]] = True
    return gone.reshape(w.shape), w


def surgeon(w, gram, gradients):
    """sparse.surgeon by a Gram matrix: of every slab of columns the lower half goes, the lower index first."""
    h = gram.copy()
    w = w.copy()
    dead = np.diag(h) == 0
    assert not dead.any()
    h += 0.01 * np.diag(h).mean() * np.eye(len(h))
    u = np.linalg.cholesky(np.linalg.inv(h)).T
    gone = np.zeros(w.shape, bool)
    for begin in range(0, w.shape[1], sparse.SLAB):
        end = min(begin + sparse.SLAB, w.shape[1])
        scores = np.square(w[:, begin:end] / np.diag(u)[begin:end])
        some = np.zeros(scores.size, bool)
        some[np.argsort(scores, None, kind="stable")[:scores.size // 2]] = True
        gone[:, begin:end] = some.reshape(scores.shape)
        for i in range(begin, end):
            error = np.where(gone[:, i], w[:, i], 0.0) / u[i, i]
            w[:, i + 1:] -= np.outer(error, u[i, i + 1:])
            w[gone[:, i], i] = 0.0
    return gone, np.where(gone, 0.0, w)


RULES = {"wanda": by_row, "sparsegpt": surgeon, "magnitude": by_size, "gblm": by_both, "pruner-zero": by_gradient, "taylor-mix": by_taylor}


def gram_of(x):
    x = x.reshape(-1, x.shape[-1]).detach().numpy()
    return x.T @ x


def gradients_of(model):
    """By parameter: a list, one of each sequence's own loss; 0 where no token reaches it."""
    found = {id(p): [] for p in model.parameters()}
    for sequence in families.IDS:
        model.zero_grad()
        logits = families.logits_of(model, sequence[None])
        torch.nn.functional.cross_entropy(logits[0, :-1], torch.tensor(sequence[1:])).backward()
        for p in model.parameters():
            found[id(p)].append(torch.zeros_like(p) if p.grad is None else p.grad.clone())
    model.zero_grad()
    return found


def matrices_of(module, both, down):
    """Gate, up and down as [outputs, inputs], in place."""
    if is_turned(module):
        return both[:, 0::2].T, both[:, 1::2].T, down.T
    return *both.chunk(2), down


def put(parameter, rule, gram, gradients, masks):
    gone, left = rule(parameter.detach().numpy(), gram, [g.numpy() for g in gradients])
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.where(gone, 0.0, left)))
    masks.append(gone)


def prune_experts(module, x, index, rule, gradients, masks):
    """x: [n, d] what the layer's experts read, index: [n, k] whom tokens reach."""
    both, down = module.gate_up_proj, module.down_proj
    n, width, whole = len(x), len(matrices_of(module, both[0], down[0])[0]), gram_of(x)
    grams, rows = [], []
    for e in range(module.num_experts):
        own = x[(index == e).any(1)]
        part = max(len(own), 1) / n
        few, fewer = len(own) < x.shape[1], len(own) < width
        reads = part * whole if few else gram_of(own) + SHARE_OF_LAYER * part * whole
        acts = part * gram_of(activated_of(module, e, x)) if fewer else gram_of(activated_of(module, e, own))
        grams.append((reads, acts))
        rows.append([len(own), few, fewer])
    for e, (reads, acts) in enumerate(grams):
        found = [matrices_of(module, g[e], h[e]) for g, h in zip(gradients[id(both)], gradients[id(down)])]
        for part, matrix in enumerate(matrices_of(module, both[e], down[e])):
            put(matrix, rule, acts if part == 2 else reads, [each[part] for each in found], masks)
    return rows


def prune_layer(layer, states, extra, rule, gradients, masks):
    """The layer behind which states are those of a pruned one; its own statistics are the dense layer's."""
    linear, seen = {}, {}
    mlp = getattr(layer, "mlp", None) or layer.block_sparse_moe
    experts = getattr(mlp, "experts", None)
    attention = layer.self_attn
    modules = {name: getattr(attention, name) for names in ROLES for name in names if getattr(attention, name, None) is not None}
    everyones = getattr(mlp, "shared_expert", getattr(mlp, "shared_experts", None)) if experts is not None else mlp
    if everyones is not None:
        modules |= {role: everyones.get_submodule(role) for role in SHARED}
    if getattr(attention, "q_a_proj", None) is not None:
        modules["q_a_proj"] = attention.q_a_proj
    hooks = [m.register_forward_hook(lambda _, i, o, role=role: linear.__setitem__(role, gram_of(i[0]))) for role, m in modules.items()]
    if experts is not None:
        hooks.append(experts.register_forward_hook(lambda _, i, o: seen.update(x=i[0].detach(), index=i[1])))
    run(layer, states, extra)
    for hook in hooks:
        hook.remove()
    rows = prune_experts(experts, seen["x"].reshape(-1, seen["x"].shape[-1]), seen["index"], rule, gradients, masks) if seen else []
    for role, m in modules.items():
        put(m.weight, rule, linear[role], gradients[id(m.weight)], masks)
    return rows, run(layer, states, extra)


def run(layer, states, extra):
    with families.everything_double(), torch.no_grad():
        out = layer(states, **extra)
    return out[0] if isinstance(out, tuple) else out


def one_by_one(layer, states, extra, gradients, masks):
    """Attention over latents, input by input."""
    found = {}
    for names in (("q_proj", "q_a_proj", "kv_a_proj_with_mqa"), ("q_b_proj", "kv_b_proj"), ("o_proj",)):
        modules = {name: getattr(layer.self_attn, name) for name in names if getattr(layer.self_attn, name, None) is not None}
        linear = {}
        hooks = [m.register_forward_hook(lambda _, i, o, name=name: linear.__setitem__(name, gram_of(i[0]))) for name, m in modules.items()]
        run(layer, states, extra)
        for hook in hooks:
            hook.remove()
        for name, m in modules.items():
            one = []
            put(m.weight, by_row, linear[name], gradients[id(m.weight)], one)
            found[name] = one[0]
    masks += [found[name] for names in (*ROLES, ("q_a_proj",)) for name in names if name in found]
    return [], run(layer, states, extra)


def first_inputs(model):
    """What the first layer reads, and what each is called with besides."""
    states, extras = [], []

    def catch(_, inputs, named):
        states.append(inputs[0] if inputs else named["hidden_states"])
        extras.append({k: v for k, v in named.items() if k in ("attention_mask", "position_embeddings", "position_ids")})

    hooks = [layer.register_forward_pre_hook(catch, with_kwargs=True) for layer in model.model.layers]
    with torch.no_grad():
        families.logits_of(model, families.IDS)
    for hook in hooks:
        hook.remove()
    return states[0], extras


def case(name):
    rows = []
    latent = name.startswith(("deepseek", "glm4_moe_lite"))
    for method, rule in (*RULES.items(), *([("one by one", None)] if latent else [])):
        with tempfile.TemporaryDirectory() as folder:
            _, _, model = families.build(name, folder)
        gradients = gradients_of(model)
        states, extras = first_inputs(model)
        masks, experts = [], []
        for layer, extra in zip(model.model.layers, extras):
            found, states = prune_layer(layer, states, extra, rule, gradients, masks) if rule else one_by_one(layer, states, extra, gradients, masks)
            experts.append(found)
        bits = np.concatenate([m.ravel() for m in masks])
        with torch.no_grad():
            logits = families.logits_of(model, families.IDS)
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, families.V), torch.tensor(families.IDS[:, 1:]).reshape(-1)).item()
        rows.append({"method": method, "experts": experts, "loss": families.digits([loss], 9)[0],
                     "mask": np.packbits(bits, bitorder="little").tobytes().hex()})
        print(name, method, loss, experts, flush=True)
    return {"name": name, "rows": rows}


def main():
    families.quietly()
    families.write_rows(OUT, [case(name) for name in CASES])


if __name__ == "__main__":
    sys.exit(main())
