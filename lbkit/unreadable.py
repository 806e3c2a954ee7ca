"""What a YAML reader says of a file that it can't read, in words for people."""

from __future__ import annotations

from pathlib import Path

from yaml.reader import ReaderError

from lbkit.errors import Problem

_LOOK = "Look at that line and the one above: quotes, brackets, colons, blanks in front."
_SAID = {
    "found character that cannot start any token": (
        "A character stands there that begins nothing, such as a tab.",
        "Indent with blanks, and put texts with such signs into quotes.",
    ),
    "but found another document": ("It holds several documents.", "Give each a file of its own."),
    "found undefined alias": (
        "Nothing has the name behind '*'.",
        "Mark something with '&' and that name, or use quotes.",
    ),
    "could not determine a constructor for the tag": ("Tags with '!' are not read.", "Write the value itself."),
}
"""By the beginning of what the reader says: what it means, and what to do."""


def of_yaml(path: Path, error: Exception) -> Problem:
    """`error` is a YAMLError, or what a value that is none raised."""
    if isinstance(error, UnicodeDecodeError):
        return Problem(str(path), "It is no text in UTF-8.", "Save it as UTF-8.")
    mark, said = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if isinstance(error, ReaderError):
        return Problem(
            str(path), f"It holds the character number {error.character}, which no text has.", "Take it out."
        )
    if said is None:
        reason = f"A value can't be read: {' '.join(str(error).split())}."
        return Problem(str(path), reason, "Put it into quotes, or take it out.")
    where = f"{path}:{mark.line + 1}" if mark else str(path)
    known = next((words for begin, words in _SAID.items() if said.startswith(begin)), None)
    return Problem(where, *(known or (f"{said[:1].upper()}{said[1:]}.", _LOOK)))
