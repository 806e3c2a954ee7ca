"""Heads that differ only in some values are read by comparing octets, not line by line.

A template is a head that was read, cut at the values that differ. What fits it means exactly what a reading by lines would
find: its literal octets were read so before, and a value in between is looked at for octets that no value may have.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from typing import Generic, Protocol, TypeVar

from lbkit.dataplane.wire import fields


class Head(Protocol):
    """What a head was read as."""

    found: fields.Found
    head_length: int


Read = TypeVar("Read", bound=Head)
_FIRST_LINES, _EACH = 32, 8
"""How many first lines are remembered, and templates for each."""
_LONGEST, _LINES, _LONGEST_FIRST = 4096, 40, 256
"""Heads with more octets or lines, or with a longer first line, are not learned from."""
_AT_FIRST, _SELDOM = 64, 63
_THE_FIRST: fields.Kind = (b"", b"", True)


class Template(Generic[Read]):
    """Heads with one first line and the same names in the same order; the lines with numbers in `differing` may differ."""

    __slots__ = ("_first", "_rest", "_start", "_text", "differing", "lines", "meaning", "names")

    def __init__(self, sorter: fields.Sorter, lines: list[bytes], differing: frozenset[int], meaning: Read) -> None:
        self.lines, self.differing, self.meaning = lines, differing, meaning
        kinds = [_THE_FIRST, *map(sorter.kind, lines[1:])]
        self.names = [name for name, _, _ in kinds]
        """Of those lines that are watched."""
        literals, texts, values = [b""], [b""], []
        for number, (line, (name, _, removed)) in enumerate(zip(lines, kinds, strict=True)):
            literal = line[: line.index(b":") + 1] if number in differing else line + b"\r\n"
            literals[-1] += literal
            texts[-1] += b"" if removed else literal
            if number in differing:
                values.append((name, removed))
                literals.append(b"\r\n")
                texts.append(b"" if removed else b"\r\n")
        literals[-1] += b"\r\n"
        self._first, self._start, self._text = literals[0], len(literals[0]), texts[0]
        self._rest = [
            (literal, len(literal), text, *value)
            for literal, text, value in zip(literals[1:], texts[1:], values, strict=True)
        ]

    def read(self, data: bytes, reader: Templates[Read]) -> Read | None:
        """What the head at the start of `data` means, if it fits."""
        if not data.startswith(self._first):
            return None
        rest = self._rest
        if not rest:
            return self.meaning
        at, pieces, found = self._start, [self._text], {}
        for literal, length, text, name, removed in rest:
            end = data.find(b"\r\n", at)
            value = data[at:end]
            if not data.startswith(literal, end) or not value.decode("latin-1").isprintable():
                return None
            if name:
                found[name] = value.strip(b" ")
            if not removed:
                pieces.append(value)
            pieces.append(text)
            at = end + length
        return reader.filled(self.meaning, b"".join(pieces), found, at)


class Templates(Generic[Read]):
    """Those of one reader, learned from the heads that it had to read by lines."""

    def __init__(self, sorter: fields.Sorter, fixed: Collection[bytes]) -> None:
        """`fixed`: lower-case names whose values decide what else a head means, so they never differ."""
        self._sorter, self._fixed = sorter, fixed
        self._known: dict[bytes, list[Template[Read]]] = {}
        self._once: set[bytes] = set()
        """First lines that may have been seen no second time: there is nothing to learn from them yet."""
        self._last: Template[Read] | None = None
        self._missed = 0

    @abstractmethod
    def filled(self, like: Read, text: bytes, found: fields.Found, length: int) -> Read:
        """From what a similar head meant, the text to pass on, the watched values that differ and the length: what it means."""

    def fitting(self, data: bytes) -> Read | None:
        """What the head at the start of `data` means; None when it has to be read by lines, or is not whole."""
        last = self._last
        if last is not None and (found := last.read(data, self)) is not None:
            return found
        for template in self._known.get(data[: data.find(b"\r\n")], ()):
            if template is not last and (found := template.read(data, self)) is not None:
                self._last = template
                return found
        return None

    def learn(self, data: bytes, meaning: Read) -> None:
        """From the head at the start of `data`, which was read by lines. Where all heads are new, most are not learned from."""
        first = data[: data.find(b"\r\n")]
        known = self._known.get(first)
        if known is None and self._is_new(first):
            return
        self._missed += 1
        if self._missed > _AT_FIRST and self._missed & _SELDOM:
            return
        length = meaning.head_length
        if length > _LONGEST or meaning.found.get(b"connection", b"close") not in fields.USUAL:
            return
        lines = data[: length - 4].split(b"\r\n")
        if len(lines) <= _LINES:
            self._add(first, lines, meaning)

    def _is_new(self, first: bytes) -> bool:
        if first in self._once:
            return False
        if len(self._once) >= _FIRST_LINES:
            self._once.clear()
        if len(first) <= _LONGEST_FIRST:
            self._once.add(first)
        return True

    def _add(self, first: bytes, lines: list[bytes], meaning: Read) -> None:
        known = self._known.get(first)
        if known is None:
            if len(self._known) >= _FIRST_LINES:
                self._known.clear()
            known = self._known[first] = []
        differing: set[int] = set()
        for old in known:
            if (more := self._difference(old, lines)) is not None:
                known.remove(old)
                differing = more | old.differing
                break
        self._last = Template(self._sorter, lines, frozenset(differing), meaning)
        known.insert(0, self._last)
        del known[_EACH:]

    def _difference(self, template: Template[Read], lines: list[bytes]) -> set[int] | None:
        """Which lines differ, if in nothing but values that may."""
        theirs = template.lines
        if len(lines) != len(theirs):
            return None
        differing = {number for number, line in enumerate(lines) if line != theirs[number]}
        return differing if all(self._may_differ(template, number, lines[number]) for number in differing) else None

    def _may_differ(self, template: Template[Read], number: int, line: bytes) -> bool:
        spelled, colon, _ = template.lines[number].partition(b":")
        name = template.names[number]
        return (
            line.startswith(spelled + colon)
            and name not in self._fixed
            and (not name or template.names.count(name) == 1)
        )
