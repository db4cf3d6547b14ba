"""What may be asked of a guest or host: `ask` puts it into the queue, the host's worker does it."""

from guests.operations.queue import ask, new_key, wait_for_end

__all__ = ["ask", "new_key", "wait_for_end"]
