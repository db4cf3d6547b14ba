"""What may be asked of a guest or host: `ask` puts it into the queue, the host's worker does it."""

from guests.operations import (  # each registers its kinds
    cloning,
    creating,
    deleting,
    graphics,
    guest_settings,
    memory,
    migration,
    nics,
    pools,
    power,
    saving,
    snapshots,
    text_devices,
    vcpus,
    volumes,
)
from guests.operations.queue import ask, ask_host, cancel, new_key, wait_for_end

__all__ = [
    "ask",
    "ask_host",
    "cancel",
    "cloning",
    "creating",
    "deleting",
    "graphics",
    "guest_settings",
    "memory",
    "migration",
    "new_key",
    "nics",
    "pools",
    "power",
    "saving",
    "snapshots",
    "text_devices",
    "vcpus",
    "volumes",
    "wait_for_end",
]
