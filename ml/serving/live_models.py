"""The models that are served: loaded at the start, swapped when newer runs land in the warehouse."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from common.errors import UserError
from common.warehouse import open_warehouse, warehouse_path
from ml.registry import LoadedModel, Run, load_run, newest_runs
from ml.tasks import Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """What is served at one moment; a request reads it once.

    Attributes:
        models: (task, source) -> model.
        problems: why a newer model is not among them, a line each.
        checked_at: when the warehouse was last asked for newer runs, in UTC.
        waiting: why it could not be asked since, or None.
    """

    models: Mapping[tuple[str, str], LoadedModel] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    checked_at: datetime | None = None
    waiting: str | None = None


class LiveModels:
    """The newest model of every task and source.

    Attributes:
        state: replaced as a whole, never changed.
    """

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        self.tasks = tasks
        self.state = State()
        self._stop = threading.Event()
        self._poller: threading.Thread | None = None

    def refresh(self) -> None:
        """Load the models of runs that are newer than those served; a broken one leaves its predecessor.

        Raises:
            UserError: the warehouse can't be read now, being written by another program, say.
        """
        # Open for the moment of one query: as long as it is, no other program can write.
        with open_warehouse(read_only=True) as connection:
            runs = [(task, run) for task in self.tasks for run in newest_runs(connection, task)]
        models, problems = dict(self.state.models), []
        for task, run in runs:
            try:
                self._take(models, task, run)
            except UserError as error:
                problems.append(f"{run.run_id}: {error}")
        self.state = State(models, tuple(problems), datetime.now(UTC))

    def _take(self, models: dict[tuple[str, str], LoadedModel], task: Task, run: Run) -> None:
        served = models.get((task.name, run.source))
        if served is None or served.run != run:
            models[task.name, run.source] = load_run(run, task, warehouse_path().parent)

    def start_polling(self, seconds: float) -> None:
        """Refresh every so many seconds, on a thread of its own."""
        self._poller = threading.Thread(target=self._poll, args=(seconds,), name="models", daemon=True)
        self._poller.start()

    def stop_polling(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._poller:
            self._poller.join()

    def _poll(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            try:
                self.refresh()
            except Exception as error:
                # Whatever it is, what is served goes on, and the next time may be better.
                if not isinstance(error, UserError):
                    logger.exception("newer models can't be looked for")
                now = self.state
                self.state = State(now.models, now.problems, now.checked_at, str(error))
