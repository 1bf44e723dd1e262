"""What two processes run for the tests in ``test_parallel.py``."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import distributed, nn, optim
from tinygrad_cnn.nn.parallel import DistributedDataParallel

SMALL = 1e-5  # MiB: a bucket for each parameter
PROGRAMS = []


def network():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 3),
    )


def batch(size=8):
    """The same in all processes."""
    draw = np.random.default_rng(0)
    images = draw.standard_normal((size, 1, 8, 8)).astype(np.float32)
    return tg.tensor(images), tg.tensor(draw.integers(3, size=size))


def own(batch):
    return [tensor[distributed.get_rank() :: 2] for tensor in batch]


def loss(model, batch):
    images, labels = batch
    return nn.functional.cross_entropy(model(images), labels)


def assert_same_gradients(model, other, rtol=1e-5):
    for (name, p), q in zip(model.named_parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.data, q.grad.data, rtol, atol=1e-6, err_msg=name)


def averaged(value):
    """The mean over the two processes of a tensor, which stays."""
    total = value.detach().clone()
    distributed.all_reduce(total)
    return total / 2


@PROGRAMS.append
def trains_as_one_process_does():
    tg.manual_seed(distributed.get_rank())  # so the processes begin with different parameters
    for cap in (None, SMALL):
        ddp = DistributedDataParallel(network(), bucket_cap_mb=cap)
        assert all((averaged(p) == p).all() for p in ddp.parameters())
        whole = copy.deepcopy(ddp.module)
        optimizers = [optim.SGD(m.parameters(), lr=0.1, momentum=0.9) for m in (ddp, whole)]
        for _ in range(3):
            for model, part in ((ddp, own(batch())), (whole, batch())):
                model.zero_grad()
                loss(model, part).backward()
            for optimizer in optimizers:
                optimizer.step()
            assert_same_gradients(ddp, whole)
        assert all((averaged(p) == p).all() for p in ddp.parameters())


@PROGRAMS.append
def sends_while_backward_runs():
    events = []
    send = distributed.all_reduce
    model = network()
    for name, parameter in model.named_parameters():
        parameter.register_post_accumulate_grad_hook(lambda _, name=name: events.append(name))
    ddp = DistributedDataParallel(model, bucket_cap_mb=SMALL)
    distributed.all_reduce = lambda *args, **options: (
        events.append("sent") or send(*args, **options)
    )
    loss(ddp, own(batch())).backward()
    distributed.all_reduce = send
    assert sorted(events[:2]) == ["5.bias", "5.weight"]
    assert events[2:4] == ["sent", "sent"]  # whichever was first, the same in all processes
    assert events[-2:] == ["sent", "sent"]


class Mixed(nn.Module):
    """Has parameters of three dtypes."""

    def __init__(self):
        super().__init__()
        weights = [nn.Parameter(tg.ones(2, dtype=d)) for d in (tg.float16, tg.float32, tg.float64)]
        self.weights = nn.ParameterList(weights)

    def forward(self, x):
        return sum((x * weight).double().sum() for weight in self.weights)


@PROGRAMS.append
def keeps_dtypes():
    ddp = DistributedDataParallel(Mixed())
    ddp(distributed.get_rank() * 1.0).backward()
    for weight in ddp.module.weights:
        assert weight.grad.dtype == weight.dtype
        assert weight.grad.tolist() == [0.5, 0.5]


class Branches(nn.Module):
    """Uses the layers it is told to."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(1, 1, bias=False) for _ in range(3))

    def forward(self, x, use):
        return sum(self.layers[i](x) for i in use)


@PROGRAMS.append
def counts_unused_parameters_as_zero():
    for cap in (None, SMALL):
        ddp = DistributedDataParallel(Branches(), bucket_cap_mb=cap, find_unused_parameters=True)
        for _ in range(2):
            ddp.zero_grad()
            ddp(tg.ones(1, 1), [0, 1] if distributed.get_rank() else [0]).sum().backward()
            gradients = [layer.weight.grad for layer in ddp.module.layers]
            assert gradients[0].item() == 1
            assert gradients[1].item() == 0.5
            assert gradients[2] is None


@PROGRAMS.append
def tells_unused_parameters():
    for cap in (None, SMALL):
        ddp = DistributedDataParallel(Branches(), bucket_cap_mb=cap)
        with pytest.raises(RuntimeError, match=r"no gradient to layers.2.weight, layers.1.weight;"):
            ddp(tg.ones(1, 1), [0, 1] if distributed.get_rank() else [0]).sum().backward()
        ddp.zero_grad()
        ddp(tg.ones(1, 1), [0, 1, 2]).sum().backward()  # and goes on
        assert all(layer.weight.grad.item() == 1 for layer in ddp.module.layers)


@PROGRAMS.append
def sums_up_without_sync():
    ddp = DistributedDataParallel(network(), bucket_cap_mb=SMALL)
    whole = copy.deepcopy(ddp.module)
    halves = [[tensor[:4] for tensor in batch()], [tensor[4:] for tensor in batch()]]
    for half in halves:
        loss(whole, half).backward()
    with ddp.no_sync():
        first = loss(ddp, own(halves[0]))
    first.backward()  # where forward was counts
    local = ddp.module[5].bias.grad
    assert not (averaged(local) == local).all()
    loss(ddp, own(halves[1])).backward()
    assert_same_gradients(ddp, whole)


