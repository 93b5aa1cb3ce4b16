"""Seed cohorts: the seeds of one cell trained as one program, for devices that a single small network leaves idle.

The weights of K networks are stacked, and `torch.func.vmap` turns each layer into one call over all of them:
convolutions into grouped ones, linear layers into batched matrix products. Each member has its own order of faces,
moves, initial weights and dropout masks, those of its run alone, so that it differs from that run by rounding only.
"""

import copy
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from kpbench.cell import EpochRecord, Params, epochs_of
from kpbench.faces.faces import SIZE
from kpbench.networks.families import is_foreign
from kpbench.networks.fused import run_plain
from kpbench.seeds import derive
from kpbench.space.space import LATER
from kpbench.task.scorer import batched_mse
from kpbench.training.augment import Moves, move
from kpbench.training.device import Device
from kpbench.training.fit import (
    MOVES,
    VAL_BATCH,
    DeviceFaces,
    DivergedError,
    epoch_of,
    loss_for,
    record,
    steps_of,
    training_defaults,
    training_of,
)
from kpbench.training.limits import check_training
from kpbench.training.mean_start import start_at_mean
from kpbench.training.recipe import SCHEDULES, make_optimizer

FAMILIES = frozenset({"cnn", "mlp"})
"""Families whose random layers are known here; timm's own are not."""

NORMS = frozenset({"none", "batch", "spatial_batch"})
DROPOUTS = frozenset({"none", "standard", "spatial"})
"""Layers that tests hold to their runs alone; the masks of these dropouts are drawn here."""

SHARED = frozenset({"training.mean_start", "training.exposure"})
"""Of the recipe's later parameters those that are done here too."""

Member = EpochRecord | DivergedError


def can_be_cohort(params: Params) -> bool:
    """Whether a complete cell's seeds can be trained as one program: known layers, the recipe's first parameters."""
    later = {name: value for name, value in training_defaults().items() if name in LATER - SHARED}
    plain = all(params.get(name, value) == value for name, value in later.items())
    layers = params.get("network.norm") in NORMS and params.get("network.dropout") in DROPOUTS
    return plain and layers and params["family"] in FAMILIES and not is_foreign(params)


def fit_cohort(
    networks: Sequence[nn.Module],
    train: DeviceFaces,
    val: DeviceFaces,
    seeds: Sequence[int],
    /,
    *,
    epochs: int,
    device: Device,
    **training: Any,
) -> Iterator[tuple[Member, ...]]:
    """Trains networks of one cell together and yields, after each epoch, a record of each or why it has none.

    A member that diverges stays diverged and harms no other; the cohort ends when its last member has.

    Args:
        networks: one for each seed, on the device; they get the weights of their member after each epoch.
        training: the keyword arguments of `fit`, for a cell that `can_be_cohort`.

    Raises:
        UsageError: as `fit`.
    """
    recipe = {**training_of(training_defaults()), **training}
    check_training(**recipe)
    steps, moves = steps_of(len(train.images), recipe["batch_size"]), {name: recipe[name] for name in MOVES}
    if recipe["mean_start"]:
        for network in networks:
            start_at_mean(network, train.target(train.keypoints))
    base, layers = _with_masks(networks[0])
    parameters, buffers = stack_module_state(list(networks))
    plain = {"lr": recipe["lr"], "weight_decay": recipe["weight_decay"], "spare_norms": False}
    optimizer = make_optimizer("adamw", list(parameters.values()), **plain)
    epochs = epochs_of(epochs, recipe["exposure"])
    schedule = SCHEDULES["one_cycle"](optimizer, recipe["lr"], epochs * steps)
    error, n = loss_for(train), len(train.images)
    val_pictures, val_target = val.pictures(slice(None)), val.target(val.keypoints)
    diverged: dict[int, DivergedError] = {}

    def forward(own: dict[str, Tensor], state: dict[str, Tensor], masks: dict[str, Tensor], x: Tensor) -> Tensor:
        out: Tensor = functional_call(base, {**own, **state, **masks}, (x,))
        return out

    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        each = [epoch_of(train, seed, epoch, moves) for seed in seeds]
        drawn, order = _joined([moved for _, moved in each]), torch.stack([order for order, _ in each])
        target = train.target(drawn.keypoints)
        draws = [torch.Generator(train.images.device).manual_seed(derive(s, "dropout", epoch)) for s in seeds]
        totals = torch.zeros(len(seeds), device=train.images.device)
        for index in order.tensor_split(steps, dim=1):
            among = index + torch.arange(len(seeds), device=index.device)[:, None] * n  # among all members' moves
            pictures = move(train.pictures(index.flatten()), drawn, among.flatten()).unflatten(0, index.shape)
            masks = {name: _masks(layer, index.shape[1], draws) for name, layer in layers.items()}
            with torch.autocast(device.kind, torch.bfloat16, enabled=device.precision == "bf16"):
                predicted = vmap(forward)(parameters, buffers, masks, pictures)
            wanted = target[among]
            losses = vmap(error)(predicted.float().reshape(wanted.shape), wanted)
            optimizer.zero_grad(set_to_none=True)
            losses.sum().backward()
            optimizer.step()
            schedule.step()
            totals += losses.detach() * index.shape[1]
        _give_back(networks, parameters, buffers)
        found: list[Member] = []
        for place, network in enumerate(networks):
            if place not in diverged:
                val_mse = batched_mse(network, val_pictures, val_target, batch_size=VAL_BATCH[device.kind])
                try:
                    seconds = (time.perf_counter() - start) / len(seeds)
                    found.append(record(epoch, totals[place].item() / n, val_mse, seconds))
                    continue
                except DivergedError as failure:
                    diverged[place] = failure
            found.append(diverged[place])
        yield tuple(found)
        if len(diverged) == len(seeds):
            return


