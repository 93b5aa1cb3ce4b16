"""One Ray for all queues of a command: started on this machine beside what the command does, or a cluster joined."""

import gc
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray

from kpbench.engine.resources import Resources, fitting
from kpbench.errors import UsageError

REACHED = 10
"""Seconds in which the head of a cluster has to answer."""


class Cluster:
    """A local Ray of its own, or a running cluster that `resources.address` names.

    A local one is started once it is asked for, and its files are gone when it is closed. One thread starts Ray, waits
    and ends it: Ray's processes are killed by the kernel when the thread that started them ends, which is how they die
    with a driver that is killed.

    While Ray starts, BLAS computes in one thread. Ray forks this process, and a fork makes OpenBLAS end its threads:
    a product of matrices that they share, computed meanwhile, would never end, nor would the fork.
    """

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self._started: Future[Path] = Future()
        self._over = threading.Event()
        self._staged: tuple[Any, Any] = (None, None)
        self._thread: threading.Thread | None = None
        self._limited = threading.Event()

    def start(self) -> None:
        """Begins to start Ray, without waiting for it."""
        if self._thread is None:
            scratch = Path(tempfile.mkdtemp(prefix="kpb-"))  # short: Ray keeps sockets there, whose paths are limited
            self._thread = threading.Thread(target=self._live, args=[scratch], name="ray")
            self._thread.start()
            self._limited.wait()

    def scratch(self) -> Path:
        """A folder for files that need not last; waits until Ray has started.

        Raises:
            UsageError: Ray did not start, or there is no cluster at the address.
        """
        self.start()
        return self._started.result()

    def nodes(self) -> list[dict[str, float]]:
        """What each living node has."""
        self.scratch()
        return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]

    def workers(self, gpus: float = 0.0) -> int:
        """Trials at once, where each takes so much of a card.

        Raises:
            UsageError: as `fitting`; on this machine for cards alone, for its processes may share CPUs.
        """
        if self.resources.address is not None or gpus:
            return fitting(self.resources, self.nodes(), gpus)
        return self.resources.here

    def broken(self) -> bool:
        """Whether a process of this machine's own Ray has died, so that what fails now says nothing of its trial."""
        node = ray._private.worker._global_node  # no public question tells it before Ray itself has noticed
        return self.resources.address is None and node is not None and bool(node.dead_processes())

    def put(self, value: object) -> Any:
        """A reference to a value on the node, where it is put once however often one asks for it."""
        self.scratch()
        if self._staged[0] is not value:
            self._staged = value, ray.put(value)
        return self._staged[1]

    def leave(self) -> None:
        """Lets Ray end, without waiting for it: nothing is trained after this.

        Ray ends the whole process, with status 1, when one of its references dies while it shuts down. Tune leaves
        references in cycles, so those are collected first, and no other thread collects before Ray has ended.
        """
        if self._thread is not None and not self._over.is_set():
            gc.collect()
            gc.disable()
        self._over.set()

    def close(self) -> None:
        """Ends Ray, or waits until it has started to end it then."""
        self.leave()
        if self._thread is not None:
            self._thread.join()

    def _live(self, scratch: Path) -> None:
        for name in ("ray", "ray.tune", "ray.train"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # Ray prints a paragraph for each worker that dies; a study's own line says it. There is no public switch.
        ray._private.worker._worker_logs_enabled = False
        try:
            # A worker imports this module too, and needs neither: a quarter of a second of its start.
            import scipy.linalg  # noqa: F401, PLC0415  # its BLAS has to be loaded to be limited
            from threadpoolctl import threadpool_limits  # noqa: PLC0415

            with threadpool_limits(1, user_api="blas"):
                self._limited.set()
                self._init(scratch)
            self._started.set_result(scratch)
            self._over.wait()
        except BaseException as error:  # raised where the cluster is used
            self._started.set_exception(UsageError(self._refused(error)))
        finally:
            self._limited.set()
            try:
                ray.shutdown()
            finally:
                gc.enable()
                shutil.rmtree(scratch, ignore_errors=True)

    def _init(self, scratch: Path) -> None:
        asked = self.resources
        quiet = {"log_to_driver": False, "logging_level": "CRITICAL"}
        if asked.address is not None:
            # What `auto` finds may have ended since. Ray would try for minutes, and print that it does.
            address = ray._private.services.canonicalize_bootstrap_address_or_die(asked.address)
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=REACHED).close()
            if asked.address != "auto":
                _show_token(address)
            # `auto` as it stands: only then Ray takes this machine's token unasked, as `ray start --head` here did.
            ray.init(address=asked.address, **quiet)
            return
        # Ray would replace 127.0.0.1 by the address on the network, and listen there; there is no public switch.
        ray._private.services.resolve_ip_for_localhost = lambda host: host
        ray.init(
            address="local",
            _node_ip_address="127.0.0.1",
            num_cpus=asked.here * asked.cpus,
            include_dashboard=False,
            _temp_dir=str(scratch / "ray"),
            **quiet,
        )

    def _refused(self, error: BaseException) -> str:
        what = next(iter(str(error).splitlines()), type(error).__name__)
        if self.resources.address is None:
            return f"Ray did not start: {what}; --workers 0 trains in this process"
        return (
            f"no Ray cluster at --address {self.resources.address}: {what}; start one with `ray start --head`, "
            "and give each node and this command RAY_AUTH_MODE=token and the same RAY_AUTH_TOKEN_PATH"
        )


def _show_token(address: str) -> None:
    """Raises ConnectionError where the cluster takes another token than this command has.

    Ray would try for 25 s, and print that it does. There is no public question that asks once, and what Ray's libraries
    print cannot be switched off: so another process asks.
    """
    asked = subprocess.run(
        [sys.executable, "-c", f"import ray; ray._raylet.GcsClient(address={address!r})"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "AuthenticationError" in asked.stderr:
        raise ConnectionError("it asks for a token, and this command has none or another")


@contextmanager
def cluster(resources: Resources) -> Iterator[Cluster | None]:
    """One Ray for all queues of a command; None without workers."""
    if resources.workers == 0:
        yield None
        return
    one = Cluster(resources)
    try:
        yield one
    finally:
        one.close()
