"""Writes the structs and enumerations of include/pare/*.h as ctypes has them, so that the module follows the headers.

    python abi.py INCLUDE_FOLDER OUT.py

The headers are plain: "typedef struct NAME { members } NAME;", "typedef enum NAME { names } NAME;" and callbacks
"typedef RESULT (*NAME)(arguments);". Anything else in a struct stops the build."""

import re
import sys
from pathlib import Path

ORDER = ["base", "model", "prune", "recover", "evaluate", "report"]
TYPES = {
    "bool": "ctypes.c_bool", "int": "ctypes.c_int", "unsigned": "ctypes.c_uint", "double": "ctypes.c_double",
    "float": "ctypes.c_float", "size_t": "ctypes.c_size_t", "uint32_t": "ctypes.c_uint32",
    "int32_t": "ctypes.c_int32", "uint64_t": "ctypes.c_uint64", "int64_t": "ctypes.c_int64",
}


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def type_of(base: str, stars: int, structs: set, callbacks: dict, enums: set) -> str:
    if base == "char" and stars == 1:
        return "ctypes.c_char_p"
    if base == "char" and stars == 2:
        return "ctypes.POINTER(ctypes.c_char_p)"
    if base in ("void", "char") or (stars and base not in structs and base not in TYPES):
        return "ctypes.c_void_p"
    if base in callbacks:
        return f"{base}"
    plain = "ctypes.c_int" if base in enums else TYPES.get(base, base)
    if plain == base and base not in structs:
        sys.exit(f"abi.py: the type {base} is not known")
    return f"ctypes.POINTER({plain})" if stars else plain


def members_of(body: str, known: tuple) -> list:
    members = []
    for declaration in body.split(";"):
        declaration = " ".join(declaration.split())
        if not declaration:
            continue
        words = re.sub(r"\b(const|struct)\b", " ", declaration)
        match = re.match(r"\s*(\w+)\s*(.*)$", words)
        for declarator in match[2].split(","):
            part = re.match(r"^\s*((?:\*\s*)*)(\w+)\s*$", declarator)
            if not part:
                sys.exit(f"abi.py: '{declaration}' is no member that it reads")
            members.append((part[2], type_of(match[1], part[1].count("*"), *known)))
    return members


def initial_values(include: str) -> dict:
    text = without_comments((Path(include) / "pare" / "init.h").read_text()).replace("\\\n", " ")
    found = {}
    for match in re.finditer(r"#define PARE_\w+_INIT\s+\{(.*?)\}", text, flags=re.S):
        size = re.search(r"sizeof\((\w+)\)", match[1])
        if size:
            found[size[1]] = {name: float(value) if "." in value else int(value)
                              for name, value in re.findall(r"\.(\w+) = (-?[\d.]+)", match[1])}
    return found


def main(include: str, out: str) -> None:
    structs, callbacks, enums, lines = set(), {}, set(), ['"""Made by abi.py from the headers."""', "", "import ctypes", ""]
    for name in ORDER:
        text = without_comments((Path(include) / "pare" / f"{name}.h").read_text())
        known = (structs, callbacks, enums)
        pattern = (r"typedef enum (\w+) \{(.*?)\} \1;|typedef struct (\w+) \{(.*?)\} \3;"
                   r"|typedef (\w+) \(\*(\w+)\)\((.*?)\);")
        for match in re.finditer(pattern, text, flags=re.S):
            if match[1]:
                enums.add(match[1])
                value = -1
                for item in filter(None, (" ".join(i.split()) for i in match[2].split(","))):
                    word, _, given = item.partition("=")
                    value = int(given) if given.strip() else value + 1
                    lines.append(f"{word.strip()} = {value}")
                lines.append("")
            elif match[3]:
                fields = ",\n        ".join(f'("{n}", {t})' for n, t in members_of(match[4], known))
                structs.add(match[3])
                lines += [f"class {match[3]}(ctypes.Structure):", f"    _fields_ = [\n        {fields}\n    ]", ""]
            else:
                arguments = []
                for argument in match[7].split(","):
                    words = re.sub(r"\b(const|struct)\b", " ", argument)
                    part = re.match(r"^\s*(\w+)\s*((?:\*\s*)*)\w+\s*$", words)
                    arguments.append(type_of(part[1], part[2].count("*"), *known))
                callbacks[match[6]] = True
                result = "None" if match[5] == "void" else type_of(match[5], 0, *known)
                lines += [f"{match[6]} = ctypes.CFUNCTYPE({', '.join([result, *arguments])})", ""]
    lines += ["# What PARE_..._INIT sets beside `size`.", f"INITIAL = {initial_values(include)!r}", ""]
    Path(out).write_text("\n".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
