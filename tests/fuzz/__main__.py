"""`python -m tests.fuzz SECONDS [TARGET]`: coverage-guided fuzzing of every parser, SECONDS split over them.

What breaks a law is written to build/fuzz and printed; it then belongs into `seeds.py`, where it is a test for ever.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

HOUSE = Path("build/fuzz")


def fuzz(name: str, seconds: int) -> None:
    """In this process, which ends with it."""
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["lbkit.dataplane.wire"]):
        from tests.fuzz.seeds import SEEDS, WORDS
        from tests.fuzz.targets import TARGETS
    corpus = HOUSE / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = HOUSE / "words"
    words.write_text("".join('"' + "".join(f"\\x{octet:02x}" for octet in word) + '"\n' for word in WORDS))
    options = [
        f"-max_total_time={seconds}", "-max_len=700", "-timeout=5", f"-artifact_prefix={HOUSE}/{name}-", f"-dict={words}",
        "-verbosity=0", "-print_final_stats=1",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[name])
    atheris.Fuzz()


def main() -> int:
    if len(sys.argv) == 3:
        fuzz(sys.argv[2], int(sys.argv[1]))
        return 0
    from tests.fuzz.targets import TARGETS

    each = max(1, int(sys.argv[1]) // len(TARGETS))
    failed = []
    for name in TARGETS:
        command = [sys.executable, "-m", "tests.fuzz", str(each), name]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=each + 120, check=False)
        counted = [line.split()[-1] for line in ran.stderr.splitlines() if "number_of_executed_units" in line]
        print(
            f"{name:20} {each} s, {counted[0] if counted else '?'} inputs: {'FOUND' if ran.returncode else 'nothing found'}"
        )
        if ran.returncode:
            failed.append(name)
            print(ran.stdout[-3000:] + ran.stderr[-3000:])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
