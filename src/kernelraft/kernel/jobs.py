"""What waits to be judged. A worker gets the candidates of tasks that it has executed before, if there are any."""

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Job:
    """One evaluation that somebody waits for; without code, of the task alone."""

    reference: str
    code: str | None
    future: "Future[dict[str, Any]]" = field(default_factory=Future)
    lost_s: float | None = None  # seconds that a worker spent on it before it was lost, if one was


class Jobs:
    """A queue for several threads: by task in order of arrival, each task with one worker while there are others.

    To execute a reference on all of its inputs takes half as long as to judge a candidate, and every worker does it.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Job]] = {}  # by reference
        self._last: dict[int, str] = {}  # by worker: the reference of its last job
        self._home: dict[str, int] = {}  # by reference: who had it first
        self._changed = threading.Condition()
        self._closed = False

    def put(self, job: Job) -> None:
        """Append a job; cancelled at once where the queue is closed."""
        with self._changed:
            if self._closed:
                job.future.cancel()
                return
            self._waiting.setdefault(job.reference, deque()).append(job)
            self._changed.notify()

    def again(self, job: Job, worker: int) -> bool:
        """Put back, first of its task, what was lost with this worker; False where the queue is closed."""
        with self._changed:
            if self._closed:
                return False
            self._waiting.setdefault(job.reference, deque()).appendleft(job)
            # Whoever comes in its place has executed nothing: its tasks are anybody's.
            self._home = {reference: home for reference, home in self._home.items() if home != worker}
            self._last.pop(worker, None)
            self._changed.notify()
            return True

    def take(self, worker: int) -> Job | None:
        """The next job for this worker, waited for; None once the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            reference = self._last[worker] = self._choice(worker)
            self._home.setdefault(reference, worker)
            jobs = self._waiting[reference]
            job = jobs.popleft()
            if not jobs:
                del self._waiting[reference]
            return job

    def _choice(self, worker: int) -> str:
        last = self._last.get(worker)
        if last in self._waiting:
            return last
        at_home = (reference for reference in self._waiting if self._home.get(reference, worker) == worker)
        return next(at_home, next(iter(self._waiting)))

    def close(self) -> None:
        """Cancel what waits and send the workers home."""
        with self._changed:
            self._closed = True
            for jobs in self._waiting.values():
                for job in jobs:
                    job.future.cancel()
            self._waiting.clear()
            self._changed.notify_all()
