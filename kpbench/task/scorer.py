"""The fixed scorer."""

from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from kpbench.task.score import score_from_mse

VERSION = 1
"""Part of a study's identity; raised if the scorer ever changes, and then old scores compare no more."""


def evaluate_model(model: nn.Module, dataset: Dataset[Any]) -> float:
    """The official score of `model`: the same float, bit for bit on a CPU, as the course's own function.

    Eval mode, one image at a time, the fp32 mean of the 30 squared errors of each image, their sum in Python
    floats, `1 / (2 * mean)`. Needs no gradients, draws nothing from the global random state and leaves every
    submodule in the train or eval state it was in.

    Args:
        model: takes (1, 1, 96, 96) and returns 30 values, (1, 30) or (1, 15, 2).
        dataset: items `{"image": (1, 96, 96), "keypoints": (15, 2)}`, keypoints as (k - 48) / 48.

    Returns:
        The score; infinity where every prediction is exact, NaN where any prediction or label is NaN.

    Raises:
        ValueError: the data set is empty, or the model returns another number of values than 30 an image.
    """
    return score_from_mse(official_mse(model, dataset))


def official_mse(model: nn.Module, dataset: Dataset[Any]) -> float:
    """The mean over images of MSE behind `evaluate_model`, in (k - 48) / 48 units squared; same errors raised."""
    n = len(cast(Sized, dataset))
    if n == 0:
        raise ValueError("cannot score on an empty data set")
    # A loader draws a seed from the global generator as it starts; one of its own leaves the caller's alone.
    loader = DataLoader(dataset, batch_size=1, shuffle=False, generator=torch.Generator())
    total = 0.0
    with _evaluating(model) as device:
        for batch in loader:
            predicted = _points(model(batch["image"].to(device)), batch["keypoints"].shape)
            total += F.mse_loss(torch.squeeze(batch["keypoints"].to(device)), torch.squeeze(predicted)).item()
    return total / n


def batched_mse(model: nn.Module, images: Tensor, keypoints: Tensor, *, batch_size: int = 256) -> float:
    """The mean over images of MSE in large batches: for validation while training, never a published number.

    Agrees with `official_mse` within 1e-6 relative; faster because the device sees whole batches.

    Args:
        model: takes (N, 1, 96, 96), returns (N, 30) or (N, 15, 2).
        images: float (N, 1, 96, 96) on the model's device, image / 255.
        keypoints: float (N, 15, 2) there too, (k - 48) / 48.

    Raises:
        ValueError: as `official_mse`.
    """
    if len(images) == 0:
        raise ValueError("cannot score on an empty data set")
    return batched_sum(model, images, keypoints, batch_size=batch_size).item() / len(images)


def batched_sum(model: nn.Module, images: Tensor, keypoints: Tensor, *, batch_size: int) -> Tensor:
    """The sum over images of MSE that `batched_mse` is the mean of, float64; a card is not waited for."""
    place = images.device if images.is_cuda else torch.device("cpu")  # not all devices have float64
    total = torch.zeros((), dtype=torch.float64, device=place)
    with _evaluating(model):
        for start in range(0, len(images), batch_size):
            truth = keypoints[start : start + batch_size]
            predicted = _points(model(images[start : start + batch_size]), truth.shape)
            total += (predicted - truth).square().mean(dim=(1, 2)).to(place).double().sum()
    return total


def _points(output: Tensor, shape: torch.Size) -> Tensor:
    if output.ndim == 0 or len(output) != shape[0] or output.numel() != shape.numel():
        raise ValueError(
            f"the model returned shape {tuple(output.shape)} for {shape[0]} image(s); "
            f"expected {(shape[0], 30)} or {tuple(shape)}"
        )
    return output.reshape(shape)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[torch.device]:
    """Eval mode, no gradients, no autocast; every submodule's own mode is put back at the end."""
    modes = [(module, module.training) for module in model.modules()]
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    model.eval()
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield device
    finally:
        for module, training in modes:
            module.training = training
