"""Training with several processes, after ``torch.nn.parallel``."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn import distributed
from tinygrad_cnn.autograd._transform import rebuild, tensors_of
from tinygrad_cnn.core.modes import grad_mode
from tinygrad_cnn.core.tensor import Tensor, changed_in_place

from .hooks import BackwardHook, Gradients
from .module import Module
from .parameter import Parameter

_OUTSIDE = (
    "DistributedDataParallel: gradients came to parameters otherwise than by one backward from its "
    "outputs, so they cannot be averaged; call it, not its module, and backward() on the sum of all"
)


class DistributedDataParallel(Module):
    """A module whose gradients are averaged over all processes, each with its part of the batch.

    When it is made, all processes get the parameters and buffers of process 0. In backward,
    gradients are sent in buckets, in the reverse order of the parameters, each as soon as it is
    full, while backward goes on; when backward ends, every process has the same gradients, and so
    takes the same step.

    Every process must run it the same number of times. To evaluate in one of them, call `module`.

    Parameters
    ----------
    module : Module
        The same in all processes. Parameters that do not require grad now are left alone.
    broadcast_buffers : bool
        Give all processes the buffers of process 0, such as batch norm's running statistics, before
        each forward (but not after one that recorded no gradients or was under `no_sync`).
    init_sync : bool
        Whether to copy and check anything when it is made.
    bucket_cap_mb : float, optional
        A bucket is full with this many MiB; 25 where not given.
    find_unused_parameters : bool
        Accept that in some processes no gradient comes to a parameter, which counts as 0; if in
        none, its ``grad`` stays as it is. Without it, that is an error in all processes when
        backward ends.
    device_ids, output_device, dim, check_reduction, gradient_as_bucket_view, static_graph : Any
        Accepted as in PyTorch; they change nothing.

    Attributes
    ----------
    module : Module
        The module itself; in `state_dict`, its names begin with ``module.``.

    Raises
    ------
    ValueError
        If there is no process group.
    RuntimeError
        If no parameter requires grad, or the processes have different modules.

    Notes
    -----
    The average over the processes is the gradient of the mean over the whole batch if their parts
    are equally large, as `DistributedSampler` makes them. After Li et al., "PyTorch distributed:
    experiences on accelerating data parallel training" (2020).
    """

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool = True,
        init_sync: bool = True,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
    ) -> None:
        super().__init__()
        self.module = module
        self.broadcast_buffers = broadcast_buffers
        self.find_unused_parameters = find_unused_parameters
        self.require_backward_grad_sync = True
        self._buffers_differ = True
        self._count = distributed.get_world_size()
        learnt = [item for item in module.named_parameters() if item[1].requires_grad]
        if not learnt:
            raise RuntimeError("DistributedDataParallel: no parameter of the module requires grad")
        if init_sync:
            _check_same(module)
            _copy_from_first([*module.parameters(), *module.buffers()])
        self._buckets = _fill_buckets(learnt[::-1], 25 if bucket_cap_mb is None else bucket_cap_mb)
        self._sent = 0  # how many of them are
        self._syncing = False  # whether the last forward was to be averaged
        for bucket in self._buckets:
            for i, parameter in enumerate(bucket.parameters):
                parameter.register_post_accumulate_grad_hook(partial(self._arrived, bucket, i))
        # Backward goes from young nodes to old ones. So a node that is older than any of the
        # module's, and that all its outputs lead to, is where backward comes when they are done.
        self._end = Tensor(0.0, requires_grad=True).clone()
        self._end.register_hook(self._ended)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Let each process sum up its own gradients.

        The first backward whose forward is outside averages the sums.

        Examples
        --------
        >>> def accumulate(ddp, batches, criterion):
        ...     *first, (images, labels) = batches
        ...     with ddp.no_sync():
        ...         for x, y in first:
        ...             criterion(ddp(x), y).backward()
        ...     criterion(ddp(images), labels).backward()
        """
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module.

        Raises
        ------
        RuntimeError
            If gradients came to parameters since, but not by a backward from what it returned.
        """
        sync = grad_mode.get() and self.require_backward_grad_sync
        if grad_mode.get():
            self._syncing = sync
            if any(bucket.filled for bucket in self._buckets):
                raise RuntimeError(_OUTSIDE)
        if self.broadcast_buffers and self._buffers_differ:
            _copy_from_first(list(self.module.buffers()))
        self._buffers_differ = sync
        result = self.module(*args, **kwargs)
        outputs = tensors_of(result)
        if not sync or not any(output.requires_grad for output in outputs):
            return result
        return rebuild(result, BackwardHook.apply(_lead_on, self._end, *outputs)[1:])

    def _arrived(self, bucket: _Bucket, i: int, parameter: Parameter) -> None:
        """Take a parameter's gradient, which is whole; send the bucket if it was the last one."""
        if self._syncing:
            if i in bucket.filled:
                raise RuntimeError(_OUTSIDE)
            bucket.put(i)
            self._send()

    def _send(self) -> None:
        """Send the buckets that are full, in the same order in all processes."""
        for bucket in self._buckets[self._sent :]:
            if len(bucket.filled) < len(bucket.parameters):
                break
            bucket.work = distributed.all_reduce(bucket.flat, async_op=True)
            self._sent += 1
        if self._sent:  # the occasion for MPI to go on with all that are under way
            self._buckets[self._sent - 1].work.is_completed()

    def _ended(self, _: Tensor) -> None:
        """Put in and send what backward did not come to, and take the averages."""
        for bucket in self._buckets:
            for i in range(len(bucket.parameters)):
                if i not in bucket.filled:
                    bucket.put(i)
        self._send()
        self._sent = 0
        partly = [name for bucket in self._buckets for name in bucket.take(self._count)]
        if partly and not self.find_unused_parameters:
            raise RuntimeError(
                "DistributedDataParallel: in some process or all, backward brought no gradient to "
                f"{', '.join(partly)}; if that is meant, give find_unused_parameters=True"
            )


