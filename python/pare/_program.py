"""The program of the wheel, in whose place it runs."""

import os
import sys
from pathlib import Path


def main() -> None:
    program = Path(__file__).parent / "bin" / "pare"
    os.execv(program, ["pare", *sys.argv[1:]])
