"""From a traced model to an ONNX file."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import enable_grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.serialization.files import write_whole

from .builder import Builder, Dim, Value
from .trace import Call, Ref, Trace, watch

OLDEST_OPSET = 18
"""In which reductions take their axes as an input; what the translations use is in all later ones."""

_HINT = "; pass dynamic_batch=False to export for the example's batch size only"


def export(
    model: Module,
    args: Tensor | Sequence[Tensor],
    f: str | os.PathLike[str],
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int = OLDEST_OPSET,
    dynamic_batch: bool = True,
) -> None:
    """Write a model to an ONNX file, for the programs that run, inspect or convert such files.

    The model runs in evaluation mode, on `args` and on a changed and larger copy; the file holds the
    operations that it called, each in its own translation (see `tinygrad_cnn.onnx`). So a Python
    ``if`` or ``for`` is followed as these runs followed it. Parameters and buffers keep their names
    of ``state_dict()``; what is computed from them alone is computed now. The file is checked by
    ``onnx.checker`` and written whole or not at all.

    Parameters
    ----------
    model : Module
    args : Tensor, or tuple of Tensor
        An example of what the model is called with.
    f : path
    input_names, output_names : sequence of str, optional
        Where not given: the parameters' names of the model's ``forward``; and ``output`` or
        ``output_0``, ``output_1``, ..., or the keys of the dictionary that the model returns.
    opset_version : int
        At least 18.
    dynamic_batch : bool
        Let the first dimension of the inputs have any size, not only the example's. Inputs with
        another first size than the first input's keep it.

    Raises
    ------
    ImportError
        If the package onnx is missing.
    NotImplementedError
        If the model calls an operation that has no translation.
    RuntimeError
        If the model does other things for other values or for another batch size; the message
        names the module and the operation.
    TypeError, ValueError
        If an argument has no meaning.

    Examples
    --------
    >>> import tempfile
    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Sequential(tg.nn.Conv2d(1, 4, 3), tg.nn.ReLU(), tg.nn.Flatten())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tg.onnx.export(model, tg.zeros(1, 1, 8, 8), f"{folder}/model.onnx")
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("onnx.export needs onnx: pip install 'tinygrad_cnn[onnx]'") from error

    inputs = [args] if isinstance(args, Tensor) else list(args)
    if not isinstance(model, Module):
        raise TypeError(f"onnx.export: model must be a Module, got {type(model).__name__}")
    if not inputs or not all(isinstance(x, Tensor) for x in inputs):
        raise TypeError("onnx.export: args must be a Tensor or a tuple of Tensors")
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset_version <= newest:
        raise ValueError(
            f"onnx.export: opset_version must be {OLDEST_OPSET} to {newest}, got {opset_version}"
        )
    dynamic = dynamic_batch and inputs[0].ndim > 0
    state = dict([*model.named_parameters(), *model.named_buffers()])
    traces = _Traces(model, [x.data for x in inputs], state, dynamic)
    names = _checked("input_names", input_names, len(inputs)) or _argument_names(model, len(inputs))
    outs = list(traces.outs)
    out_names = _checked("output_names", output_names, len(outs)) or outs
    if twice := set(names).intersection(out_names):
        raise ValueError(f"onnx.export: {sorted(twice)} name an input and an output; give others")
    graph = _graph(traces, names, out_names, state)
    made = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid("", opset_version)],
        producer_name="tinygrad_cnn",
        producer_version=_version(),
    )
    made.ir_version = onnx.helper.find_min_ir_version_for(made.opset_import)
    data = made.SerializeToString()
    onnx.checker.check_model(data, full_check=True)
    write_whole(f, data)


def _version() -> str:
    from tinygrad_cnn import __version__

    return __version__


def _checked(argument: str, names: Sequence[str] | None, count: int) -> list[str] | None:
    if names is not None and (len(names) != count or len(set(names)) < count):
        raise ValueError(
            f"onnx.export: {argument} must be {count} different names, got {list(names)}"
        )
    return None if names is None else list(names)


def _argument_names(model: Module, count: int) -> list[str]:
    names: list[str] = []
    for parameter in inspect.signature(model.forward).parameters.values():
        several = parameter.kind is parameter.VAR_POSITIONAL
        names += [f"{parameter.name}_{i}" for i in range(count)] if several else [parameter.name]
    return names[:count]


# -- two runs ----------------------------------------------------------------------------------


