"""Makes what is in tests/data once more, in a folder of its own, and says what differs: remake.py [NAME...]; all without names.

Whole numbers, texts and other files must be the same, fractions to 1e-6 of themselves: other versions of torch and other CPUs
may change the last of the digits that are stored. What needs a package that is not installed is named and passed over; so is
what only its input makes anew (the model in stories, see stories.py). Exits with 1 where something differs or fails."""
import filecmp
import json
import math
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.normpath(os.path.join(HERE, "..", "data"))
STORIES = os.path.join(DATA, "stories")
MODEL = ("numpy", "torch", "safetensors", "tokenizers")
# By name: what is made in the folder, the arguments that make it there ("{}"), and what has to be installed.
MADE = {
    "importance": (["importance.json"], ["importance.py", "{}/importance.json"], ("numpy",)),
    "low_rank": (["low_rank.json"], ["low_rank.py", "{}/low_rank.json"], ("numpy",)),
    "units": (["units.json"], ["units.py", "{}/units.json"], ("numpy",)),
    "tiny_stories": (["tiny-stories.json"], ["tiny_stories.py", "{}/tiny-stories.json"], MODEL),
    "teacher": (["teacher.json"], ["teacher.py", "{}/teacher.json"], MODEL),
    "gates": (["gates.json"], ["gates.py", "{}/gates.json"], MODEL),
    "ids": (["stories/ids.json", "stories/calibration_ids.json"], ["stories.py", "--ids", "{}/stories"], MODEL + ("transformers", "sentencepiece")),
    "structured": (["stories/structured.json"], ["structured.py", STORIES, STORIES + "/ids.json", STORIES + "/text.txt", "{}/stories/structured.json"],
                   MODEL),
    "sparse": (["stories/masks"], ["sparse.py", "{}/stories/masks"], MODEL),
    "repair": (["stories/repair.json"], ["repair.py", "{}/stories/repair.json"], MODEL),
    "generation": (["stories/generation.json"], ["generation.py", "{}/stories/generation.json"], MODEL + ("transformers",)),
    "families": (["families.json"], ["families.py", "{}/families.json"], MODEL + ("transformers",)),
    "gguf_models": (["gguf_models.json.gz"], ["gguf_models.py", "{}/gguf_models.json.gz"], MODEL + ("transformers", "gguf")),
    "gguf_experts": (["gguf_experts.json.gz"], ["gguf_experts.py", "{}/gguf_experts.json.gz"], MODEL + ("transformers", "gguf")),
    "imatrix": (["imatrix.json"], ["imatrix.py", "{}/imatrix.json"], MODEL + ("transformers", "gguf")),
    "imatrix_experts": (["imatrix_experts.json"], ["imatrix_experts.py", "{}/imatrix_experts.json"], MODEL + ("transformers",)),
    "ggml_types": (["ggml_types.json.gz"], ["ggml_types.py", "{}/ggml_types.json.gz"], ("numpy", "gguf")),
    "vision": (["vision.json"], ["vision.py", "{}/vision.json"], MODEL + ("transformers",)),
    "vit_digits": (["vit-digits.json"], ["vit_digits.py", "{}/vit-digits.json"], MODEL + ("transformers", "PIL")),
    "bias_scores": (["bias_scores.json"], ["bias_scores.py", "{}/bias_scores.json"], MODEL + ("transformers",)),
    "expert_adapters": (["expert_adapters.json"], ["expert_adapters.py", "{}/expert_adapters.json"], MODEL + ("transformers", "peft")),
    "adapters": (["adapters.json"], ["adapters.py", "{}/adapters.json"], MODEL + ("transformers", "peft")),
    "family_pruning": (["family_pruning.json.gz"], ["family_pruning.py", "{}/family_pruning.json.gz"], MODEL + ("transformers",)),
    "token_ids": (["tokenizers", "tokenizers.json"], ["token_ids.py", "{}/tokenizers", "{}/tokenizers.json"], ("numpy", "tokenizers", "sentencepiece")),
    "examples": (["examples.json"], ["examples.py", "{}/examples.json"], ("transformers",)),
    "task_requests": (["task_requests.json"], ["task_requests.py", "{}/task_requests.json"], ("lm_eval", "jinja2", "yaml")),
    "chat_formats": (["chat_formats.json"], ["chat_formats.py", "{}/chat_formats.json"], ("transformers", "jinja2")),
    "tokenizer_kinds": (["tokenizer_kinds.json.gz"], ["tokenizer_kinds.py", "{}/tokenizer_kinds.json.gz"], ("tokenizers", "sentencepiece")),
    "tokenizer_vocabularies": (["tokenizer_vocabularies.json.gz"], ["tokenizer_vocabularies.py", "{}/tokenizer_vocabularies.json.gz"],
                               ("tokenizers", "transformers")),
    "pytorch_files": (["pytorch/" + name for name in ("HF", "zip", "sharded", "kinds/zip.pt", "kinds.safetensors", "meta1", "meta2", "mistral")], ["pytorch_files.py", "{}/pytorch"], ("torch", "safetensors")),
    "tiktoken": (["tiktoken"], ["tiktoken_file.py", "{}/tiktoken"], ("tiktoken",)),
    "images": (["images"], ["images.py", "{}/images"], ("PIL", "torch", "torchvision", "transformers")),
    "tokenizer_files": (["tokenizer_files.json"], ["tokenizer_files.py", "{}/tokenizer_files.json"], ("transformers", "sentencepiece")),
}


