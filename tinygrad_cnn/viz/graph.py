"""`draw`: the recorded graph as a picture."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import graphviz

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.random import get_rng_state, set_rng_state

from . import dot, svg
from .theme import THEMES
from .tracing import trace
from .view import View

_RENDERED = (".svg", ".png", ".pdf")
FORMATS = (*_RENDERED, ".dot", ".gv", "")
_MOST_PIXELS = 25e6
_DPI = 96
_NO_DOT = (
    "the program `dot` of graphviz is not installed (or not on PATH). Install it by one of:\n"
    "    sudo apt-get install graphviz      (Debian, Ubuntu)\n"
    "    brew install graphviz              (macOS)\n"
    "    winget install graphviz            (Windows)\n"
    "    conda install -c conda-forge graphviz\n"
    "    pip install 'tinygrad_cnn[dot]'    (anywhere; SVG and PNG, no PDF)\n"
    'Without it, save("graph.svg") draws with a layout of this package, and save("graph.dot") '
    "gives text, which any graphviz viewer shows."
)


class Graph(graphviz.Digraph):
    """The drawing of a graph: a `graphviz.Digraph` that shows itself in notebooks and saves itself.

    Everything of `graphviz.Digraph` is there to change or add to the drawing.

    Attributes
    ----------
    source : str
        The drawing as DOT text.
    """

    _view: View | None = None

    @classmethod
    def of(cls, view: View) -> Graph:
        """Return the drawing of a view."""
        made = cls(**dot.attributes(THEMES[view.theme]), body=dot.statements(view))
        made._view = view
        return made

    def save(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        *,
        skip_existing: bool | None = False,
    ) -> str:
        """Write the drawing to a file, whole or not at all, in the format that its name says.

        Parameters
        ----------
        filename : path
            ``.svg``, ``.png`` and ``.pdf`` are rendered, see `pipe`; ``.dot``, ``.gv`` and names
            without a suffix get DOT text. PNG has 25 megapixels at most.
        directory, skip_existing
            As in `graphviz.Digraph.save`.

        Returns
        -------
        str
            The path.

        Raises
        ------
        ValueError
            If the name has another suffix.
        RuntimeError
            If a program is needed and none is installed.
        """
        path = Path(self.directory if directory is None else directory, filename or self.filename)
        suffix = path.suffix.lower()
        if suffix not in FORMATS:
            raise ValueError(
                f"save: cannot write {path.name!r}: the name must end in .svg, .png, .pdf or .dot"
            )
        if not (skip_existing and path.exists()):
            if suffix == ".png":
                content = self._png()
            else:
                content = self.pipe(suffix[1:]) if suffix in _RENDERED else self.source.encode()
            write(path, content)
        return str(path)

    def pipe(self, format: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Return the rendered drawing; see `graphviz.Digraph.pipe`.

        By the program ``dot``; without it, by graphviz-pure; without that, SVG by a layout of this
        package, without changes made to the drawing since.
        """
        try:
            return super().pipe(format, *args, **kwargs)
        except graphviz.ExecutableNotFound as error:
            encoding = kwargs.get("encoding")
            rendered = _render_without_dot(self.source, format or self.format)
            if rendered is None and format == "svg" and self._view is not None:
                rendered = svg.draw(self._view).encode()
            if rendered is None:
                error.args = (_NO_DOT,)
                raise
            return rendered if encoding is None else rendered.decode(encoding)

    def render(self, *args: Any, **kwargs: Any) -> Any:
        """Save the source and render it with ``dot``; see `graphviz.Digraph.render`."""
        try:
            return super().render(*args, **kwargs)
        except graphviz.ExecutableNotFound as error:
            error.args = (_NO_DOT,)
            raise

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> Any:
        """Return SVG for notebooks, and DOT text with a reason where it cannot be made."""
        try:
            return super()._repr_mimebundle_(include, exclude)
        except Exception as error:  # whatever it is, a notebook shows the text rather than fail
            reason = "".join(f"// {line}\n" for line in str(error).splitlines())
            return {"text/plain": reason + self.source}

    def _png(self) -> bytes:
        """Return PNG of no more than `_MOST_PIXELS`."""
        header = self.pipe("svg", encoding="utf-8")
        width, height = (
            float(n) for n in re.findall(r'<svg width="(.+?)pt" height="(.+?)pt"', header)[0]
        )
        pixels = width * height * (_DPI / 72) ** 2
        if pixels <= _MOST_PIXELS:
            return self.pipe("png")
        smaller = self.copy()
        smaller.graph_attr["dpi"] = str(int(_DPI * (_MOST_PIXELS / pixels) ** 0.5))
        warnings.warn(
            f"the drawing has {pixels / 1e6:,.0f} megapixels and is saved with "
            f"{_MOST_PIXELS / 1e6:.0f}: save as .svg, or show less: view(depth=1)",
            stacklevel=3,
        )
        return smaller.pipe("png")


