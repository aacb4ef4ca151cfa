"""Writes ../data/expert_moreau.json: scores of whole experts by Moreau gradients of their weights, by torch in fp64 on the
ids of experts.json, and which experts stay of the models of CASES at RATIO.

STEPS steps of delta <- prox((1 - gamma / rho) delta - gamma g), without noise, g being the gradient of the loss at the
weights and delta, which displaces experts' matrices alone. An expert's score is the sum of |w delta / rho| over all elements
of its gate, up and down; "vectorize": the sum, over these three and their channels, of |the sum over the channel's
elements|. "group": rows of matrices shrink by gamma eta, eta being the QUANTILE of the norms of the first step's rows."""
import os
import sys
import tempfile

import torch

import families
from expert_pruning import expert_modules, groups_of, is_turned, kept_of, loss_of

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "expert_moreau.json")
CASES = ("mixtral", "qwen2_moe every second layer", "qwen3_moe normalised, one dense", "granitemoe", "glm4_moe groups, all layers", "deepseek_v2", "gpt_oss",
         "gpt_oss mxfp4", "llama4_text")
RUNS = (("expert-moreau", ("param_first",)), ("expert-moreau-gs", ("param_first", "vectorize")))
STEPS, RHO, GAMMA, QUANTILE, RATIO = 3, 4.0, 1.0, 0.3, 0.35


def turned(module):
    """Matrices lie transposed, [experts, inputs, outputs]."""
    return is_turned(module) or "Llama4" in type(module).__name__


def parameters_of(model):
    """Tensors of experts, each with the axis that runs over a row's elements, and that over those of a channel."""
    for _, module in expert_modules(model):
        row = 1 if turned(module) else 2
        yield module.gate_up_proj, row, row
        yield module.down_proj, row, 3 - row


def norms(x, axis):
    return x.square().sum(axis, keepdim=True).sqrt()


def gradients(model, tensors):
    for tensor in tensors:
        tensor.grad = None
    loss = loss_of(model)
    loss.backward()
    return [torch.zeros_like(t) if t.grad is None else t.grad.clone() for t in tensors], loss.item()


def iterate(model, grouped):
    """Displacements of parameters_of, eta, the losses of all steps, and the first step's displacements."""
    tensors, axes, _ = zip(*parameters_of(model))
    plain, eta, losses, first = [t.detach().clone() for t in tensors], 0.0, [], None
    deltas = [torch.zeros_like(t) for t in plain]
    for step in range(STEPS):
        slopes, loss = gradients(model, tensors)
        losses.append(loss)
        if grouped and not step:
            found = torch.cat([norms(g, axis).flatten() for g, axis in zip(slopes, axes)])
            eta = float("%.4g" % found[found > 0].quantile(QUANTILE).item())
        deltas = [(1 - GAMMA / RHO) * d - GAMMA * g for d, g in zip(deltas, slopes)]
        if grouped:
            deltas = [d * (1 - GAMMA * eta / norms(d, axis).clamp_min(1e-300)).clamp_min(0) for d, axis in zip(deltas, axes)]
        first = first or deltas
        for tensor, w, delta in zip(tensors, plain, deltas):
            tensor.data.copy_(w + delta)
    for tensor, w in zip(tensors, plain):
        tensor.data.copy_(w)
    return deltas, eta, losses, first


def scores_of(model, deltas, vectorized):
    """[experts] of every layer that has some."""
    parts = []
    for (tensor, _, channel), delta in zip(parameters_of(model), deltas):
        salience = tensor.detach() * delta / RHO
        parts.append((salience.sum(channel).abs() if vectorized else salience.abs()).flatten(1).sum(1))
    return [(gate_up + down).tolist() for gate_up, down in zip(parts[::2], parts[1::2])]


def case(name):
    with tempfile.TemporaryDirectory() as folder:
        _, _, model = families.build(name, folder)
        groups, rows = groups_of(model.config), []
        for method, saliences in RUNS:
            deltas, eta, losses, first = iterate(model, method.endswith("-gs"))
            for salience in saliences:
                scores, once = (scores_of(model, d, salience == "vectorize") for d in (deltas, first))
                apart = max(abs(b / sum(after) - a / sum(before)) for after, before in zip(scores, once) for b, a in zip(after, before))
                rows.append({"method": method, "salience": salience, "eta": eta, "losses": families.digits(losses),
                             "scores": [families.digits(layer) for layer in scores], "kept": [kept_of(layer, groups) for layer in scores]})
                print(name, method, salience, "eta", eta, "losses", families.digits(losses), "moved by the later steps", apart, flush=True)
    return {"name": name, "rows": rows}


def main():
    families.quietly()
    head = '"steps":%d,"rho":%g,"gamma":%g,"ratio":%g,' % (STEPS, RHO, GAMMA, RATIO)
    families.write_rows(OUT, [case(name) for name in CASES], head)


if __name__ == "__main__":
    sys.exit(main())
