"""Bars with whiskers as SVG, by hand: the bench needs no plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#4878a8", "#8fb4d6", "#6a9a5b", "#aecfa2", "#c8553d", "#e3a08f", "#8d6cab", "#c9a227")
_LEFT, _WIDTH, _BAR, _GAP = 190, 560, 13, 14


@dataclass(slots=True)
class Bar:
    group: str
    series: str
    value: float
    lowest: float
    highest: float


def svg(title: str, unit: str, bars: Sequence[Bar], line: float | None = None) -> str:
    """Horizontal bars, grouped; `line` marks a value to compare with."""
    series = list(dict.fromkeys(bar.series for bar in bars))
    most = max([bar.highest for bar in bars] + [line or 0.0, 1e-9]) * 1.08
    parts, at, group = [], 62, ""
    for bar in bars:
        if bar.group != group:
            group, at = bar.group, at + _GAP
            parts.append(_text(_LEFT - 8, at + 10, group, "end", "font-weight='bold'"))
        parts += _bar(bar, at, _WIDTH / most, COLOURS[series.index(bar.series) % len(COLOURS)])
        at += _BAR + 2
    if line is not None:
        x = _LEFT + line * _WIDTH / most
        parts.append(f"<line x1='{x:.1f}' x2='{x:.1f}' y1='62' y2='{at + 4}' stroke='#444' stroke-dasharray='3 3'/>")
        parts.append(_text(x, at + 18, f"{line:g}", "middle"))
    legend = [
        f"<rect x='{20 + (i % 4) * 190}' y='{32 + i // 4 * 16}' width='10' height='10' fill='{COLOURS[i % len(COLOURS)]}'/>"
        + _text(34 + (i % 4) * 190, 41 + i // 4 * 16, name)
        for i, name in enumerate(series)
    ]
    height = at + 36
    head = _text(20, 20, f"{title} ({unit})", "start", "font-size='14'")
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_LEFT + _WIDTH + 90} {height}' font-family='sans-serif' font-size='11'>"
        f"<rect width='100%' height='100%' fill='#fff'/>{head}" + "".join([*legend, *parts]) + "</svg>\n"
    )


def _bar(bar: Bar, at: int, scale: float, colour: str) -> list[str]:
    end, low, high = (_LEFT + value * scale for value in (bar.value, bar.lowest, bar.highest))
    middle = at + _BAR / 2
    return [
        f"<rect x='{_LEFT}' y='{at}' width='{max(0.0, end - _LEFT):.1f}' height='{_BAR}' fill='{colour}'/>",
        f"<line x1='{low:.1f}' x2='{high:.1f}' y1='{middle}' y2='{middle}' stroke='#222'/>",
        _text(max(end, high) + 5, at + 10, f"{bar.value:.2f}"),
    ]


def _text(x: float, y: float, words: str, anchor: str = "start", more: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y}' text-anchor='{anchor}' {more}>{escape(words)}</text>"
