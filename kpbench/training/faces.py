"""Faces on the device as training uses them."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class DeviceFaces:
    """A data set on the device.

    Attributes:
        images: uint8 (N, 1, 96, 96).
        keypoints: float32 (N, 15, 2) in pixels; NaN, both coordinates, where a label is missing.
        image_divisor, centre, scale: the benchmark's coordinates.
    """

    images: Tensor
    keypoints: Tensor
    image_divisor: float
    centre: float
    scale: float

    def pictures(self, index: Tensor | slice) -> Tensor:
        """The pictures at `index` as float32 in 0..1, a copy."""
        # Where it applies, index_select copies whole pictures; indexing with a tensor goes by pixels.
        chosen = self.images[index] if isinstance(index, slice) else self.images.index_select(0, index)
        return chosen.float().div_(self.image_divisor)

    def target(self, keypoints: Tensor) -> Tensor:
        """Pixels to what a network predicts, (k - centre) / scale."""
        return (keypoints - self.centre) / self.scale
