"""Writes ../data/family_pruning.json.gz: what transformers, in fp64, makes of what pare leaves of tiny models of every
family: family_pruning.py [OUT [NAME...]], with the program in PARE (build/release/pare).

Models are those of ../data/families.json, and some with as many key heads as heads. For each of them and each way of pruning: the sentence with which it is
refused, or config.json as pare writes it, the names and shapes of the tensors that the class writes itself, and the mean
next-token loss of the ids. (Where biases cannot make up for what goes, there is no row of that.) With the site-packages of transformers 4.57 in OLDER, what that makes of the outputs is
compared, too, and printed where it is not the same."""
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers
from safetensors.torch import save_file

from families import IDS, V, attention_of, class_of, digits, everything_double, stored, weight

HERE = os.path.dirname(os.path.abspath(__file__))
PARE = os.environ.get("PARE", os.path.join(HERE, "..", "..", "build", "release", "pare"))
DATA = os.path.join(HERE, "..", "data")
WAYS = {
    "units": ["--ratio", "0.5"],
    "channels of the FFN": ["--ratio", "0.5", "--attention-layers", "none"],
    "query heads": ["--ratio", "0.5", "--gqa", "query"],
    "layers": ["--drop-layers", "0"],
    "hidden channels": ["--ratio", "0.25", "--mode", "channel"],
    "2:4": ["--pattern", "2:4"],
    "biases": ["--ratio", "0.5", "--compensate", "bias", "--calib", "ids.json", "--samples", str(len(IDS)), "--length", str(len(IDS[0]))],
}
# Three of four heads are left, which do not divide the hidden size.
UNEVEN = ["llama", "llama biases", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "arcee", "internlm3", "olmo2", "ernie4_5"]
QUARTER = {"a quarter": ["--ratio", "0.25"]}


def write_model(one, folder):
    os.mkdir(folder)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(one["config"], f)
    save_file({row[0]: weight(row[0], row[1]).float() for row in one["tensors"]}, os.path.join(folder, "model.safetensors"), {"format": "pt"})


def uneven(one):
    """The same with a key head for each head."""
    config = {**one["config"], "num_key_value_heads": one["config"]["num_attention_heads"]}
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
            json.dump(config, f)
        class_of(config).from_config(transformers.AutoConfig.from_pretrained(folder)).save_pretrained(folder)
        return {"name": one["name"] + ", four", "config": config, "tensors": [[n, list(v.shape)] for n, v in stored(folder).items()]}


def prune(model, output, way):
    ids = os.path.join(os.path.dirname(output), "ids.json")
    with open(ids, "w", encoding="utf-8") as f:
        json.dump(IDS.tolist(), f)
    method = "magnitude" if way == "2:4" else "magnitude-l2"
    if way == "layers":
        method = None
    words = [PARE, "prune", model, "-o", output, "--threads", "1", "--compute", "fp32", "--quiet", *(ids if word == "ids.json" else word for word in (WAYS | QUARTER)[way])]
    run = subprocess.run(words + (["--method", method] if method else []), capture_output=True, text=True)
    return None if run.returncode == 0 else run.stderr.strip().replace(model, "MODEL").removeprefix("pare: ")


def load(folder, dtype):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    experts = {"experts_implementation": "eager"} if "num_experts_per_tok" in config else {}
    model, info = class_of(config).from_pretrained(folder, dtype=dtype, attn_implementation=attention_of(config), output_loading_info=True, **experts)
    bad = [key for k in ("missing_keys", "unexpected_keys", "mismatched_keys") for key in info[k]]
    return model.eval(), bad


def loss_of(model):
    logits = model(input_ids=torch.tensor(IDS)).logits
    return torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, V), torch.tensor(IDS[:, 1:]).reshape(-1)).item()


def older(folders):
    """In a process of its own, with another transformers: loss or what went wrong, by folder."""
    found = {}
    for folder in folders:
        try:
            model, bad = load(folder, torch.float32)
            found[folder] = f"keys {bad[:3]}" if bad else loss_of(model)
        except Exception as e:
            found[folder] = f"{type(e).__name__}: {str(e)[:120]}"
    print(json.dumps(found))


def look(output):
    with tempfile.TemporaryDirectory() as double:
        shutil.copy(os.path.join(output, "config.json"), double)
        tensors = {name: value.double() for name, value in stored(output).items()}
        save_file(tensors, os.path.join(double, "model.safetensors"), {"format": "pt"})
        with everything_double(), torch.no_grad():
            model, bad = load(double, torch.float64)
            loss = loss_of(model)
    assert not bad, bad
    with open(os.path.join(output, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    with tempfile.TemporaryDirectory() as again:
        model.save_pretrained(again)
        tensors = [[name, list(value.shape)] for name, value in stored(again).items()]
    return {"class": type(model).__name__, "loss": digits([loss], 9)[0], "config": config, "tensors": tensors}


def compare_older(losses):
    """losses: of this transformers, by folder."""
    place = {**os.environ, "PYTHONPATH": os.environ["OLDER"]}
    run = subprocess.run([sys.executable, __file__, "--older", *losses], capture_output=True, text=True, env=place, check=False)
    found = json.loads(run.stdout.splitlines()[-1])
    other = {f: v for f, v in found.items() if isinstance(v, str) or abs(v / losses[f] - 1) > 1e-5}
    for folder, value in other.items():
        print("older:", os.path.basename(folder), value, losses[folder])
    print(f"older: {len(found) - len(other)} of {len(found)} the same")


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--older"]:
        return older(sys.argv[2:])
    with open(os.path.join(DATA, "families.json"), encoding="utf-8") as f:
        cases = json.load(f)["cases"]
    more = [uneven(c) for c in cases if c["name"] in UNEVEN]
    names = sys.argv[2:] or [c["name"] for c in cases + more]
    rows, losses = [], {}
    with tempfile.TemporaryDirectory() as place:
        for one in (c for c in cases + more if c["name"] in names):
            model = os.path.join(place, one["name"])
            write_model(one, model)
            for way in QUARTER if one in more else WAYS:
                output = os.path.join(place, f"{one['name']} - {way}")
                refused = prune(model, output, way)
                if refused and way == "biases":
                    continue  # tests/prune/test_added_biases.c
                try:
                    rows.append({"name": one["name"], "way": way, **({"refused": refused} if refused else look(output))})
                except Exception as e:
                    print("FAILED", one["name"], way, repr(e)[:300], flush=True)
                    continue
                if not refused:
                    losses[output] = rows[-1]["loss"]
            print(one["name"], [r.get("refused") and "refused" or r["loss"] for r in rows[-len(WAYS):]], flush=True)
        if "OLDER" in os.environ:
            compare_older(losses)
    models, rows = (",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in part) for part in (more, rows))
    text = f'{{"models":[\n{models}],"rows":[\n{rows}]}}\n'
    with open(sys.argv[1] if len(sys.argv) > 1 else os.path.join(DATA, "family_pruning.json.gz"), "wb") as f:
        f.write(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
