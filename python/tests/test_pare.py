"""The module as a user has it, on the bundled model: what it returns is what the program's --json says."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pare
from pare import _abi, _options, _progress

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples" / "tiny-stories"
QUICK = {"samples": 4, "length": 32, "progress": False}


def program(*words):
    """The program of the wheel, without Python around it."""
    run = subprocess.run([Path(pare.__file__).parent / "bin" / "pare", *map(str, words)], capture_output=True, text=True)
    return run.returncode, run.stdout, run.stderr


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("\n\n".join("one day, a little girl went to the park and found a big red ball. " * 12 for _ in range(8)))
    return file


def test_program_and_module_are_one_version():
    assert program("--version")[1] == f"pare {pare.__version__}\n"
    entry = subprocess.run([Path(sys.executable).parent / "pare", "--version"], capture_output=True, text=True)
    assert entry.stdout == f"pare {pare.__version__}\n"


def test_prune_is_what_the_program_does(tmp_path, text):
    report = pare.prune(MODEL, tmp_path / "a", ratio=0.25, method="taylor", calibration=text, texts=[text],
                        settings={"select": "uniform"}, **QUICK)
    code, out, _ = program("prune", MODEL, "-o", tmp_path / "b", "--ratio", 0.25, "--method", "taylor", "--calib", text,
                           "--samples", 4, "--length", 32, "--select", "uniform", "--text", text, "--json", "--quiet")
    other = json.loads(out)
    assert code == 0
    assert report["parameters"] == other["parameters"] and report["texts"] == other["texts"]
    assert report["recipe"] == other["recipe"] and report["recipe"]["select"] == "uniform"
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()
    assert (tmp_path / "a/README.md").exists() and (tmp_path / "a/report.html").exists()


def test_without_output_nothing_is_written(tmp_path):
    before = set(os.listdir(tmp_path))
    report = pare.prune(MODEL, ratio=0.25, method="magnitude-l1", progress=False)
    assert "output" not in report and set(os.listdir(tmp_path)) == before


def test_targets_of_every_kind(tmp_path):
    sparse = pare.prune(MODEL, tmp_path / "s", pattern="2:4", method="magnitude", page=False, card=False, progress=False)
    assert sparse["sparsity"]["share"] == pytest.approx(0.5)
    assert not (tmp_path / "s/README.md").exists() and not (tmp_path / "s/report.html").exists()
    half = pare.prune(MODEL, sparsity=0.3, method="magnitude", progress=False)
    assert half["sparsity"]["share"] == pytest.approx(0.3, abs=0.01)
    shallow = pare.prune(MODEL, drops=[1, (3, 5)], progress=False)
    assert shallow["dropped_layers"] == [1, 3, 4]
    counted = pare.prune(MODEL, parameters=1_000_000, method="magnitude-l1", progress=False)
    assert counted["parameters"]["after"] <= 1_000_000


def test_evaluate(text, tmp_path):
    report = pare.evaluate(MODEL, texts=[text], window=32, max_windows=4, against=MODEL, progress=False)
    code, out, _ = program("eval", MODEL, "--text", text, "--window", 32, "--max-windows", 4, "--against", MODEL, "--json",
                           "--quiet")
    assert code == 0 and report["texts"] == json.loads(out)["texts"]
    assert report["texts"][0]["kl"] == pytest.approx(0, abs=1e-6)
    (tmp_path / "piqa.jsonl").write_text('{"goal":"a boy","sol1":"he sat","sol2":"cat","label":0}\n')
    report = pare.evaluate(MODEL, tasks="piqa", data=tmp_path / "piqa.jsonl", progress=False)
    assert report["tasks"][0]["task"] == "piqa" and report["tasks"][0]["n"] == 1


def test_recover_and_merge(tmp_path):
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([{"instruction": f"say {i}", "input": "", "output": "a big red ball"} for i in range(8)]))
    options = {"steps": 2, "batch": 2, "validation": 0, "progress": False, "compute": "fp32"}
    report = pare.recover(MODEL, tmp_path / "whole", rows, **options)
    assert report["steps"] == 2
    pare.recover(MODEL, tmp_path / "adapter", rows, adapter=True, **options)
    merged = pare.merge(MODEL, tmp_path / "adapter", tmp_path / "merged", progress=False)
    assert merged["tensors"]["changed"] > 0
    assert (tmp_path / "whole/model.safetensors").read_bytes() == (tmp_path / "merged/model.safetensors").read_bytes()
    small = pare.merge(MODEL, tmp_path / "adapter", tmp_path / "merged.gguf", type="q8_0", progress=False)
    assert small["output"]["kind"].endswith("q8_0") and pare.inspect(tmp_path / "merged.gguf")["parameters"] == 1312384
    both = pare.prune(MODEL, tmp_path / "both", ratio=0.25, method="magnitude-l1", progress=False,
                      recover={"data": rows, "steps": 2, "batch": 2, "validation": 0})
    assert both["recovery"]["steps"] == 2


def test_export_convert_and_types(tmp_path):
    whole = pare.export(MODEL, tmp_path / "a.gguf", type="q8_0", progress=False)
    code, out, _ = program("export", MODEL, "-o", tmp_path / "b.gguf", "--type", "q8_0", "--json", "--quiet")
    assert code == 0 and whole["output"]["kind"] == json.loads(out)["output"]["kind"] == "GGUF, architecture llama, q8_0"
    assert (tmp_path / "a.gguf").read_bytes()[:4] == b"GGUF" and (tmp_path / "a.gguf").stat().st_size > 1_000_000
    folder = pare.convert(tmp_path / "a.gguf", tmp_path / "folder", type="f32", progress=False)
    assert folder["output"]["kind"] == "a folder" and pare.inspect(tmp_path / "folder")["parameters"] == 1312384
    assert pare.generate(tmp_path / "folder", "one day", tokens=4)
    with pytest.raises(ValueError, match="convert"):
        pare.export(MODEL, tmp_path / "c")
    with pytest.raises(pare.PareError, match="q3_z"):
        pare.convert(MODEL, tmp_path / "d.gguf", type="q3_z", progress=False)
    with pytest.raises(pare.PareError, match="exists"):
        pare.export(MODEL, tmp_path / "a.gguf", progress=False)
    assert {"f16", "q8_0", "q4_k_m"} <= set(pare.types())
    assert not (tmp_path / "d.gguf").exists()


def test_a_modeling_file(tmp_path):
    code = (ROOT / "src/run/modeling_pare.py").read_bytes()
    report = pare.prune(MODEL, tmp_path / "a", ratio=0.5, layer_begin=1, layer_end=2, method="random", remote_code=True,
                        progress=False)
    assert report["output"]["remote_code"] == "modeling_pare.py" and "transformers" in report["output"]["engines"]
    assert (tmp_path / "a/modeling_pare.py").read_bytes() == code
    pare.prune(MODEL, tmp_path / "b", ratio=0.5, ffn=(1, 2), attention=(0, 0), method="random", progress=False)
    assert not (tmp_path / "b/modeling_pare.py").exists()
    pare.convert(tmp_path / "b", tmp_path / "c", remote_code=True, progress=False)
    assert (tmp_path / "c/modeling_pare.py").read_bytes() == code
    assert json.loads((tmp_path / "c/config.json").read_text())["architectures"] == ["DeciLMForCausalLM"]


def test_mixtures(tmp_path, text):
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([{"instruction": f"say {i}", "input": "", "output": "a big red ball"} for i in range(8)]))
    quick = {"steps": 2, "batch": 2, "validation": 0}
    report = pare.recover(MODEL, tmp_path / "mixed", {rows: 1, text: 1}, progress=False, **quick)
    assert [Path(source["file"]).name for source in report["data"]["mixture"]] == [rows.name, text.name]
    both = pare.prune(MODEL, tmp_path / "both", ratio=0.25, method="magnitude-l1", progress=False,
                      recover={"data": {rows: 3, text: 1}, **quick})
    assert both["recovery"]["steps"] == 2


def test_scores_are_arrays(text):
    numpy = pytest.importorskip("numpy")
    found = pare.scores(MODEL, method="taylor", calibration=text, **QUICK)
    config = json.loads((MODEL / "config.json").read_text())
    assert len(found["ffn"]) == config["num_hidden_layers"]
    assert found["ffn"][0].shape == (config["intermediate_size"],) and found["ffn"][0].dtype == numpy.float64
    assert found["heads"][0].shape == (config["num_key_value_heads"],)
    assert numpy.isfinite(found["ffn"][2]).all() and (found["ffn"][2] > 0).any()


def test_inspect_generate_methods():
    shown = pare.inspect(MODEL)
    assert shown["parameters"] == 1312384
    assert any(t["name"] == "model.embed_tokens.weight" for t in pare.inspect(MODEL, tensors=True)["tensors"])
    code, out, _ = program("generate", MODEL, "--prompt", "one day", "--tokens", 8)
    assert code == 0 and out.strip().endswith(pare.generate(MODEL, "one day", tokens=8).strip())
    assert "best" in pare.methods() and pare.methods()["random"]


def test_inspect_what_is_not_pruned(tmp_path):
    config = json.loads((MODEL / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "unheard_of"}))
    (tmp_path / "model.safetensors").write_bytes((MODEL / "model.safetensors").read_bytes())
    code, out, _ = program("inspect", tmp_path, "--json")
    shown = pare.inspect(tmp_path)
    assert code == 0 and "unheard_of" in shown["refused"] and shown == json.loads(out)


def test_failures_have_the_librarys_sentence(tmp_path):
    with pytest.raises(pare.PareError, match="nothing at"):
        pare.inspect(tmp_path / "nowhere")
    with pytest.raises(pare.BadArgument, match="ratio") as caught:
        pare.prune(MODEL, ratio=1.5, progress=False)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(TypeError, match="has no option 'ratoi'"):
        pare.prune(MODEL, ratoi=0.5)
    with pytest.raises(ValueError, match="compute"):
        pare.prune(MODEL, ratio=0.5, compute="int8")


def test_progress_and_notes(tmp_path, text):
    seen = []
    pare.prune(MODEL, ratio=0.25, method="taylor", calibration=text, samples=4, length=32,
               progress=lambda stage, done, total: seen.append((stage, done, total)))
    assert seen and all(0 <= done <= total for _, done, total in seen)
    model = tmp_path / "model"
    model.mkdir()
    for file in MODEL.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    (model / "README.md").write_bytes(b"caf\xe9\n")
    with pytest.warns(UserWarning, match="no UTF-8"):
        pare.prune(model, tmp_path / "out", ratio=0.25, method="random", progress=False)


def test_bars(monkeypatch, text):
    tqdm = pytest.importorskip("tqdm.auto")
    shown = []
    monkeypatch.setattr(tqdm, "tqdm", lambda **options: shown.append(options["desc"]) or tqdm_stand_in())
    pare.prune(MODEL, ratio=0.25, method="taylor", calibration=text, samples=4, length=32)
    assert shown


class tqdm_stand_in:
    n = 0

    def update(self, more):
        self.n += more

    def close(self):
        pass


def test_an_interrupt_undoes(tmp_path, text):
    def stop(_stage, _done, _total):
        os.kill(os.getpid(), 2)

    with pytest.raises(KeyboardInterrupt):
        pare.prune(MODEL, tmp_path / "out", ratio=0.25, method="taylor", calibration=text, progress=stop)
    assert not (tmp_path / "out").exists()
    assert pare.inspect(MODEL)["parameters"]


def test_structs_are_the_librarys():
    for name in ("pare_prune_options", "pare_recover_options", "pare_evaluate_options", "pare_runtime"):
        assert _options.Options(name).struct.size == ctypes.sizeof(getattr(_abi, name))
    assert _options.Options("pare_prune_options").struct.sigma == -1
    assert _progress.parse_bytes("1.5G") == 3 * 2**29 and _progress.parse_bytes(7) == 7


def test_everything_has_a_docstring_and_hints():
    for name in pare.__all__:
        thing = getattr(pare, name)
        if callable(thing) and not isinstance(thing, type):
            assert thing.__doc__ and thing.__annotations__.get("return")
