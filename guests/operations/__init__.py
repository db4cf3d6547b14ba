"""What may be asked of a guest or host: `ask` puts it into the queue, the host's worker does it."""

from guests.operations import (  # each registers its kinds
    creating,
    deleting,
    graphics,
    guest_settings,
    memory,
    migration,
    nics,
    power,
    saving,
    snapshots,
    text_devices,
    vcpus,
)
from guests.operations.queue import ask, ask_host, cancel, new_key, wait_for_end

__all__ = [
    "ask",
    "ask_host",
    "cancel",
    "creating",
    "deleting",
    "graphics",
    "guest_settings",
    "memory",
    "migration",
    "new_key",
    "nics",
    "power",
    "saving",
    "snapshots",
    "text_devices",
    "vcpus",
    "wait_for_end",
]
