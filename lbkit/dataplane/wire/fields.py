"""Header fields: one strict reading, shared by requests, answers and trailers (RFC 9110 section 5, RFC 9112 section 5).

Refused: obs-fold, a blank before the colon, bare CR or LF, NUL and other control characters, empty names.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from itertools import islice

from lbkit.dataplane.wire.errors import BadMessage

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
FIELDS = rb"(?:" + TOKEN + rb":" + VALUE + rb"\r\n)*+"
_FIELD = re.compile(rb"(" + TOKEN + rb"):(" + VALUE + rb")")

HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)  # RFC 9110 section 7.6.1

Found = dict[bytes, bytes]
"""Values by lower-case name. Several lines of one name are joined by commas (RFC 9110 section 5.3), so that a field
which may appear once only fails its own grammar when it appears twice."""


Kind = tuple[bytes, bytes, bool]
"""Name and value of a watched line, both empty for others, and whether it is removed."""
_PASSED_ON: Kind = (b"", b"", False)
_KNOWN_LINES, _KNOWN_LENGTH = 1024, 256


class Malformed(ValueError):
    """A line that is no field."""


class Sorter:
    """Checks field lines, and sorts them by what is to be done with them. Most were seen before, and are not read again."""

    def __init__(
        self,
        watched: Collection[bytes],
        removed: Collection[bytes],
        framing: Collection[bytes] = (),
        family: bytes = b"",
    ) -> None:
        """All are lower-case names; `removed` fields and those that begin with `family` are watched and not passed on.

        CGI and WSGI read `_` in a name as `-`. So such a double of a removed field is removed with it, and one of a
        `framing` field is refused.
        """
        self._watched, self._removed, self._framing = watched, removed, framing
        self._family = family or b":"  # which no name has
        self._known: dict[bytes, Kind] = {}
        self._names: dict[bytes, tuple[bytes, bool, bool]] = {}

    def sort(self, head: list[bytes]) -> tuple[bytes, Found]:
        """The lines to pass on, as text, and the watched values without the blanks around them. The first line is not looked at.

        Removed fields are not passed on, nor those that Connection nominates. Raises Malformed, and BadMessage.
        """
        lines: list[bytes] = []
        found: Found = {}
        known = self._known
        for line in islice(head, 1, None):
            kind = known.get(line)
            if kind is None:
                kind = self._look(line)
            if kind is _PASSED_ON:
                lines.append(line)
                continue
            name, value, removed = kind
            found[name] = found[name] + b"," + value if name in found else value
            if not removed:
                lines.append(line)
        if b"connection" in found and found[b"connection"] not in USUAL:
            nominated = tokens(found[b"connection"])
            lines = _without_nominated(lines, nominated)
            for name in nominated:
                if name not in self._removed:
                    found.pop(name, None)
        lines.append(b"")
        return b"\r\n".join(lines), found

    def kind(self, line: bytes) -> Kind:
        """What is to be done with it. Raises Malformed, and BadMessage."""
        return self._known.get(line) or self._look(line)

    def _look(self, line: bytes) -> Kind:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise Malformed
        spelled, value = match.groups()
        name, watched, removed = self._names.get(spelled) or self._look_at_name(spelled)
        kind = (name, value.strip(b" \t"), removed) if watched else _PASSED_ON
        if len(line) <= _KNOWN_LENGTH:
            if len(self._known) >= _KNOWN_LINES:
                self._known.clear()
            self._known[line] = kind
        return kind

    def _look_at_name(self, spelled: bytes) -> tuple[bytes, bool, bool]:
        """In lower case, whether it is watched, and whether it is removed."""
        name = spelled.lower()
        plain = name.replace(b"_", b"-")
        if plain != name and plain in self._framing:
            raise BadMessage(400, f"{name.decode()} may be read as {plain.decode()}.")
        removed = plain in self._removed or plain.startswith(self._family)
        found = name, removed or name in self._watched, removed
        if len(name) <= _KNOWN_LENGTH and len(self._names) < _KNOWN_LINES:
            self._names[spelled] = found
        return found


USUAL = frozenset((b"keep-alive", b"close", b"Keep-Alive", b"Close"))


def _without_nominated(lines: list[bytes], nominated: list[bytes]) -> list[bytes]:
    names = {name + b":" for name in nominated}
    return [line for line in lines if line[: line.index(b":") + 1].lower() not in names]


def value(text: bytes, name: bytes) -> bytes | None:
    """The first value of this lower-case name in a text of lines."""
    found = _line_of(name).search(text)
    return found[1].strip(b" \t") if found else None


@lru_cache(256)
def _line_of(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"^" + re.escape(name) + rb":([^\r]*)", re.IGNORECASE | re.MULTILINE)


def valid(line: bytes) -> bool:
    """Whether a line without its CRLF is a field."""
    return _FIELD.fullmatch(line) is not None


def tokens(value: bytes) -> list[bytes]:
    """The members of a comma list in lower case; empty ones are skipped."""
    return [part for raw in value.split(b",") if (part := raw.strip(b" \t").lower())]
