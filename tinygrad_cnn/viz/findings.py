"""What is wrong with a graph: where a NaN comes from, and why a parameter does not learn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Module

from .labels import sizes, within
from .snapshot import Snapshot, Vertex
from .tracing import trace

_TINY = 1e-7  # of a gradient's norm by its parameter's: no float32 step will change the value

FindingKind = Literal[
    "no gradients yet",
    "NaN",
    "infinity",
    "unreached",
    "detached",
    "no gradient",
    "NaN gradient",
    "zero gradient",
    "tiny gradient",
]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes
    ----------
    kind : str
        ``"no gradients yet"``: backward has not run. ``"NaN"``, ``"infinity"``: the first one in
        the order of the forward pass. Of a parameter: ``"unreached"``, no operation of its module
        is in the graph; ``"detached"``, its module's results were cut off the graph; ``"no
        gradient"``, backward went elsewhere; ``"NaN gradient"`` (or infinite); ``"zero gradient"``;
        ``"tiny gradient"``, below 1e-7 of the parameter's norm.
    where : str
        Name of the parameter, or the operation and its module.
    text : str
        What it is, and where the path breaks.
    vertex : int or None
        Number of the snapshot's vertex; None of a parameter that the graph does not lead to.
    trail : tuple of int
        Of a NaN or an infinity, the vertices behind it.
    """

    kind: FindingKind
    where: str
    text: str
    vertex: int | None = None
    trail: tuple[int, ...] = ()

    @property
    def short(self) -> str:
        """A few words for a box."""
        if self.kind in ("NaN", "infinity"):
            return f"the first {self.kind}"
        return f"{self.kind}: {self.where.rpartition('.')[2]}"


def check(loss: Tensor | Sequence[Tensor] | Snapshot, model: Module | None = None) -> list[Finding]:
    """Print what is wrong with a graph, its values and its gradients, and return it.

    Parameters
    ----------
    loss : Tensor, sequence of Tensor or Snapshot
    model : Module, optional
        Its parameters have names then, and those that the graph does not lead to are found.

    Returns
    -------
    list of Finding

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> class Net(tg.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.body, self.head, self.aux = (tg.nn.Linear(4, 4) for _ in range(3))
    ...     def forward(self, x):
    ...         return self.head(self.body(x).relu().detach())
    >>> net = Net()
    >>> loss = net(tg.ones(2, 4)).sum()
    >>> loss.backward()
    >>> _ = tg.viz.check(loss, net)
    body.weight, body.bias: detached: ... Without gradient comes: input of linear in head...
    aux.weight, aux.bias: unreached: no path leads from it to the loss: `aux` was never called
    """
    snapshot = loss if isinstance(loss, Snapshot) else trace(loss, model)
    said: dict[str, list[str]] = defaultdict(list)
    for finding in snapshot.findings:
        said[finding.text].append(finding.where)
    for text, where in said.items():
        more = f" and {len(where) - 4} more" if len(where) > 4 else ""
        print(f"{', '.join(where[:4])}{more}: {text}".removeprefix(": "))
    if not snapshot.findings:
        print("nothing is wrong")
    return list(snapshot.findings)


def why_no_grad(parameter: Tensor, loss: Tensor, model: Module | None = None) -> str:
    """Say why backward from `loss` leaves no gradient in `parameter`, and where the path is cut.

    Parameters
    ----------
    parameter, loss : Tensor
    model : Module, optional
        Which holds the parameter: then its module is known.

    Returns
    -------
    str
        One sentence or two.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> weight = tg.ones(3, requires_grad=True)
    >>> scale = tg.tensor(2.0, requires_grad=True)
    >>> loss = ((weight * 2).detach() * scale).sum()
    >>> print(tg.viz.why_no_grad(weight, loss))
    detached: no path leads from it to the loss. Without gradient comes: input of mul (3)...
    """
    name = "it"
    if model is not None:
        name = next((n for n, p in model.named_parameters() if p is parameter), name)
    if not parameter.requires_grad:
        return "its requires_grad is False: set it with requires_grad_()"
    if parameter.grad_fn is not None:
        return "it is no leaf: backward leaves its gradient only after retain_grad()"
    if not loss.requires_grad:
        return (
            "the loss has no graph: it was made under no_grad(), detached, or made by an operation "
            "without gradient, such as argmax or a comparison"
        )
    snapshot = trace(loss, model, {name: parameter})
    if not any(v.title == name and v.kind in ("parameter", "input") for v in snapshot.vertices):
        return _cut(snapshot, name)[1]
    found = [f for f in snapshot.findings if f.where in (name, "")]
    return found[0].text if found else "it has a gradient, and nothing is wrong with it"


