"""The horizontal axis of learning curves: images seen, with the epoch beneath."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from kpbench.statistics.words import plural, short_count


@dataclass(frozen=True)
class EpochAxis:
    """Where an epoch lies: at the images that training had shown the network when it ended.

    Attributes:
        faces: training faces, each of which an epoch shows once; 0 where that is not known: then the axis has epochs.
    """

    faces: int = 0

    @property
    def what(self) -> str:
        """What the axis shows, in words."""
        return "images seen" if self.faces else "epoch"

    def at(self, epoch: int) -> int:
        """The place of an epoch."""
        return epoch * (self.faces or 1)

    def hover(self, epochs: Sequence[int]) -> list[str]:
        """What the pointer shows of the place of each epoch."""
        seen = [f" ({plural(self.at(epoch), 'image')})" if self.faces else "" for epoch in epochs]
        return [f"epoch {epoch}{images}" for epoch, images in zip(epochs, seen, strict=True)]

    def set_on(self, figure: go.Figure, epochs: Sequence[int]) -> tuple[float, float]:
        """Set the axis of a figure that shows these epochs; its ends."""
        first, last = min(epochs), max(epochs)
        room = 0.025 * (last - first) or 1
        step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 10**6) if (last - first) / step <= 8)
        ticks = sorted({first, *range(step * (first // step + 1), last + 1, step)})
        ends = ((first - room) * self.at(1), (last + room) * self.at(1))
        texts = [f"{short_count(self.at(tick))}<br>{tick}" if self.faces else str(tick) for tick in ticks]
        figure.update_xaxes(
            title={"text": f"{self.what}, epoch beneath" if self.faces else self.what, "standoff": 6},
            range=list(ends), tickmode="array", tickvals=list(map(self.at, ticks)), ticktext=texts, hoverformat=",d",
        )  # fmt: skip
        if self.faces:
            figure.update_layout(margin={"b": 58})
        return ends
