"""Who is told what happens in a study beside the terminal: its `progress.json`, and a tracker that was asked for."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from kpbench.engine.events import Event, Notify
from kpbench.engine.progress_file import progress_file
from kpbench.engine.trackers import tracked
from kpbench.store.study import Study


@contextmanager
def followed(study: Study, notify: Notify, tracker: str | None = None) -> Iterator[Notify]:
    """`notify`, and with each event the study's followers."""
    with ExitStack() as stack:
        followers = [notify, stack.enter_context(progress_file(study))]
        if tracker is not None:
            followers.append(stack.enter_context(tracked(tracker, study.name, study.folder, notify)))

        def tell(event: Event) -> None:
            for follower in followers:
                follower(event)

        yield tell
