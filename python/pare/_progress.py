"""How a call uses the machine, and how far it is."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any, Callable, Optional, Union

from . import _abi
from ._options import Options

Progress = Union[bool, Callable[[str, int, int], None]]
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class _Bar:
    """A bar of tqdm for each stage."""

    def __init__(self, tqdm: Any):
        self.tqdm, self.bar, self.stage = tqdm, None, None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self.stage:
            self.close()
            self.bar, self.stage = self.tqdm(total=total, desc=stage, unit="", leave=False, file=sys.stderr), stage
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        self.bar = self.stage = None


def _shown(progress: Progress) -> Optional[Callable[[str, int, int], None]]:
    if callable(progress):
        return progress
    if not progress:
        return None
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return None
    return _Bar(tqdm)


def parse_bytes(memory: Union[int, str, None]) -> Optional[int]:
    """"8G" or a number of bytes."""
    if not isinstance(memory, str):
        return memory
    unit = memory[-1:].upper()
    return int(float(memory[:-1]) * _UNITS[unit]) if unit in _UNITS else int(memory)


class Runtime:
    """A pare_runtime for one call. Notes of the library are warnings of Python."""

    def __init__(self, threads: Optional[int], memory: Union[int, str, None], compute: Optional[str],
                 scratch: Union[str, os.PathLike, None], progress: Progress):
        self.options = Options("pare_runtime")
        self.show = _shown(progress)
        formats = {None: _abi.PARE_COMPUTE_AUTO, "auto": _abi.PARE_COMPUTE_AUTO, "bf16": _abi.PARE_COMPUTE_BF16,
                   "fp32": _abi.PARE_COMPUTE_FP32}
        if compute not in formats:
            raise ValueError(f"compute must be 'auto', 'bf16' or 'fp32', not {compute!r}")
        self.options.set(threads=threads, memory_limit=parse_bytes(memory), compute=formats[compute], scratch=scratch,
                         note=_abi.pare_note_fn(self._note), progress=_abi.pare_progress_fn(self._progress))

    def _progress(self, _user: Any, stage: bytes, done: int, total: int) -> None:
        """Also without anything to show: Python answers signals while it runs."""
        if self.show:
            self.show(stage.decode(errors="replace"), done, total)

    @staticmethod
    def _note(_user: Any, sentence: bytes) -> None:
        warnings.warn(sentence.decode(errors="replace"), stacklevel=2)

    def __enter__(self) -> Any:
        return self.options.struct

    def __exit__(self, *_: Any) -> None:
        if isinstance(self.show, _Bar):
            self.show.close()