def draw(
    tensors: Tensor | Sequence[Tensor] | Module,
    example: Any = None,
    *,
    model: Module | None = None,
    params: Mapping[str, Tensor] | None = None,
    legend: bool = True,
    **options: Any,
) -> Graph:
    """Draw the recorded graph that made `tensors`, from the data at the top to them at the bottom.

    Every operation is a box with its name and options, every arrow a tensor with its shape, every
    module that ran a frame around its operations. Parameters stand in the operation that takes
    them; other inputs that require grad, data that gets no gradient, and outputs differ in colour
    and outline. Tensors of one element show their value, and after backward their gradient. What
    `check` finds is marked. Drawing changes nothing.

    The graph keeps only what backward needs. So the result of an operation shows its value where
    `params` has it (or while a rule keeps it), and data shows its shape until backward frees it.

    Parameters
    ----------
    tensors : Tensor, sequence of Tensor or Module
        Such as the loss; or a model, to draw what it does with `example`.
    example : Tensor or tuple of Tensor, optional
        The input of a model.
    model : Module, optional
        Its parameters and buffers are shown with their names, such as ``features.0.weight``.
    params : mapping of str to Tensor, optional
        More names: for results of operations, for data, and for leaves. Where no model is given,
        these leaves count as parameters, as an `nn.Parameter` always does.
    legend : bool
        Say what the colours mean.
    **options
        As for `tinygrad_cnn.viz.selection.select`: ``depth``, ``fold_repeats``, ``color``,
        ``direction``, ``focus``, ``theme``. For its ``params``, use `trace`.

    Returns
    -------
    Graph
        A `graphviz.Digraph`. It shows itself in a notebook; ``save("net.svg")`` (or ``.png``,
        ``.pdf``, ``.dot``) writes it; ``source`` is the DOT text.

    Raises
    ------
    TypeError
        If something else than Tensors or a model is given.
    RuntimeError
        If there is no graph: the tensor does not require grad.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> a = tg.tensor(2.0, requires_grad=True)
    >>> b = tg.tensor(-3.0, requires_grad=True)
    >>> graph = tg.viz.draw(a * b, params={"a": a, "b": b}, legend=False)
    >>> print(graph.source)
    digraph {
    ...
        n0 [label="a = 2" ...]
        n1 [label="b = -3" ...]
        n2 [label="mul" ...]
        n3 [label="output = -6" ...]
        n0 -> n2
        n1 -> n2
        n2 -> n3 [weight=4]
    }
    """
    if isinstance(tensors, Module):
        model = tensors
        if example is None:
            raise TypeError("draw: a model needs an example of its input: draw(model, example)")
        made = _run(model, example if isinstance(example, tuple) else (example,))
    else:
        made = tensors
    return trace(made, model, params).view(legend=legend, **options).to_graphviz()


def _run(model: Module, example: tuple[Any, ...]) -> Any:
    """Return what the model makes of an example; buffers and random numbers stay as they are."""
    before = [(buffer, buffer.data.copy()) for buffer in model.buffers()]
    state = get_rng_state()
    try:
        return model(*example)
    finally:
        set_rng_state(state)
        for buffer, data in before:
            buffer.data[...] = data


def _render_without_dot(source: str, format: str) -> bytes | None:
    """Return what the pip package graphviz-pure makes of DOT text; None without it, or of PDF."""
    program = _graphviz_pure()
    if program is None or format not in ("svg", "png"):
        return None
    text = source.replace(dot.FONT, "Arial")  # a font that it knows
    done = subprocess.run([program, "-q", f"-T{format}"], input=text.encode(), capture_output=True)
    if done.returncode:
        raise RuntimeError(f"graphviz-pure failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _graphviz_pure() -> str | None:
    """Return where the program is: on PATH, or beside this Python's other programs."""
    scripts = sysconfig.get_path("scripts")
    return shutil.which("graphviz-pure") or shutil.which("graphviz-pure", path=scripts)


def write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