@PROGRAMS.append
def goes_twice_through_a_graph():
    ddp = DistributedDataParallel(network(), bucket_cap_mb=SMALL)
    whole = copy.deepcopy(ddp.module)
    for model, part in ((ddp, own(batch())), (whole, batch())):
        value = loss(model, part)
        value.backward(retain_graph=True)
        value.backward()
    assert_same_gradients(ddp, whole)


@PROGRAMS.append
def takes_several_forwards_and_outputs():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, images):
            scores = self.net(images)
            return {"scores": [scores, scores.argmax(1)], "other": scores.sum(), "none": None}

    ddp = DistributedDataParallel(Net(), bucket_cap_mb=SMALL)
    whole = copy.deepcopy(ddp.module)
    for model, (images, labels) in ((ddp, own(batch())), (whole, batch())):
        first, second = model(images), model(images * 2)  # `other` is not used
        with tg.no_grad():
            model(images)
        assert first["none"] is None
        losses = [nn.functional.cross_entropy(o["scores"][0], labels) for o in (first, second)]
        sum(losses).backward()
    assert_same_gradients(ddp, whole)


@PROGRAMS.append
def takes_checkpoints_and_hooks():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()
            self.net[0].register_full_backward_hook(lambda module, inputs, outputs: None)

        def forward(self, images):
            half = tg.utils.checkpoint.checkpoint(self.net[:3], images)
            return tg.utils.checkpoint.checkpoint(self.net[3:], half)

    ddp = DistributedDataParallel(Net(), bucket_cap_mb=SMALL)
    whole = copy.deepcopy(ddp.module)
    for model, part in ((ddp, own(batch())), (whole, batch())):
        loss(model, part).backward()
    assert_same_gradients(ddp, whole)


@PROGRAMS.append
def leaves_frozen_parameters_alone():
    model = network()
    model[0].requires_grad_(False)
    ddp = DistributedDataParallel(model)
    loss(ddp, own(batch())).backward()
    assert model[0].weight.grad is None
    with pytest.raises(RuntimeError, match="no parameter of the module requires grad"):
        DistributedDataParallel(network().requires_grad_(False))


@PROGRAMS.append
def gives_all_the_first_ones_buffers():
    rank = distributed.get_rank()
    for kept in (True, False):
        norm = nn.BatchNorm1d(1, momentum=1.0)
        norm.running_mean.fill_(rank + 5)
        ddp = DistributedDataParallel(norm, broadcast_buffers=kept)
        assert norm.running_mean.item() == 5
        ddp(tg.full((2, 1), rank + 1.0))
        assert norm.running_mean.item() == rank + 1
        ddp.eval()
        with tg.no_grad():
            ddp(tg.ones(2, 1))
            assert norm.running_mean.item() == (1 if kept else rank + 1)
            if rank:  # nothing was recorded since, so nothing is sent
                ddp(tg.ones(2, 1))
        assert norm.num_batches_tracked.item() == 1
        assert norm.num_batches_tracked.dtype == np.int64


@PROGRAMS.append
def averages_what_hooks_make_of_gradients():
    layer = nn.Linear(1, 1, bias=False)
    ddp = DistributedDataParallel(layer)
    layer.weight.register_hook(lambda g: g * 10)
    ddp(tg.ones(1, 1)).sum().backward()
    assert layer.weight.grad.item() == 10


@PROGRAMS.append
def refuses_gradients_from_elsewhere():
    ddp = DistributedDataParallel(network(), bucket_cap_mb=SMALL)
    tg.autograd.grad(loss(ddp, own(batch())), ddp.parameters())  # adds to no gradient
    loss(ddp, own(batch())).backward()
    loss(ddp.module, own(batch())).backward()
    with pytest.raises(RuntimeError, match="otherwise than by one backward from its outputs"):
        ddp(batch()[0])
    with pytest.raises(RuntimeError, match="otherwise than by one backward from its outputs"):
        loss(ddp.module, own(batch())).backward()


@PROGRAMS.append
def refuses_different_modules():
    with pytest.raises(RuntimeError, match="not the same in all processes"):
        DistributedDataParallel(nn.Linear(3, 2 + distributed.get_rank()))


@PROGRAMS.append
def saves_as_pytorch_does():
    ddp = DistributedDataParallel(network())
    assert list(ddp.state_dict()) == [f"module.{name}" for name in ddp.module.state_dict()]
    ddp.load_state_dict(ddp.state_dict())
    assert ddp.module[0].weight is next(ddp.parameters())


@PROGRAMS.append
def samples_of_its_own():
    sampler = tg.utils.data.DistributedSampler(range(5))
    assert (sampler.rank, sampler.num_replicas) == (distributed.get_rank(), 2)


if __name__ == "__main__":
    distributed.init_process_group("mpi")
    for program in PROGRAMS:
        program()
        distributed.barrier()  # so both are done with it
        if distributed.get_rank() == 0:
            print(program.__name__, flush=True)
    distributed.destroy_process_group()
