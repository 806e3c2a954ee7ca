"""Lists of status codes as the spec writes them: `200`, `200-299,401`."""

from __future__ import annotations

from functools import lru_cache


def among(status: int, codes: str) -> bool:
    """Whether the status is one of the codes."""
    return any(low <= status <= high for low, high in _ranges(codes))


@lru_cache(256)
def _ranges(codes: str) -> tuple[tuple[int, int], ...]:
    parts = [part.partition("-") for part in codes.split(",")]
    return tuple((int(low), int(high or low)) for low, _, high in parts)
