"""A training step recorded once and replayed: on a card, where starting each kernel takes longer than running it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from kpbench.networks.own import knows_layout
from kpbench.task.scorer import batched_sum
from kpbench.training.device import Device
from kpbench.training.member import Member
from kpbench.training.weights import Weights

WARM_UP = 3
"""Steps of a size that are run before it is recorded; libraries choose and allocate in them."""

Step = Callable[[Tensor], None]


def step_of(members: Sequence[Member], weights: Weights, device: Device, *, record: bool = True) -> Step:
    """One step of all members, forward and back, over their batches, (K, n): the gradients are in `weights.moved`.

    On a card members run beside each other, and the step is recorded; a person's own network is run as it is
    written, for what it decides in Python would be frozen.
    """
    if device.kind != "cuda":
        return partial(_in_turn, members, weights)
    side = [torch.cuda.Stream() for _ in members[1:]]
    step = partial(_beside, members, weights, side)
    if not record or not all(knows_layout(member.network) for member in members):
        return step
    return Recorded(step, weights.moved, [member.dropout for member in members if side])


def _in_turn(members: Sequence[Member], weights: Weights, batches: Tensor) -> None:
    weights.forget()
    for member, index in zip(members, batches, strict=True):
        with drawing_from(member.dropout, alone=len(members) == 1):
            member.step(index)
    weights.collect()


def _beside(members: Sequence[Member], weights: Weights, side: Sequence[torch.cuda.Stream], batches: Tensor) -> None:
    """The first member on the stream that is current, each other on one of its own that it waits for."""
    weights.forget()
    here = torch.cuda.current_stream()
    for stream in side:
        stream.wait_stream(here)
    try:
        for member, index, stream in zip(members, batches, (here, *side), strict=True):
            with torch.cuda.stream(stream), drawing_from(member.dropout, alone=not side):
                member.step(index)
    finally:  # of a step that fails too: a recording ends only once all streams are joined
        for stream in side:
            here.wait_stream(stream)
    weights.collect()


@contextmanager
def drawing_from(own: torch.Generator, *, alone: bool) -> Iterator[None]:
    """Inside, random numbers of the device come from `own`; of a run alone from the global state, which holds its seed.

    On a card the state is exchanged without a copy, so that a recorded step reads it where it is.
    """
    if alone:
        yield
    elif own.device.type == "cuda":
        default = torch.cuda.default_generators[own.device.index or torch.cuda.current_device()]
        before = default.graphsafe_get_state()
        default.graphsafe_set_state(own)
        try:
            yield
        finally:
            default.graphsafe_set_state(before)
    else:
        state = torch.mps if own.device.type == "mps" else torch.random
        kept = state.get_rng_state()
        state.set_rng_state(own.get_state())
        try:
            yield
        finally:
            own.set_state(state.get_rng_state())
            state.set_rng_state(kept)


@dataclass(frozen=True, eq=False)
class _Recording:
    """A step of one size of batch: its graph, where it reads the faces' numbers, and where it leaves the gradients."""

    graph: torch.cuda.CUDAGraph
    batches: Tensor
    gradients: list[Tensor | None]


class Recorded:
    """A step as CUDA graphs, one for each size of batch; the same kernels in the same order as without.

    A size that cannot be recorded, for want of memory or because a layer copies from the processor, is run as it is.

    Args:
        step: reads what changes from call to call only from its batches, and from memory that stays.
        weights: those whose gradients it leaves.
        draws: generators other than the global one from which the step draws.
    """

    def __init__(self, step: Step, weights: Sequence[Tensor], draws: Sequence[torch.Generator]) -> None:
        self._step, self._weights, self._draws = step, weights, draws
        self._stream = torch.cuda.Stream()
        self._done: Counter[int] = Counter()
        self._recordings: dict[int, _Recording | None] = {}

    def __call__(self, batches: Tensor) -> None:
        """A step over batches (K, n) of faces."""
        size = batches.shape[1]
        self._done[size] += 1
        if self._done[size] > WARM_UP and size not in self._recordings:
            self._recordings[size] = self._record(batches)
        recording = self._recordings.get(size)
        if recording is None:
            here = torch.cuda.current_stream()
            self._stream.wait_stream(here)
            with torch.cuda.stream(self._stream):
                self._step(batches)
            here.wait_stream(self._stream)
            return
        recording.batches.copy_(batches)
        recording.graph.replay()
        for weight, gradient in zip(self._weights, recording.gradients, strict=True):
            weight.grad = gradient

    def _record(self, batches: Tensor) -> _Recording | None:
        graph, held = torch.cuda.CUDAGraph(), batches.clone()
        for generator in self._draws:
            graph.register_generator_state(generator)
        # One pool for all sizes: no two of them run at the same time, and gradients are used before the next step.
        pool = next((one.graph.pool() for one in self._recordings.values() if one is not None), None)
        if not _holds(graph, partial(self._step, held), self._stream, pool):
            return None
        return _Recording(graph, held, [weight.grad for weight in self._weights])


def _holds(graph: torch.cuda.CUDAGraph, run: Callable[[], None], stream: torch.cuda.Stream, pool: Any) -> bool:
    """Records what `run` starts on a card; whether that was possible."""
    here = torch.cuda.current_stream()
    try:
        with torch.cuda.stream(here), torch.cuda.graph(graph, pool=pool, stream=stream):
            run()
    except RuntimeError as error:
        if error.__context__ is not None:  # the recording could not be ended either
            raise
        return False
    return True


class Validation:
    """The MSE of networks over the validation faces, as `batched_mse` has it; on a card recorded the second time.

    Args:
        networks: judged in eval mode, each left in its own.
        pictures, target: float (N, 1, 96, 96) and (N, 15, 2).
    """

    def __init__(
        self, networks: Sequence[nn.Module], pictures: Tensor, target: Tensor, device: Device, *, record: bool = True
    ) -> None:
        self._networks, self._pictures, self._target = networks, pictures, target
        self._batch_size = VAL_BATCH[device.kind]
        self._record = record and device.kind == "cuda" and all(map(knows_layout, networks))
        self._graph: torch.cuda.CUDAGraph | None = None
        self._sums: Tensor | None = None

    def __call__(self) -> list[float]:
        """The MSE of each network as it is now; waits for the device."""
        if self._record and self._sums is not None:
            self._record, graph = False, torch.cuda.CUDAGraph()
            self._graph = graph if _holds(graph, self._sum, torch.cuda.Stream(), None) else None
        if self._graph is None:
            self._sum()
        else:
            self._graph.replay()
        assert self._sums is not None
        return [total / len(self._pictures) for total in self._sums.tolist()]

    def _sum(self) -> None:
        given = self._pictures, self._target
        self._sums = torch.stack([batched_sum(one, *given, batch_size=self._batch_size) for one in self._networks])


VAL_BATCH = {"cpu": 32, "cuda": 256, "mps": 256}
"""Faces of a validation batch: on a CPU so few that their activation maps stay in cache."""
