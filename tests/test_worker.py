"""The worker's two crews stop together, at once, and leave nothing behind."""

import os
import signal
import sys
import time
from pathlib import Path

from conftest import RealDatabase
from raseed.processes import Child

READY_S_MAX = 60.0
CREWS = 2


def test_a_worker_that_is_told_to_stop_lets_its_jobs_end(real_db: RealDatabase, tmp_path: Path) -> None:
    environment = {**os.environ, **real_db.environment(), "RASEED_ENV": "demo", "COLUMNS": "300"}
    worker = Child("worker", [sys.executable, "-m", "raseed.cli", "worker"], environment, tmp_path / "worker")
    try:
        deadline = time.monotonic() + READY_S_MAX
        with real_db.owner() as owner:

            def count(sql: str) -> int:
                row = owner.execute(sql).fetchone()
                assert row is not None
                owner.commit()
                return int(row[0])

            # At its start it has the sweeps to run: some job is in hand when it is told.
            while (
                count("SELECT count(*) FROM procrastinate_workers") < CREWS
                or count("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'") == 0
            ):
                assert time.monotonic() < deadline, worker.tail()
                time.sleep(0.01)
            worker.stop(signal.SIGTERM)
            assert worker.exit_code() == 0, worker.tail()
            assert count("SELECT count(*) FROM procrastinate_workers") == 0
            assert count("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'") == 0
    finally:
        worker.stop(signal.SIGKILL)
    assert "Traceback" not in worker.tail(20_000)
