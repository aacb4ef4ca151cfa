"""Python values as the structs of the C library have them."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Iterable, Mapping

from . import _abi

# Lists, and the members that count them.
_COUNTS = {"texts": "text_count", "ratios": "ratio_count", "settings": "setting_count", "drops": "drop_count",
           "targets": "target_count", "skipped": "skipped_count", "shares": "share_count", "names": "name_count",
           "sources": "source_count"}


def _encode(value: Any) -> bytes:
    return os.fsencode(os.fspath(value))


class Options:
    """A struct, and all that it points to."""

    def __init__(self, name: str):
        self.kind = getattr(_abi, name)
        self.struct = self.kind()
        self.fields = dict(self.kind._fields_)
        self._kept: list[Any] = []
        if "size" in self.fields:
            self.struct.size = ctypes.sizeof(self.kind)
        for member, value in _abi.INITIAL.get(name, {}).items():
            setattr(self.struct, member, value)

    def set(self, **values: Any) -> "Options":
        """Sets members that are not None."""
        for member, value in values.items():
            if member not in self.fields or member == "size":
                raise TypeError(f"{self.kind.__name__} has no option '{member}'; it has "
                                + ", ".join(name for name in self.fields if name != "size" and "count" not in name))
            if value is not None:
                self._set(member, value)
        return self

    def _set(self, member: str, value: Any) -> None:
        kind = self.fields[member]
        if isinstance(value, Options):
            self._kept.append(value)
            nested = isinstance(kind, type) and issubclass(kind, ctypes.Structure)
            setattr(self.struct, member, value.struct if nested else ctypes.pointer(value.struct)
                    if kind is not ctypes.c_void_p else ctypes.cast(ctypes.pointer(value.struct), ctypes.c_void_p))
        elif member in _COUNTS:
            self._set_list(member, kind, list(value))
        elif member in ("attention", "ffn"):
            setattr(self.struct, member, layers(value))
        elif kind is ctypes.c_char_p:
            setattr(self.struct, member, _encode(value))
        else:
            setattr(self.struct, member, value)

    def _set_list(self, member: str, kind: Any, values: list) -> None:
        if member == "drops":
            values = [layers(value) for value in values]
        elif member == "sources":
            values = [_abi.pare_training_source(_encode(path), weight) for path, weight in values]
        elif kind._type_ is ctypes.c_char_p:
            values = [_encode(value) for value in values]
        array = (kind._type_ * len(values))(*values)
        self._kept.append(array)
        setattr(self.struct, member, ctypes.cast(array, kind))
        setattr(self.struct, _COUNTS[member], len(values))


def layers(value: Any) -> Any:
    """A layer, or (begin, end), half-open."""
    begin, end = (value, value + 1) if isinstance(value, int) else value
    return _abi.pare_layers(True, begin, end)


def examples(data: Any) -> dict:
    """What to train on: a file, or {file: weight} for a mixture."""
    return {"sources": list(data.items())} if isinstance(data, Mapping) else {"data": data}


def settings(values: dict) -> Iterable[Any]:
    """{"select": "global", "damping": 0.01, "true_sequential": True} as keys and texts."""
    for key, value in values.items():
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        yield _abi.pare_setting(key.encode(), text.encode())
