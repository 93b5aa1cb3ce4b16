"""How fast the networks of finalists predict on this device, once their training is over."""

from collections.abc import Sequence

from kpbench.cell import RunResult, network_id
from kpbench.engine.evaluate import one_line
from kpbench.engine.events import Notice, Notify, Stage
from kpbench.engine.resources import own_cpus
from kpbench.networks.families import describe
from kpbench.networks.latency import latency
from kpbench.store.files import INFERENCE, read_lines
from kpbench.store.study import Study, now
from kpbench.store.values import Inference
from kpbench.training.device import Device, threads

BATCHES = (1, 64)


def settings(device: str) -> list[tuple[int, int]]:
    """Batch and CPU threads of each measurement: with one thread and with all there are; on a card with one."""
    counts = sorted({1, own_cpus()} if device == "cpu" else {1})
    return [(batch, count) for batch in BATCHES for count in counts]


def measure_finalists(study: Study, rows: Sequence[RunResult], device: Device, notify: Notify) -> list[Inference]:
    """Measures the networks of the rows' final runs that were not measured on this device yet, each setting once.

    A network that cannot run here, as where only the workers have a card, is told and left out.

    Returns:
        What is known of all of them, measured now or before.
    """
    known = read_lines(study.folder / INFERENCE, Inference)
    done = {(one.network, one.batch, one.threads, one.device) for one in known}
    finals = {network_id(row.params): row.params for row in rows if row.role == "final" and row.state == "complete"}
    open_ = [
        (network, batch, count)
        for network in finals
        for batch, count in settings(device.kind)
        if (network, batch, count, device.title) not in done
    ]
    if open_:
        notify(Stage("measuring how fast the finalists predict"))
    for network, batch, count in open_:
        try:
            with threads(count):
                median, low, high = (round(one, 4) for one in latency(finals[network], device.kind, batch=batch))
        except Exception as error:  # a person's own code, or a device that this process does not have
            notify(Notice(f"latency of {describe(finals[network])} was not measured: {one_line(error)}"))
            continue
        found = Inference(
            network=network,
            what=describe(finals[network]),
            batch=batch,
            threads=count,
            median=median,
            low=low,
            high=high,
            device=device.title,
            when=now(),
        )
        known.append(study.append(INFERENCE, found))
    return [one for one in known if one.network in finals]
