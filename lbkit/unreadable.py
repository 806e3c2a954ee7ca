"""What a YAML reader says of a file that it can't read, in words for people."""

from __future__ import annotations

from pathlib import Path

from lbkit.errors import Problem


def of_yaml(path: Path, error: Exception) -> Problem:
    """`error` is a YAMLError, or what a value that is none raised."""
    if isinstance(error, UnicodeDecodeError):
        return Problem(str(path), "It is no text in UTF-8.", "Save it as UTF-8.")
    mark, said = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if said is None:
        reason = f"A value can't be read: {' '.join(str(error).split())}."
        return Problem(str(path), reason, "Put it into quotes, or take it out.")
    where = f"{path}:{mark.line + 1}" if mark else str(path)
    if "\\t" in said:
        return Problem(where, "A tab stands where YAML wants blanks.", "Indent with blanks.")
    return Problem(where, f"{said}.", "Look at that line and the one above: quotes, brackets, colons, blanks in front.")
