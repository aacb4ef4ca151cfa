"""Writes ../data/expert_hidden.json: which channels of the hidden state stay of models of EXPERT_CASES by scores that torch computes in
fp64 from the ids of experts.json, and what transformers makes of the models without the others: class, loss, names and shapes of the
tensors that it saves. config.json is the one that pare, the program in PARE, writes; weights are cut here."""
import json
import os
import subprocess
import sys
import tempfile

import torch
import transformers

import families
from expert_pruning import loss_of
from families import IDS
from family_pruning import DATA, PARE, look, write_model

RATIO = 0.25
CASES = ("mixtral", "qwen2_moe", "qwen3_moe normalised, one dense", "granitemoe", "glm4_moe groups, all layers", "phimoe", "deepseek_v2",
         "deepseek_v3", "dots1", "gpt_oss")
METHODS = ("magnitude-l1", "taylor")
READERS = ("embed_tokens.weight", "lm_head.weight", "q_proj.weight", "k_proj.weight", "v_proj.weight", "q_a_proj.weight", "kv_a_proj_with_mqa.weight",
           "gate_proj.weight", "up_proj.weight", "mlp.gate.weight", "router.weight", "router.layer.weight", "shared_expert_gate.weight")
WRITERS = ("o_proj.weight", "o_proj.bias", "down_proj.weight", "down_proj.bias")
LATENT = ("q_a_layernorm", "kv_a_layernorm", "q_norm", "k_norm", "q_b_proj", "kv_b_proj")


def axis_of(name, value, turned):
    """That runs over channels of the hidden state; None: none does."""
    if any(part in name for part in LATENT):
        return None
    if name.endswith(("experts.gate_up_proj", "input_linear.weight")):
        return 1 if turned else 2
    if name.endswith(("experts.down_proj", "output_linear.weight")):
        return 2 if turned else 1
    if name.endswith("down_proj_bias"):
        return 1
    if name.endswith(READERS):
        return 1
    if name.endswith(WRITERS):
        return 0
    return 0 if "norm" in name else None


def scores(model, method, turned):
    """The head and the embedding are one tensor where they are tied, which is what parameters are."""
    total = 0
    for name, value in model.named_parameters():
        axis = axis_of(name, value, turned)
        if axis is None:
            continue
        each = value.detach().abs() if method == "magnitude-l1" else (value.detach() * value.grad).abs() if value.grad is not None else None
        if each is not None:
            total = total + each.movedim(axis, 0).reshape(each.shape[axis], -1).sum(1)
    return total.tolist()


def kept_of(values):
    keep = len(values) - int(RATIO * len(values))
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    return sorted(order[len(values) - keep:])


def smaller(model, output, kept, turned):
    config = transformers.AutoConfig.from_pretrained(output)
    assert config.hidden_size == len(kept), (config.hidden_size, len(kept))
    with families.everything_double():
        fewer = type(model)._from_config(config, attn_implementation="eager", experts_implementation="eager", dtype=torch.float64)
    state = {}
    for name, value in model.state_dict().items():
        axis = axis_of(name, value, turned)
        state[name] = value.clone() if axis is None else value.index_select(axis, torch.tensor(kept))
    fewer.load_state_dict(state)
    return fewer.eval()


def prune(model, output, method):
    ids = output + ".json"
    with open(ids, "w", encoding="utf-8") as f:
        json.dump(IDS.tolist(), f)
    subprocess.run([PARE, "prune", model, "-o", output, "--threads", "1", "--compute", "fp32", "--quiet", "--ratio", str(RATIO), "--mode", "channel", "--method", method,
                    *(["--calib", ids, "--samples", str(len(IDS)), "--length", str(len(IDS[0]))] if method == "taylor" else [])], check=True)


def case(name, one, place):
    rows, stored = [], os.path.join(place, name)
    write_model(one, stored)
    with tempfile.TemporaryDirectory() as folder:
        _, _, model = families.build(name, folder)
    turned = model.config.model_type == "gpt_oss"
    loss_of(model).backward()
    for method in METHODS:
        output = os.path.join(place, f"{name} - {method}")
        prune(stored, output, method)
        kept = kept_of(scores(model, method, turned))
        found = look(output)
        loss = loss_of(smaller(model, output, kept, turned)).item()
        print(name, method, found["class"], found["loss"], loss, flush=True)
        row = {"method": method, "loss": families.digits([loss], 9)[0], "kept": kept}
        if method == METHODS[0]:
            row |= {"class": found["class"], "tensors": found["tensors"]}
        rows.append(row)
    return {"name": name, "rows": rows}


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    with open(os.path.join(DATA, "experts.json"), encoding="utf-8") as f:
        cases = {c["name"]: c for c in json.load(f)["cases"]}
    with tempfile.TemporaryDirectory() as place:
        out = [case(name, cases[name], place) for name in sys.argv[1:] or CASES]
    with open(os.path.join(DATA, "expert_hidden.json"), "w", encoding="utf-8", newline="\n") as f:
        lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in out)
        f.write('{"ratio":%g,"cases":[\n%s]}\n' % (RATIO, lines))


if __name__ == "__main__":
    sys.exit(main())
