"""Keeps a study's `progress.json`: who works on it now, and on what."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kpbench.engine.events import Advanced, Ended, Event, Notify, Stage, Started
from kpbench.engine.jobs import Job
from kpbench.store.driver import Driver, End, UnderWay, this_driver
from kpbench.store.files import PROGRESS
from kpbench.store.study import Study, now


@contextmanager
def progress_file(study: Study) -> Iterator[Notify]:
    """What writes each event of a study into its `progress.json`, and how the driver left; all done, the file is gone.

    A file that cannot be written harms nothing: what counts are the rows.
    """
    driver = this_driver(now())
    running: dict[int, UnderWay] = {}

    def write(driver: Driver) -> Driver:
        with suppress(OSError):
            study.write(PROGRESS, driver.model_dump_json() + "\n", lasting=False)
        return driver

    def notify(event: Event) -> None:
        nonlocal driver
        match event:
            case Stage(title):
                running.clear()
                driver = driver.model_copy(update={"stage": title})
            case Started(job):
                running[job.number] = _begun(job)
            case Advanced(job, epoch, score):
                known, when = running.get(job.number, _begun(job)), now()
                change = {"epoch": epoch, "score": score, "first": known.first or when, "last": when}
                running[job.number] = known.model_copy(update=change)
            case Ended(job):
                running.pop(job.number, None)
            case _:
                return
        driver = write(driver.model_copy(update={"running": tuple(running.values())}))

    write(driver)
    try:
        yield notify
    except BaseException as error:
        ended: End = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        write(driver.model_copy(update={"running": (), "ended": ended}))
        raise
    with suppress(OSError):
        (study.folder / PROGRESS).unlink(missing_ok=True)


def _begun(job: Job) -> UnderWay:
    return UnderWay(role=job.role, number=job.number, params=job.params, seeds=job.seeds, epochs=job.epochs)