def find(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield what is wrong, the most important first."""
    if not snapshot.has_gradients and any(v.kind == "parameter" for v in snapshot.vertices):
        yield Finding("no gradients yet", "", "gradients are not computed yet: call backward()")
    after: dict[int, list[int]] = defaultdict(list)
    for edge in snapshot.edges:
        after[edge.tail].append(edge.head)
    yield from _first_bad(snapshot, after)
    for vertex in snapshot.unreached:
        kind, text = _cut(snapshot, vertex.title)
        yield Finding(kind, vertex.title, text)
    if snapshot.has_gradients:
        bad = any(vertex.value and vertex.value.nan for vertex in snapshot.vertices)
        for number, vertex in enumerate(snapshot.vertices):
            if vertex.kind in ("parameter", "input"):
                yield from _gradient(snapshot, after, number, bad)


def _first_bad(snapshot: Snapshot, after: dict[int, list[int]]) -> Iterator[Finding]:
    """Yield the first NaN; without one, the first infinity that an output has from it.

    Infinities that do not reach an output, such as those of a mask, are what they are meant to be.
    """
    vertices = snapshot.vertices
    before: dict[int, list[int]] = defaultdict(list)
    for edge in snapshot.edges:
        before[edge.head].append(edge.tail)
    infinite = [i for i, v in enumerate(vertices) if v.value and v.value.inf]
    number = next((i for i, v in enumerate(vertices) if v.value and v.value.nan), None)
    what: FindingKind = "infinity" if number is None else "NaN"
    if number is None:
        outputs = [i for i in infinite if not after.get(i)]
        sources = _reached(before, outputs).union(outputs)
        number = next((i for i in infinite if i in sources), None)
    if number is None or (value := vertices[number].value) is None:
        return
    text = f"the first {what} in the forward pass"
    if value.size > 1:
        text += f", in {value.nan or value.inf:,} of {value.size:,} elements"
    sources = _reached(before, [number])
    if vertices[number].kind == "output":
        sources.difference_update(before[number])  # the same value
    cause = next((i for i in infinite if i in sources), None)
    if cause is not None:
        text += f"; {_place(snapshot, cause)} before it has infinities"
    unknown = sum(vertices[i].kind == "operation" and vertices[i].value is None for i in sources)
    if unknown:
        text += (
            f"; {unknown} results that it comes from are not known, and may have it: trace before "
            "backward, or use detect_anomaly()"
        )
    if vertices[number].site:
        text += f"; made at {vertices[number].site}"
    finite = {i for i, v in enumerate(vertices) if v.value and v.value.finite}
    for i in [i for i in finite if vertices[i].kind == "output"]:
        finite.update(before[i])  # the same value
    trail = tuple(sorted(_reached(after, [number], finite)))
    yield Finding(what, _place(snapshot, number), text, number, trail)


def _gradient(
    snapshot: Snapshot, after: dict[int, list[int]], number: int, bad: bool
) -> Iterator[Finding]:
    """Yield what is wrong with a leaf's gradient; `bad` says that the forward pass has NaNs."""
    vertex = snapshot.vertices[number]
    value, grad = vertex.value, vertex.grad
    name = vertex.title or _place(snapshot, number)
    kind: FindingKind
    if value is None or not value.size:
        return
    if grad is None:
        text = "no gradient: backward did not come here, or it was set to None since"
        yield Finding("no gradient", name, text, number)
        return
    if not grad.finite:
        what = "NaN" if grad.nan else "infinite"
        kind, text = "NaN gradient", f"some or all of it is {what}"
        if bad:
            yield Finding(kind, name, f"{kind}: the forward pass has NaNs already", number)
            return
    elif grad.zero:
        kind, text = "zero gradient", "all of it is zero"
    elif value.norm and grad.norm < _TINY * value.norm:
        text = (
            f"tiny gradient: its norm {grad.norm:.2g} is tiny beside the value's, {value.norm:.2g}"
        )
        yield Finding("tiny gradient", name, text, number)
        return
    else:
        return
    yield Finding(kind, name, f"{kind}: {text}{_lost(snapshot, after, number, kind)}", number)


def _lost(snapshot: Snapshot, after: dict[int, list[int]], number: int, kind: FindingKind) -> str:
    """Return where, on the way from the loss down to a leaf, its gradient was still in order."""
    vertices = snapshot.vertices
    behind = sorted(_reached(after, [number]))
    for v in behind:
        value = vertices[v].value
        if kind == "zero gradient" and value is not None and value.size > 1 and value.zero:
            return f"; {_place(snapshot, v)} gives only zeros"
    users = {edge.head: edge.tail for edge in snapshot.edges if _sound(vertices[edge.tail])}
    for v in behind:
        if v in users:
            leaf = vertices[users[v]].title
            return (
                f"; it is in order at {_place(snapshot, v)} ({leaf or 'its leaf'}), and lost before"
            )
    if kind == "zero gradient" and not any(vertex.kept for vertex in vertices):
        return "; after backward(retain_graph=True), results that are all zero can be named"
    return ""


def _sound(vertex: Vertex) -> bool:
    return (
        vertex.kind in ("parameter", "input")
        and vertex.grad is not None
        and vertex.grad.finite
        and not vertex.grad.zero
    )


def _cut(snapshot: Snapshot, name: str) -> tuple[FindingKind, str]:
    """Return why the graph does not lead to a parameter, and where its path may be cut.

    The graph holds nothing of what was cut off. But an input without gradient of an operation
    that comes later is a place where it may have been; where there is none, its module did not run.
    """
    owner = name.rpartition(".")[0]
    module = f"`{owner}`" if owner else "its module"
    if owner and any(within(frame.path, owner) for frame in snapshot.frames[1:]):
        return (
            "unreached",
            f"unreached: {module} ran, but the graph does not lead to this parameter",
        )
    cuts = list(dict.fromkeys(_open_inputs(snapshot, owner)))
    if not cuts:
        return (
            "unreached",
            f"unreached: no path leads from it to the loss: {module} was never called",
        )
    listed = "; ".join(cuts[:3]) + ("; ..." if len(cuts) > 3 else "")
    return "detached", (
        f"detached: no path leads from it to the loss. Without gradient comes: {listed}. There it "
        f"may be cut by detach(), no_grad(), numpy() or an operation without gradient; or {module} "
        "was never called"
    )


def _open_inputs(snapshot: Snapshot, owner: str) -> Iterator[str]:
    """Yield the inputs without gradient of the operations that may come after module `owner`."""
    order = {path: i for i, path in enumerate(snapshot.modules)}
    for edge in snapshot.edges:
        data, path = snapshot.vertices[edge.tail], _path(snapshot, edge.head)
        if data.kind != "data" or data.name or edge.argument in ("target", "mask"):
            continue  # a buffer, or what never carries a gradient
        if data.value is not None and data.value.size == 1:
            continue  # a number
        if path and order.get(path, 0) < order.get(owner, 0):
            continue  # of a module that is defined before
        words = f"{edge.argument or 'input'} of {_place(snapshot, edge.head)}"
        if data.shape:
            words += f" ({sizes(data.shape)})"
        if data.dtype is not None and data.dtype.kind != "f":
            words += f", {data.dtype}, which carries no gradient: from argmax, or a comparison"
        yield words


def _path(snapshot: Snapshot, number: int) -> str:
    return snapshot.frames[snapshot.vertices[number].frame].path


def _place(snapshot: Snapshot, number: int) -> str:
    vertex, path = snapshot.vertices[number], _path(snapshot, number)
    name = vertex.op or vertex.title or vertex.kind
    return f"{name} in {path}" if path and vertex.op else name


def _reached(
    after: dict[int, list[int]], start: Iterable[int], without: Collection[int] = ()
) -> set[int]:
    """Return what the edges lead to from `start`, not through `without`, and not `start` itself."""
    reached: set[int] = set()
    stack = list(start)
    while stack:
        for head in after.get(stack.pop(), ()):
            if head not in reached and head not in without:
                reached.add(head)
                stack.append(head)
    return reached
