"""Prunes trained transformers: a thin module over the C library of pare.

    import pare
    report = pare.prune("my-model", "smaller", ratio=0.2, texts=["wiki.txt"])
    print(report["parameters"], report["texts"])
    print(pare.evaluate("smaller", texts=["wiki.txt"], against="my-model")["texts"])

All functions return what the command of that name prints with ``--json``, as dicts. Failures raise :class:`PareError`
(:class:`BadArgument` for what makes no sense) with the library's sentence. With tqdm installed, bars show how far a
call is; ``progress`` takes False, or a function of (stage, done, total) in their place. Ctrl-C stops a call, which
undoes what it has half done. A call runs on all cores that the process may use; calls of several threads take turns.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any, Iterable, Mapping, Optional, Sequence, Union

from . import _library
from ._library import BadArgument, PareError
from ._options import Options, examples as _examples, settings as _settings
from ._progress import Progress, Runtime

__all__ = ["BadArgument", "PareError", "convert", "evaluate", "export", "generate", "inspect", "merge", "methods",
           "prune", "recover", "scores", "types", "__version__"]
__version__ = _library.version()

PathLike = Union[str, os.PathLike]


def _page(none: bool = False) -> Options:
    page = Options("pare_page_options")
    page.struct.none = none
    return page


def _card(card: bool) -> Options:
    options = Options("pare_card_options")
    options.struct.none = not card
    return options


def _sparsity(sparsity: Optional[float], pattern: Optional[str]) -> Optional[Options]:
    if sparsity is None and pattern is None:
        return None
    options = Options("pare_sparsity").set(given=True, share=sparsity)
    if pattern is not None:
        keep, _, of = pattern.partition(":")
        options.set(keep=int(keep), of=int(of))
    return options


def prune(model: PathLike, output: Optional[PathLike] = None, *, method: Optional[str] = None,
          recipe: Optional[PathLike] = None, ratio: Optional[float] = None, parameters: Optional[int] = None,
          sparsity: Optional[float] = None, pattern: Optional[str] = None, calibration: Optional[PathLike] = None,
          samples: Optional[int] = None, length: Optional[int] = None, texts: Optional[Sequence[PathLike]] = None,
          window: Optional[int] = None, max_windows: Optional[int] = None,
          settings: Optional[Mapping[str, Any]] = None, recover: Optional[Mapping[str, Any]] = None, seed: int = 0,
          type: Optional[str] = None, remote_code: bool = False, force: bool = False, page: bool = True, card: bool = True, threads: Optional[int] = None,
          memory: Union[int, str, None] = None, compute: Optional[str] = None, scratch: Optional[PathLike] = None,
          progress: Progress = True, **more: Any) -> dict:
    """Prunes ``model`` into the folder, or GGUF file, ``output``; without one it only reports what it would do.

    One of ``ratio`` (share of the units of each layer), ``parameters`` (how many are to be left), ``sparsity`` (share of
    single weights) and ``pattern`` ("2:4" keeps two of four) says how much goes; ``drops``, a list of layers or of
    (begin, end), names layers.

    method, recipe: a name of :func:`methods`, or a recipe file. settings: choices of the method, by the keys of recipe
    files. calibration: file of text or rows, a folder of pictures, or "self" (the default), with ``samples`` of
    ``length`` tokens. texts: files to measure perplexity on before and after, in windows of ``window`` tokens, at most
    ``max_windows``. recover: options of :func:`recover` ("data", "steps", ...), which then follows. type: of a GGUF file's
    numbers, one of :func:`types`. remote_code: where layers differ in width, a modeling file beside the model, with
    which transformers loads it (trust_remote_code). page, card: whether
    report.html and README.md are written. threads, memory ("8G"), compute ("bf16", "fp32"), scratch: how it runs. more:
    any other member of pare_prune_options in pare/prune.h (``layer_begin``, ``iterations``, ``archive``, ...).
    """
    calibrating = Options("pare_calibration_options").set(source=calibration, samples=samples, length=length)
    options = Options("pare_prune_options").set(
        method=method, recipe=recipe, ratio=ratio, parameters=parameters, calibration=calibrating, texts=texts,
        window=window, max_windows=max_windows, seed=seed, force=force, output=output, dry_run=output is None,
        sparsity=_sparsity(sparsity, pattern), settings=None if settings is None else list(_settings(settings)),
        type=type, remote_code=remote_code, page=_page(not page), card=_card(card), **more)
    if recover is not None:
        training = {"data": None, **recover}
        options.set(recover=Options("pare_recover_options").set(**_examples(training.pop("data")), **training))
    with Runtime(threads, memory, compute, scratch, progress) as runtime, _library.open_model(model) as handle:
        return _library.call("pare_prune", handle, options.struct, runtime)


def scores(model: PathLike, *, method: str = "taylor", ratio: float = 0.5, **more: Any) -> dict:
    """Scores of all units by a method, as numpy arrays: {"heads": [one array per layer, KV heads], "query_heads": [..],
    "ffn": [..], "layer": array, "hidden": array}. What a method does not score is empty. more: as :func:`prune` has
    it. Methods that choose greedily (best, obs) have no scores."""
    import numpy

    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "scores.json")
        prune(model, method=method, ratio=ratio, scores=file, **more)
        with open(file, encoding="utf-8") as text:
            found = json.load(text)
    result: dict = {name: [numpy.array(layer[name]) for layer in found["layers"]]
                    for name in ("heads", "query_heads", "ffn")}
    result["layer"] = numpy.array([layer["layer"] for layer in found["layers"]])
    result["hidden"] = numpy.array(found["hidden"])
    return result


def recover(model: PathLike, output: PathLike, data: Union[PathLike, Mapping[PathLike, float]], *,
            preset: Optional[str] = None, texts: Optional[Sequence[PathLike]] = None, steps: Optional[int] = None,
            epochs: Optional[float] = None, adapter: bool = False, seed: int = 0, type: Optional[str] = None,
            remote_code: bool = False, force: bool = False, page: bool = True, card: bool = True, threads: Optional[int] = None, memory: Union[int, str, None] = None,
            compute: Optional[str] = None, scratch: Optional[PathLike] = None, progress: Progress = True,
            **more: Any) -> dict:
    """Trains a pruned model on the rows of ``data`` and writes it to ``output``, or with ``adapter`` a PEFT adapter.
    data: a file, or {file: weight} of several, of which every batch has examples by their weights. type, remote_code: as
    :func:`prune` has them.
    more: any other member of pare_recover_options in pare/recover.h (``rank``, ``rate``, ``teacher``, ...)."""
    options = Options("pare_recover_options").set(
        preset=preset, texts=texts, steps=steps, epochs=epochs, adapter=adapter, seed=seed, force=force,
        output=output, type=type, remote_code=remote_code, page=_page(not page), card=_card(card), **_examples(data),
        **more)
    with Runtime(threads, memory, compute, scratch, progress) as runtime, _library.open_model(model) as handle:
        return _library.call("pare_recover", handle, options.struct, runtime)


def merge(model: PathLike, adapter: PathLike, output: PathLike, *, type: Optional[str] = None,
          remote_code: bool = False, force: bool = False, card: bool = True, threads: Optional[int] = None,
          memory: Union[int, str, None] = None, compute: Optional[str] = None, progress: Progress = True) -> dict:
    """Writes ``model`` with an adapter that was kept apart merged into its weights. ``output`` may be a GGUF file, whose
    numbers are of ``type`` then (one of :func:`types`). remote_code: as :func:`prune` has it."""
    options = Options("pare_merge_options").set(adapter=adapter, output=output, type=type, remote_code=remote_code,
                                                force=force, card=_card(card))
    with Runtime(threads, memory, compute, None, progress) as runtime, _library.open_model(model) as handle:
        return _library.call("pare_merge", handle, options.struct, runtime)


def export(model: PathLike, output: PathLike, *, type: Optional[str] = None, force: bool = False,
           threads: Optional[int] = None, memory: Union[int, str, None] = None, compute: Optional[str] = None,
           progress: Progress = True) -> dict:
    """Writes a model as a GGUF file, OUT.gguf, for llama.cpp. type: of its numbers, one of :func:`types`; f16 where none
    is given. The file is opened again and compared with the model before it appears."""
    if not os.fsdecode(os.fspath(output)).lower().endswith(".gguf"):
        raise ValueError(f"{output!s} must end with .gguf; convert() writes folders")
    return convert(model, output, type=type, force=force, threads=threads, memory=memory, compute=compute,
                   progress=progress)


def convert(model: PathLike, output: PathLike, *, type: Optional[str] = None, remote_code: bool = False,
            force: bool = False, threads: Optional[int] = None, memory: Union[int, str, None] = None,
            compute: Optional[str] = None, progress: Progress = True) -> dict:
    """Writes a model, such as a GGUF file, as a folder of safetensors, or as a GGUF file where ``output`` ends with
    .gguf. type: of a folder's numbers "f32", "f16" or "bf16", else as the model has them; of a GGUF file one of
    :func:`types`. remote_code: as :func:`prune` has it."""
    options = Options("pare_export_options").set(output=output, type=type, remote_code=remote_code, force=force)
    with Runtime(threads, memory, compute, None, progress) as runtime, _library.open_model(model) as handle:
        return _library.call("pare_export", handle, options.struct, runtime)


def evaluate(model: PathLike, *, texts: Optional[Sequence[PathLike]] = None, window: Optional[int] = None,
             max_windows: Optional[int] = None, against: Optional[PathLike] = None, adapter: Optional[PathLike] = None,
             tasks: Union[str, Iterable[str], None] = None, data: Optional[PathLike] = None,
             limit: Optional[int] = None, protocol: Optional[str] = None, items: Optional[PathLike] = None,
             lm_eval_json: Optional[PathLike] = None, continuations: Optional[int] = None, seed: int = 0,
             threads: Optional[int] = None, memory: Union[int, str, None] = None, compute: Optional[str] = None,
             progress: Progress = True) -> dict:
    """Perplexity of ``texts`` (of pictures: accuracy of one folder), with ``against`` also the KL divergence from that
    model; and accuracies of zero-shot ``tasks`` ("all", or names), whose files lie in ``data``. continuations: texts of
    the model's own that are counted, too."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        runtime = stack.enter_context(Runtime(threads, memory, compute, None, progress))
        handle = stack.enter_context(_library.open_model(model))
        options = Options("pare_evaluate_options").set(
            texts=texts, window=window, max_windows=max_windows, adapter=adapter, items=items,
            lm_eval_json=lm_eval_json, continuations=continuations, seed=seed)
        if against is not None:
            options.struct.against = stack.enter_context(_library.open_model(against))
        if tasks is not None:
            chosen = None if tasks == "all" else [tasks] if isinstance(tasks, str) else list(tasks)
            asked = Options("pare_tasks_options").set(names=chosen, data=data, limit=limit, protocol=protocol)
            options.struct.tasks = stack.enter_context(_library.open_tasks(asked.struct))
        return _library.call("pare_evaluate", handle, options.struct, runtime)


