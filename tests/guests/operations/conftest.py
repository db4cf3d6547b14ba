from tests.guests.worker.conftest import admin, asked, start_worker, worker

__all__ = ["admin", "asked", "start_worker", "worker"]
