"""A queue whose jobs that ran out of memory beside others are tried once more, alone."""

from dataclasses import dataclass, field

from kpbench.engine.jobs import Failure, Job, Progress, Queue


@dataclass
class Again:
    """Passes a queue's jobs on, but holds those back that ran out of memory, until `again`; then hands out these.

    They are under way already: limits of time and failures let them end.
    """

    queue: Queue
    held: list[Job] = field(default_factory=list)
    waiting: list[Job] | None = None

    def again(self) -> None:
        """From here on the held jobs are asked for, and end as they end."""
        self.waiting, self.held = self.held, []

    def ask(self) -> Job | None:
        """The next job of the queue, or of those held."""
        if self.waiting is None:
            return self.queue.ask()
        return self.waiting.pop(0) if self.waiting else None

    def report(self, job: Job, progress: Progress) -> bool:
        """Hands the epoch on; a first lack of memory is not told, and stops the job."""
        if self.waiting is None and any(isinstance(s, Failure) and s.reason == "oom" for s in progress.seeds):
            self.held.append(job)
            return True
        return self.queue.report(job, progress)

    def tell(self, job: Job, crash: Failure | None = None) -> None:
        """Tells the end of a job, unless it is held."""
        if self.waiting is None and crash is not None and crash.reason == "oom":
            self.held.append(job)
        elif job not in self.held:
            self.queue.tell(job, crash)
