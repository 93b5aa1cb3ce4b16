"""Who is told what happens in a study beside the terminal: its `progress.json`."""

from collections.abc import Iterator
from contextlib import contextmanager

from kpbench.engine.events import Event, Notify
from kpbench.engine.progress_file import progress_file
from kpbench.store.study import Study


@contextmanager
def followed(study: Study, notify: Notify) -> Iterator[Notify]:
    """`notify`, and with each event the study's followers."""
    with progress_file(study) as keep:

        def tell(event: Event) -> None:
            notify(event)
            keep(event)

        yield tell
