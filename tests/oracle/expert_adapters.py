"""Writes ../data/expert_adapters.json: what peft and transformers, in fp64, make of tiny mixtures of experts with a LoRA beside
attention and beside all parameters of experts (target_parameters): expert_adapters.py [OUT].

As adapters.py; of each factor also the product of the loss's gradient with the numbers of stream(name), and its length."""
import os
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

from adapters import ALPHA, RANK, write_cases
from family_cases import V
from families import IDS, build, digits, everything_double, logits_of, stream, weight
from importance import counted

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "expert_adapters.json")
NAMES = ["mixtral", "qwen2_moe every second layer", "olmoe", "granitemoe", "glm4_moe", "gpt_oss", "deepseek_v2",
         "deepseek_v2 groups, straight queries", "deepseek_v3", "glm4_moe_lite"]
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj")
PARAMETERS = ("experts.gate_up_proj", "experts.down_proj", "gate_proj.weight", "up_proj.weight", "down_proj.weight")


def behind_layer(name):
    return name.split(".", 3)[3]


def targets(model):
    modules = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules() if name.endswith(PROJECTIONS)}
    parameters = {behind_layer(name) for name, _ in model.named_parameters() if name.endswith(PARAMETERS)}
    return {"target_modules": sorted(modules), "target_parameters": sorted(parameters)}


def case(name):
    with tempfile.TemporaryDirectory() as folder:
        _, _, model = build(name, folder)
        model = model.double()
        made = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=ALPHA, **targets(model)))
        shapes = {key: list(value.shape) for key, value in get_peft_model_state_dict(made).items()}
        result = set_peft_model_state_dict(made, {key: weight(key, shape).double() for key, shape in shapes.items()})
        assert not result.unexpected_keys and not [key for key in result.missing_keys if "lora" in key]
        made = made.double().eval()
        flat = logits_of(made, IDS).reshape(-1, V)
        loss = torch.nn.functional.cross_entropy(flat.reshape(len(IDS), -1, V)[:, :-1].reshape(-1, V), torch.tensor(IDS[:, 1:]).reshape(-1))
        loss.backward()
        gradients = {key.replace(".default", ""): value.grad.reshape(-1).numpy() for key, value in made.named_parameters() if value.grad is not None}
        assert set(gradients) == set(shapes), sorted(set(gradients) ^ set(shapes))[:4]
        flat = flat.detach().numpy()
        rows = [[key, shape, digits([gradients[key] @ counted(stream(key), 0, gradients[key].size)])[0],
                 digits([np.linalg.norm(gradients[key])])[0]] for key, shape in sorted(shapes.items())]
        return {"name": name, "loss": digits([loss.detach()], 9)[0], "largest": digits([np.abs(flat).max()])[0],
                "dots": digits(flat @ counted(stream("logits"), 0, V)), "factors": rows}


if __name__ == "__main__":
    write_cases(OUT, NAMES, case)