class _Bucket:
    """Parameters whose gradients travel together.

    Attributes
    ----------
    flat : Tensor
        The gradients one after the other; then for each, whether there is one.
    filled : set of int
        The numbers of the parameters whose gradients are in it.
    """

    work: Any = None

    def __init__(self, named: Sequence[tuple[str, Parameter]]) -> None:
        self.names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        ends = list(itertools.accumulate(parameter.numel() for parameter in self.parameters))
        dtype = np.result_type(self.parameters[0].dtype, np.float32)  # sums of float16 overflow
        self.flat = Tensor(np.zeros(ends[-1] + len(named), dtype))
        *gradients, self.present = np.split(self.flat.data, ends)
        self.gradients = [
            gradient.reshape(parameter.shape)
            for gradient, parameter in zip(gradients, self.parameters, strict=True)
        ]
        self.filled: set[int] = set()

    def put(self, i: int) -> None:
        """Put in a parameter's gradient, or 0 where it has none."""
        gradient = self.parameters[i].grad
        self.gradients[i][...] = 0 if gradient is None else gradient.data
        self.present[i] = gradient is not None
        self.filled.add(i)

    def take(self, count: int) -> list[str]:
        """Set the parameters' gradients to the averages; return which are not of all processes."""
        self.work.wait()
        for parameter, gradient, present in zip(
            self.parameters, self.gradients, self.present, strict=True
        ):
            if present:
                parameter.grad = Tensor((gradient / count).astype(parameter.dtype, copy=False))
        partly = [n for n, present in zip(self.names, self.present, strict=True) if present < count]
        self.filled.clear()
        return partly


def _fill_buckets(named: Sequence[tuple[str, Parameter]], cap_mb: float) -> list[_Bucket]:
    buckets = []
    group: list[tuple[str, Parameter]] = []
    size = 0
    for name, parameter in named:
        if group and (size >= cap_mb * 2**20 or parameter.dtype != group[0][1].dtype):
            buckets.append(_Bucket(group))
            group, size = [], 0
        group.append((name, parameter))
        size += parameter.data.nbytes
    return [*buckets, _Bucket(group)]


def _lead_on(gradients: Gradients) -> Gradients:
    """Let backward come to the first input, beside what it comes to anyway."""
    return Tensor(0.0), *gradients[1:]


def _check_same(module: Module) -> None:
    named = [*module.named_parameters(), *module.named_buffers()]
    layout = repr([(name, tensor.shape, str(tensor.dtype)) for name, tensor in named])
    number = int.from_bytes(hashlib.sha256(layout.encode()).digest()[:7], "little")
    extremes = Tensor(np.array([number, -number]))
    distributed.all_reduce(extremes, distributed.ReduceOp.MAX)
    if extremes.tolist() != [number, -number]:
        raise RuntimeError(
            "DistributedDataParallel: names, shapes or dtypes of the module's parameters and "
            "buffers are not the same in all processes"
        )


def _copy_from_first(tensors: Sequence[Tensor]) -> None:
    """Give tensors the values that they have in process 0, in one message for each dtype."""
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        same = [tensor for tensor in tensors if tensor.dtype == dtype]
        flat = Tensor(np.concatenate([tensor.data.ravel() for tensor in same]))
        distributed.broadcast(flat, 0)
        start = 0
        for tensor in same:
            stop = start + tensor.numel()
            tensor.data[...] = flat.data[start:stop].reshape(tensor.shape)
            changed_in_place(tensor)
            start = stop
