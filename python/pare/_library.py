"""The C library: where it lies, its functions, and calls of it."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any, Callable, Optional

from . import _abi


class PareError(RuntimeError):
    """A call failed; the text is the library's sentence. ``status`` is its pare_status."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class BadArgument(PareError, ValueError):
    """What was asked for makes no sense, here or for this model."""


def _find() -> str:
    given = os.environ.get("PARE_LIBRARY")
    beside = sorted((Path(__file__).parent / "lib").glob("libpare.so.*"))
    return given or (str(beside[0]) if beside else "libpare.so.0")


_lib = ctypes.CDLL(_find())
_text = ctypes.POINTER(ctypes.c_char)
_lib.pare_message.restype = _lib.pare_version.restype = ctypes.c_char_p
_lib.pare_text_free.argtypes = [ctypes.c_void_p]
_lib.pare_text_free.restype = None
for _name in ("pare_model_close", "pare_tasks_close"):
    getattr(_lib, _name).argtypes = [ctypes.c_void_p]
    getattr(_lib, _name).restype = None
for _name in ("pare_recipe_name", "pare_recipe_summary", "pare_recover_preset_name", "pare_task_name",
              "pare_export_type"):
    getattr(_lib, _name).argtypes = [ctypes.c_size_t]
    getattr(_lib, _name).restype = ctypes.c_char_p
_lib.pare_model_open.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)]
_lib.pare_tasks_open.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)]
_lib.pare_checkpoint_describe.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(_text)]
_lib.pare_model_describe.argtypes = [ctypes.c_void_p, ctypes.c_bool, ctypes.POINTER(_text)]
for _name in ("pare_prune", "pare_recover", "pare_merge", "pare_export", "pare_evaluate"):
    getattr(_lib, _name).argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(_text)]
_lib.pare_generate.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, _abi.pare_piece_fn, ctypes.c_void_p]

# What computes takes turns in the library, too (pare.h); here whole calls do, so that an interrupt is one call's.
_turn = threading.Lock()


def check(status: int) -> None:
    """Raises what belongs to a pare_status."""
    if status == _abi.PARE_OK:
        return
    message = (_lib.pare_message() or b"").decode(errors="replace")
    if status == _abi.PARE_INTERRUPTED:
        raise KeyboardInterrupt(message)
    raise (BadArgument if status == _abi.PARE_BAD_ARGUMENT else PareError)(status, message)


class _Interruptible:
    """While a call runs, Ctrl-C asks it to stop and undo what is half done."""

    def __enter__(self) -> None:
        _turn.acquire()
        self.before = None
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, lambda *_: _lib.pare_interrupt())

    def __exit__(self, *_: Any) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
        _lib.pare_interrupt_clear()
        _turn.release()


class Handle:
    """What one function opens and another closes."""

    def __init__(self, opening: Callable[[Any], int], close: Callable[[Any], None]):
        self.pointer = ctypes.c_void_p()
        self._close = close
        with _turn:
            check(opening(ctypes.byref(self.pointer)))

    def __enter__(self) -> ctypes.c_void_p:
        return self.pointer

    def __exit__(self, *_: Any) -> None:
        self._close(self.pointer)


def open_model(path: str | os.PathLike) -> Handle:
    return Handle(lambda out: _lib.pare_model_open(os.fsencode(path), out), _lib.pare_model_close)


def open_tasks(options: ctypes.Structure) -> Handle:
    return Handle(lambda out: _lib.pare_tasks_open(ctypes.byref(options), out), _lib.pare_tasks_close)


def call(name: str, model: ctypes.c_void_p, options: ctypes.Structure, runtime: Optional[ctypes.Structure]) -> dict:
    """Runs a function that gives a report, and returns that."""
    report = _text()
    with _Interruptible():
        status = getattr(_lib, name)(model, ctypes.byref(options), runtime and ctypes.byref(runtime),
                                     ctypes.byref(report))
        check(status)
    return take(report)


def take(text: Any) -> Any:
    """A JSON text of the library, freed."""
    try:
        return json.loads(ctypes.cast(text, ctypes.c_char_p).value)
    finally:
        _lib.pare_text_free(ctypes.cast(text, ctypes.c_void_p))


def describe(model: ctypes.c_void_p, tensors: bool) -> dict:
    text = _text()
    check(_lib.pare_model_describe(model, tensors, ctypes.byref(text)))
    return take(text)


def describe_any(path: str | os.PathLike, refused: str) -> dict:
    """What the headers tell of a model that is no handle, because of ``refused``."""
    text = _text()
    with _turn:
        check(_lib.pare_checkpoint_describe(os.fsencode(path), refused.encode(), ctypes.byref(text)))
    return take(text)


def generate(model: ctypes.c_void_p, options: ctypes.Structure, runtime: Optional[ctypes.Structure]) -> str:
    pieces = []

    def piece(_user: Any, text: Any, size: int) -> bool:
        pieces.append(ctypes.string_at(text, size))
        return True

    with _Interruptible():
        check(_lib.pare_generate(model, ctypes.byref(options), runtime and ctypes.byref(runtime),
                                 _abi.pare_piece_fn(piece), None))
    return b"".join(pieces).decode(errors="replace")


def names(function: str) -> list[str]:
    """All names that a function of an index gives."""
    found: list[str] = []
    while (name := getattr(_lib, function)(len(found))) is not None:
        found.append(name.decode())
    return found


def version() -> str:
    return _lib.pare_version().decode()