class _Traces:
    """A model's run on the example and on a changed one, and what is the same in both.

    What differs depends on the input in a way that the operations do not show; except for sizes
    that grow with the batch.
    """

    def __init__(
        self, model: Module, examples: list[np.ndarray], state: dict[str, Tensor], dynamic: bool
    ) -> None:
        batch = examples[0].shape[0] if dynamic else 0
        changed = [_changed(x, dynamic and x.ndim > 0 and len(x) == batch) for x in examples]
        self.batches = (batch, 2 * batch)
        self.hint = _HINT if dynamic else ""
        self.first, outs = _run(model, examples, state)
        try:
            self.second, others = _run(model, changed, state)
        except Exception as error:
            shapes = ", ".join(str(x.shape) for x in changed)
            raise RuntimeError(
                f"onnx.export: the model runs on the example, but not on {shapes}: {error}{self.hint}"
            ) from error
        self.outs = {name: self.first.ref(out._data) for name, out in outs}
        refs = [self.second.ref(out._data) for _, out in others]
        for name, *pair in zip(self.outs, self.outs.values(), refs, strict=False):
            if not all(isinstance(ref, Ref) for ref in pair):
                raise RuntimeError(f"onnx.export: {name} was not made by operations of this package")
        self.calls = self.first.needed(self.outs.values())
        self.again = self.second.needed(refs)
        for one, other in zip(self.calls, self.again, strict=False):
            if one.op is not other.op:
                raise RuntimeError(self.about(one, f"is {other.op.name} in another run of the model"))
        if len(self.calls) != len(self.again) or [*self.outs.values()] != refs:
            raise RuntimeError(
                "onnx.export: the model runs other operations on other values or another batch size"
                + self.hint
            )

    def about(self, call: Call, what: str) -> str:
        """Return a message about one call."""
        where = f" in {call.scope}" if call.scope else ""
        return f"onnx.export: {call.op.name}{where}: {what}"

    def merged(self, a: Any, b: Any) -> Any:
        """Return what stands for a value in both runs.

        Raises
        ------
        ValueError
            If there is no such thing.
        """
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            same = a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        elif isinstance(a, (tuple, list)) and type(a) is type(b) and len(a) == len(b):
            parts = [self.merged(x, y) for x, y in zip(a, b, strict=True)]
            growing = any(isinstance(part, Dim) for part in parts)
            return parts if growing or isinstance(a, list) else a
        else:
            same = type(a) is type(b) and (a == b or a != a)
        if same:
            return a
        n, m = self.batches
        if type(a) is type(b) is int and n and not a % n and a * m == b * n:
            return Dim(a, a // n)
        raise ValueError

    def shape(self, one: Ref, other: Ref) -> tuple[int, ...]:
        """Return the shape of a known array."""
        shapes = self.first.arrays[one].shape, self.second.arrays[other].shape
        return tuple(self.merged(list(shapes[0]), list(shapes[1])))


def _changed(example: np.ndarray, dynamic: bool) -> np.ndarray:
    """Return another example: of other values, and twice as many of them."""
    changed = np.flip(np.concatenate([example, example]) if dynamic else example)
    if changed.dtype.kind != "f":
        return changed
    half, quarter = changed.dtype.type(0.5), changed.dtype.type(0.25)
    return changed * half + quarter  # of zeros, too, and in the range that pixels have


def _run(
    model: Module, examples: list[np.ndarray], state: dict[str, Tensor]
) -> tuple[Trace, list[tuple[str, Tensor]]]:
    # recorded for backward, too: then in-place changes of parts of a tensor are operations
    inputs = [Tensor(x.copy(), requires_grad=x.dtype.kind == "f") for x in examples]
    trace = Trace([*(x._data for x in inputs), *(x._data for x in state.values())])
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with enable_grad(), watch(trace):
            returned = model(*inputs)
    finally:
        for module, mode in training.items():
            module.training = mode
    outs = list(_outputs(returned))
    if not outs:
        raise TypeError("onnx.export: the model returns no Tensor")
    return trace, outs


def _outputs(returned: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the Tensors that a model returned, and their names."""
    if isinstance(returned, Tensor):
        yield path or "output", returned
    elif isinstance(returned, Mapping):
        for key, value in returned.items():
            yield from _outputs(value, f"{path}_{key}" if path else str(key))
    elif isinstance(returned, (tuple, list)):
        for i, value in enumerate(returned):
            yield from _outputs(value, f"{path or 'output'}_{i}")


# -- the graph ---------------------------------------------------------------------------------


def _graph(
    traces: _Traces, names: list[str], out_names: list[str], state: dict[str, Tensor]
) -> Any:
    """Return the ONNX graph of what was traced."""
    from onnx import helper, numpy_helper

    first, second = traces.first, traces.second
    refs = [Ref(i) for i in range(len(names))]
    values = {
        ref: Value(name, traces.shape(ref, ref), first.arrays[ref].dtype)
        for ref, name in zip(refs, names, strict=True)
    }
    onnx = Builder(values[refs[0]])
    for name in [*names[1:], *out_names]:
        onnx.name(name)
    constants = {Ref(len(names) + i): name for i, name in enumerate(state)}

    def value(ref: Ref) -> Value:
        if ref not in values:
            if ref not in constants:
                raise NotImplementedError("takes an output that its operation's translation leaves out")
            values[ref] = onnx.value(first.arrays[ref], constants[ref])
        return values[ref]

    for call, again in zip(traces.calls, traces.again, strict=True):
        arrays = zip(call.outs, again.outs, strict=True)
        if constants.keys() >= set(call.refs()) and all(
            np.array_equal(first.arrays[a], second.arrays[b], equal_nan=True) for a, b in arrays
        ):
            label = f"{call.scope}.{call.op.name}" if call.scope else call.op.name
            constants.update((out, label) for out in call.outs)
            continue
        results = _translated(onnx, traces, call, again, value)
        for ref, result in zip(call.outs, results, strict=False):
            if result is not None:
                values[ref] = result

    produced = {name for node in onnx.nodes for name in node.output}
    final: dict[str, str] = {}
    outs = []
    for name, ref in zip(out_names, traces.outs.values(), strict=True):
        source = value(ref)
        if source.name in produced and source.name not in final:  # by a node: its output's name
            final[source.name] = name
        else:
            onnx.nodes.append(helper.make_node("Identity", [source.name], [name], name=name))
        outs.append(Value(name, source.shape, source.dtype))
    for node in onnx.nodes:
        for ends in (node.input, node.output):
            ends[:] = [final.get(end, end) for end in ends]
    return helper.make_graph(
        onnx.nodes,
        "tinygrad_cnn",
        [_info(values[ref]) for ref in refs],
        [_info(out) for out in outs],
        [numpy_helper.from_array(array, name) for name, array in onnx.initializers.items()],
    )


def _info(value: Value) -> Any:
    from onnx import helper

    shape = [
        ("batch" if n.factor == 1 else f"{n.factor}*batch") if isinstance(n, Dim) else n
        for n in value.shape
    ]
    return helper.make_tensor_value_info(
        value.name, helper.np_dtype_to_tensor_dtype(value.dtype), shape
    )


def _translated(
    onnx: Builder, traces: _Traces, call: Call, again: Call, value: Callable[[Ref], Value]
) -> tuple[Value | None, ...]:
    """Add the nodes of one call, and return the values of its outputs."""
    op = call.op

    def tensor(a: Any, b: Any) -> Any:
        if isinstance(a, Ref) and isinstance(b, Ref) and a == b:
            known = value(a)
            return Value(known.name, traces.shape(a, b), known.dtype)
        merged = traces.merged(a, b)
        return onnx.value(merged) if isinstance(merged, np.ndarray) else merged

    if op.translation is None:
        what = f"has no ONNX translation; declare one by @{op.name}.onnx (see tinygrad_cnn.onnx)"
        raise NotImplementedError(traces.about(call, what))
    arguments: dict[str, Any] = {}
    try:
        outs = [
            Value("", traces.shape(a, b), traces.first.arrays[a].dtype)
            for a, b in zip(call.outs, again.outs, strict=True)
        ]
        for i, (name, a, b) in enumerate(zip(op.parameters, call.values, again.values, strict=True)):
            if i not in op.inputs:
                arguments[name] = traces.merged(a, b)
            elif isinstance(a, list):
                arguments[name] = [tensor(*each) for each in zip(a, b, strict=True)]
            else:
                arguments[name] = tensor(a, b)
    except ValueError:
        what = (
            "what it is given depends on the model's input in another way than through operations "
            "of this package (on its values, or on the batch size), or is drawn at random"
        )
        raise RuntimeError(traces.about(call, what + traces.hint)) from None
    inputs = [arguments[op.parameters[i]] for i in op.inputs]
    onnx.scope = call.scope
    onnx.dtype = next(
        (
            x.dtype
            for i, x in zip(op.inputs, inputs, strict=True)
            if isinstance(x, Value) and op.parameters[i] not in op.constant
        ),
        outs[0].dtype,
    )
    arguments["out"] = outs[0]
    try:
        if isinstance(op.translation, str):
            result = onnx.node(op.translation, *inputs)
        else:
            wanted = list(inspect.signature(op.translation).parameters)[1:]
            if unknown := set(wanted) - arguments.keys():
                raise RuntimeError(f"its translation asks for {sorted(unknown)}")
            result = op.translation(onnx, *[arguments[name] for name in wanted])
    except RuntimeError as error:
        raise type(error)(traces.about(call, str(error))) from error
    results = result if isinstance(result, tuple) else (result,)
    return tuple(
        result and Value(result.name, out.shape, out.dtype)
        for result, out in zip(results, outs, strict=False)
    )
