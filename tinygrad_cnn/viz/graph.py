"""`draw`: the recorded graph as a picture."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import graphviz

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Module

from . import dot
from .snapshot import trace

_RENDERED = (".svg", ".png", ".pdf")
_TEXT = (".dot", ".gv", "")
_NO_DOT = (
    "the program `dot` of graphviz is not installed (or not on PATH). Install it by one of:\n"
    "    sudo apt-get install graphviz      (Debian, Ubuntu)\n"
    "    brew install graphviz              (macOS)\n"
    "    winget install graphviz            (Windows)\n"
    "    conda install -c conda-forge graphviz\n"
    'Without it, save("graph.dot") and .source give the graph as DOT text, which any graphviz '
    "viewer shows."
)


class Graph(graphviz.Digraph):
    """The drawing of a graph: a `graphviz.Digraph` that shows itself in notebooks and saves itself.

    Everything of `graphviz.Digraph` is there to change or add to the drawing.

    Attributes
    ----------
    source : str
        The drawing as DOT text.
    """

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
            ``.svg``, ``.png`` and ``.pdf`` are rendered by the program ``dot``; ``.dot``, ``.gv``
            and names without a suffix get DOT text, which needs no program.
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
            If ``dot`` is needed and not installed.
        """
        path = Path(self.directory if directory is None else directory, filename or self.filename)
        suffix = path.suffix.lower()
        if suffix not in _RENDERED + _TEXT:
            raise ValueError(
                f"save: cannot write {path.name!r}: the name must end in .svg, .png, .pdf or .dot"
            )
        if not (skip_existing and path.exists()):
            rendered = suffix in _RENDERED
            _write(path, self.pipe(suffix[1:]) if rendered else self.source.encode())
        return str(path)

    def pipe(self, *args: Any, **kwargs: Any) -> Any:
        """Return the rendered drawing; see `graphviz.Digraph.pipe`."""
        with _explained():
            return super().pipe(*args, **kwargs)

    def render(self, *args: Any, **kwargs: Any) -> Any:
        """Save the source and render it; see `graphviz.Digraph.render`."""
        with _explained():
            return super().render(*args, **kwargs)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> Any:
        """Return SVG for notebooks, and DOT text with a reason where it cannot be made."""
        try:
            return super()._repr_mimebundle_(include, exclude)
        except (graphviz.ExecutableNotFound, subprocess.CalledProcessError, OSError) as error:
            reason = "".join(f"// {line}\n" for line in str(error).splitlines())
            return {"text/plain": reason + self.source}


def draw(
    tensors: Tensor | Sequence[Tensor],
    *,
    model: Module | None = None,
    params: Mapping[str, Tensor] | None = None,
    legend: bool = True,
) -> Graph:
    """Draw the recorded graph that made `tensors`, from the data at the top to them at the bottom.

    Every operation is a box with its name and options, every arrow a tensor with its shape, every
    module that ran a frame around its operations. Parameters, other inputs that require grad,
    data that gets no gradient, and outputs differ in colour and outline. Tensors of one element
    show their value, and after backward their gradient. Drawing changes nothing.

    The graph keeps only what backward needs. So the result of an operation shows its value where
    `params` has it (or while a rule keeps it), and data shows its shape until backward frees it.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensor
        Such as the loss.
    model : Module, optional
        Its parameters and buffers are shown with their names, such as ``features.0.weight``.
    params : mapping of str to Tensor, optional
        More names: for results of operations, for data, and for leaves. Where no model is given,
        these leaves count as parameters, as an `nn.Parameter` always does.
    legend : bool
        Say what the colours mean.

    Returns
    -------
    Graph
        A `graphviz.Digraph`. It shows itself in a notebook; ``save("net.svg")`` (or ``.png``,
        ``.pdf``, ``.dot``) writes it; ``source`` is the DOT text.

    Raises
    ------
    TypeError
        If something else than Tensors is given.
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
    roots = _checked(tensors)
    names = dict(params or {})
    parameters = list(names.values()) if model is None else []
    if model is not None:
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            names.setdefault(name, tensor)
    return Graph(
        graph_attr=dot.GRAPH_STYLE,
        node_attr=dot.NODE_STYLE,
        edge_attr=dot.EDGE_STYLE,
        body=dot.statements(trace(roots, names, parameters), legend),
    )


def _checked(tensors: Any) -> list[Tensor]:
    roots = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    if not roots:
        raise RuntimeError("draw: no tensors given")
    for i, root in enumerate(roots):
        if not isinstance(root, Tensor):
            raise TypeError(
                f"draw: expected a Tensor or a sequence of Tensors, got {type(root).__name__}"
            )
        if not root.requires_grad:
            which = "the tensor" if len(roots) == 1 else f"tensor {i}"
            raise RuntimeError(
                f"draw: {which} has no recorded graph: it does not require grad, because nothing "
                "that made it does, or because it was made under no_grad() or detached"
            )
    return roots


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except graphviz.ExecutableNotFound as error:
        error.args = (_NO_DOT,)
        raise


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
