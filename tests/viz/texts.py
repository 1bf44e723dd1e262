"""What a drawing in SVG says, and where."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import NamedTuple

from tinygrad_cnn.viz.labels import text_width

NAMESPACE = "{http://www.w3.org/2000/svg}"


class Text(NamedTuple):
    """A text, and about the rectangle that its letters fill."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


def texts(root: ElementTree.Element) -> list[Text]:
    """Return the texts of a drawing by the built-in layout."""
    found = []
    for element in root.iter(f"{NAMESPACE}text"):
        text, size = element.text or "", float(element.attrib["font-size"])
        wide = text_width(text, size)
        before = {"start": 0.0, "middle": wide / 2, "end": wide}[element.attrib["text-anchor"]]
        left, y = float(element.attrib["x"]) - before, float(element.attrib["y"])
        found.append(Text(text, left, y - 0.7 * size, left + wide, y))
    return found