class _Masked(nn.Module):
    """A dropout whose mask, 0 or 1, is given as a buffer; otherwise the layer that it stands for."""

    def __init__(self, layer: nn.Dropout | nn.Dropout2d, shape: torch.Size) -> None:
        super().__init__()
        self.mask: Tensor
        self.p, self.of_maps = layer.p, isinstance(layer, nn.Dropout2d)
        self.shape = torch.Size([*shape[:1], *[1] * (len(shape) - 1)]) if self.of_maps else shape
        self.register_buffer("mask", torch.empty(0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        mask = self.mask.to(x.dtype)
        return x * (mask / (1 - self.p)) if self.of_maps else x * mask * (1 / (1 - self.p))


def _masks(layer: _Masked, n: int, draws: Sequence[torch.Generator]) -> Tensor:
    """The masks of all members, (K, n, ...), each drawn as its layer would draw it in a run alone."""
    one = torch.empty(n, *layer.shape, device=draws[0].device)
    if one.ndim == 4:
        one = one.contiguous(memory_format=torch.channels_last)  # the order in memory is the order of the draws
    if layer.of_maps:
        return torch.stack([one.bernoulli_(1 - layer.p, generator=g).clone() for g in draws])
    return torch.stack([one.uniform_(generator=g).ge(layer.p).float() for g in draws])


def _with_masks(network: nn.Module) -> tuple[nn.Module, dict[str, _Masked]]:
    """A copy that runs layer by layer, its dropouts given their masks, and these by the name of the mask."""
    base = run_plain(copy.deepcopy(network))
    shapes: dict[str, torch.Size] = {}
    hooks = [
        module.register_forward_pre_hook(lambda _, args, name=name: shapes.update({name: args[0].shape[1:]}))
        for name, module in base.named_modules()
        if isinstance(module, nn.Dropout | nn.Dropout2d) and module.p > 0
    ]
    with torch.no_grad():
        base.eval()(torch.zeros(1, 1, SIZE, SIZE, device=next(base.parameters()).device))
    for hook in hooks:
        hook.remove()
    layers = {}
    for name, shape in shapes.items():
        layer = _Masked(base.get_submodule(name), shape)  # type: ignore[arg-type]
        base.set_submodule(name, layer)
        layers[f"{name}.mask"] = layer
    return base.train(), layers


def _joined(moves: Sequence[Moves]) -> Moves:
    """The moves of all members one behind the other."""
    return Moves(
        *(torch.cat([getattr(one, name) for one in moves]) for name in ("backward", "keypoints", "light", "gain"))
    )


@torch.no_grad()
def _give_back(networks: Sequence[nn.Module], *stacked: dict[str, Tensor]) -> None:
    """Each member's weights and statistics to its network."""
    for place, network in enumerate(networks):
        own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        for name, values in (pair for group in stacked for pair in group.items()):
            own[name].copy_(values[place])