def generate(model: PathLike, prompt: str = "", *, tokens: Optional[int] = None, temperature: float = 0.0,
             top_p: Optional[float] = None, seed: int = 0, adapter: Optional[PathLike] = None,
             threads: Optional[int] = None, compute: Optional[str] = None) -> str:
    """The continuation of a prompt."""
    options = Options("pare_generate_options").set(prompt=prompt, tokens=tokens, temperature=temperature, top_p=top_p,
                                                   seed=seed, adapter=adapter)
    with Runtime(threads, None, compute, None, False) as runtime, _library.open_model(model) as handle:
        return _library.generate(handle, options.struct, runtime)


def inspect(model: PathLike, *, tensors: bool = False) -> dict:
    """What is in a checkpoint: architecture, widths per layer, parameters, dtype; with ``tensors`` every tensor. Of
    models that pare does not prune, what their headers tell, and why under "refused"."""
    try:
        with _library.open_model(model) as handle:
            return _library.describe(handle, tensors)
    except PareError as refused:
        try:
            return _library.describe_any(model, str(refused))
        except PareError:
            raise refused from None


def methods() -> dict[str, str]:
    """The methods of :func:`prune`, and what each is."""
    return dict(zip(_library.names("pare_recipe_name"), _library.names("pare_recipe_summary")))


def types() -> list[str]:
    """What the numbers of a GGUF file may be: "f32", "f16", ..., "q4_k_m"."""
    return _library.names("pare_export_type")
