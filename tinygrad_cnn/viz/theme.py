"""The colours of a drawing: one table for each theme, for DOT, SVG and Mermaid alike.

Fills and outlines of boxes are tints and shades of Okabe and Ito's palette, which colour-blind
people can tell apart. All text has a contrast of 4.5:1 at least to what is behind it, all outlines
and arrows 3:1 (the Web Content Accessibility Guidelines' level AA).
"""

from __future__ import annotations

from dataclasses import dataclass

from .snapshot import Kind


@dataclass(frozen=True)
class Theme:
    """Colours as six hexadecimal digits.

    Attributes
    ----------
    paper, ink : str
        Behind everything, and of the text in boxes.
    faint : str
        Of other text: shapes on arrows, labels of frames, notes.
    line, frame : str
        Of arrows, and around modules.
    kinds : dict
        Fill and outline of each kind of box.
    red, green, amber : str
        Of marks: what is wrong or removed, what is added, what differs.
    shades : tuple of (str, str)
        Of amounts, from little to much: fills of one hue whose lightness goes one way, so that
        they stay in order for everybody and in print; and the ink on each.
    """

    paper: str
    ink: str
    faint: str
    line: str
    frame: str
    kinds: dict[Kind, tuple[str, str]]
    red: str
    green: str
    amber: str
    shades: tuple[tuple[str, str], ...]


THEMES = {
    "light": Theme(
        paper="#ffffff",
        ink="#000000",
        faint="#505050",
        line="#666666",
        frame="#909090",
        kinds={
            "operation": ("#dcebf7", "#0072b2"),
            "parameter": ("#fbe3b5", "#a86400"),
            "input": ("#c9ecdc", "#00734f"),
            "data": ("#f4f4f4", "#666666"),
            "output": ("#f6dcea", "#a8477f"),
            "module": ("#e6ebf0", "#44546a"),
        },
        red="#c8102e",
        green="#00734f",
        amber="#a86400",
        shades=(
            ("#deebf7", "#000000"),
            ("#c6dbef", "#000000"),
            ("#9ecae1", "#000000"),
            ("#6baed6", "#000000"),
            ("#3182bd", "#000000"),
            ("#08519c", "#ffffff"),
        ),
    ),
    "dark": Theme(
        paper="#14181d",
        ink="#f2f4f6",
        faint="#b4bcc4",
        line="#98a1aa",
        frame="#68727d",
        kinds={
            "operation": ("#123450", "#56b4e9"),
            "parameter": ("#4b3507", "#e69f00"),
            "input": ("#0b4232", "#2fbf93"),
            "data": ("#2a2f36", "#a3abb4"),
            "output": ("#4d2440", "#de8fbd"),
            "module": ("#2f3a48", "#9db1c9"),
        },
        red="#ff6b6b",
        green="#2fbf93",
        amber="#e69f00",
        shades=(
            ("#12304a", "#f2f4f6"),
            ("#174a75", "#f2f4f6"),
            ("#1f679f", "#f2f4f6"),
            ("#4a95cf", "#000000"),
            ("#86bde6", "#000000"),
            ("#d3e8f8", "#000000"),
        ),
    ),
}