def differences(old, new, where):
    if isinstance(old, dict) and isinstance(new, dict):
        if old.keys() != new.keys():
            yield f"{where}: other members: {sorted(old.keys() ^ new.keys())}"
        for key in old.keys() & new.keys():
            yield from differences(old[key], new[key], f"{where}/{key}")
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{where}: {len(old)} items, made again {len(new)}"
        for i, (a, b) in enumerate(zip(old, new)):
            yield from differences(a, b, f"{where}/{i}")
    elif isinstance(old, float) or isinstance(new, float):
        if not math.isclose(old, new, rel_tol=1e-6):
            yield f"{where}: {old}, made again {new}"
    elif old != new and not where.endswith("made_with"):
        yield f"{where}: {old!r}, made again {new!r}"


def files_of(path):
    if not os.path.isdir(path):
        return [""]
    return [os.path.relpath(os.path.join(place, name), path) for place, _, names in os.walk(path) for name in names]


def compare(folder, name):
    old, new = os.path.join(DATA, name), os.path.join(folder, name)
    for file in sorted(set(files_of(old)) | set(files_of(new))):
        a, b = (os.path.join(path, file) if file else path for path in (old, new))
        where = os.path.relpath(a, DATA)
        if not (os.path.exists(a) and os.path.exists(b)):
            yield f"{where}: {'not made again' if os.path.exists(a) else 'not in tests/data'}"
        elif file.endswith(".json") or name.endswith(".json"):
            with open(a, encoding="utf-8") as x, open(b, encoding="utf-8") as y:
                yield from differences(json.load(x), json.load(y), where)
        elif not filecmp.cmp(a, b, shallow=False):
            yield f"{where}: other bytes"


def missing(packages):
    from importlib.util import find_spec
    return [p for p in packages if find_spec(p) is None]


def remake(name, folder):
    """Whether all is as it was."""
    made, arguments, packages = MADE[name]
    lacking = missing(packages)
    if lacking:
        print(f"{name}: passed over, for want of {', '.join(lacking)}", flush=True)
        return True
    run = subprocess.run([sys.executable, os.path.join(HERE, arguments[0])] + [a.format(folder) for a in arguments[1:]],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode:
        print(f"{name}: {arguments[0]} failed:\n{run.stdout[-2000:]}", flush=True)
        return False
    found = [d for path in made for d in compare(folder, path)]
    print("\n".join([f"{name}: {len(found)} differences"] + found[:10]) if found else f"{name}: the same", flush=True)
    return not found


def main():
    names = sys.argv[1:] or list(MADE)
    unknown = [name for name in names if name not in MADE]
    if unknown:
        sys.exit(f"there is no {unknown[0]}; there are {', '.join(MADE)}")
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(os.path.join(folder, "stories"))
        same = [remake(name, folder) for name in names]
    sys.exit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
