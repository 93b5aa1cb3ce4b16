"""How long training takes, measured before it begins."""

from dataclasses import replace

from kpbench.cell import EpochRecord, Params
from kpbench.engine.evaluate import Staged, prepare, work
from kpbench.engine.jobs import Job

FACES = 128
"""Training faces of the measured epoch."""


def epoch_seconds(cell: Params, staged: Staged) -> float:
    """Seconds of one epoch of a cell over the whole training split, from the second epoch over 128 faces."""
    n = min(FACES, len(staged.train_images))
    small = replace(
        staged,
        train_images=staged.train_images[:n],
        train_keypoints=staged.train_keypoints[:n],
        val_images=staged.val_images[:8],
        val_keypoints=staged.val_keypoints[:8],
    )
    job = Job(number=0, role="ablation", params=dict(cell), seeds=(0,), epochs=2)
    records = [seed for progress in work(job, prepare(small)) for seed in progress.seeds]
    seconds = [record.seconds for record in records if isinstance(record, EpochRecord)]
    return min(seconds) * len(staged.train_images) / n
