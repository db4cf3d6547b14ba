"""Fill a fresh database with hosts and guests as the worker would have written them (no hypervisor is asked).

    GUESTHOUSE_DATA_DIR=DIR python bench/guest_list_rows.py GUESTS [SILENT_HOSTS]

An administrator "bench" with the password of $BENCH_PASSWORD can sign in. Values are random with a fixed seed.
"""

from __future__ import annotations

import os
import random
import sys
import uuid
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from guests.inventory.models import Guest, Host, HostState  # noqa: E402
from guests.resources import GuestState  # noqa: E402

MIB = 1024
GIB = 1024 * MIB
ROLES = ["web", "db", "cache", "mail", "build", "git", "queue", "proxy", "ldap", "metrics"]


def make_hosts(count: int, silent: int) -> list[Host]:
    """Hosts that answered a second ago; the last `silent` have not for four minutes, and are said to be unreachable."""
    now = timezone.now()
    hosts = []
    for number in range(count):
        up = number < count - silent
        hosts.append(
            Host.objects.create(
                name=f"kvm-{number + 1:02}",
                uri=f"qemu+ssh://root@kvm-{number + 1:02}/system",
                state=HostState.UP if up else HostState.UNREACHABLE,
                state_since=now - timedelta(hours=30 if up else 0, minutes=4),
                message="" if up else "connection timed out",
                seen_at=now if up else now - timedelta(minutes=4),
                next_try_at=None if up else now + timedelta(seconds=12),
                tick_ms=38,
                tick_s=86400.0,  # nobody ticks here: rows stay fresh for the length of a measurement
                hostname=f"kvm-{number + 1:02}.example.net",
                driver="QEMU",
                hypervisor_version="7.2.0",
                libvirt_version="9.0.0",
                architecture="x86_64",
                cpu_model="EPYC-Rome",
                cpus=16,
                memory_kib=128 * GIB,
                free_memory_kib=40 * GIB,
            )
        )
    return hosts


def make_guest(number: int, host: Host, dice: random.Random) -> Guest:
    """One guest, four of five running."""
    now = timezone.now()
    state = dice.choices(
        [GuestState.RUNNING, GuestState.SHUT_OFF, GuestState.PAUSED, GuestState.CRASHED, GuestState.IN_SHUTDOWN],
        [80, 12, 4, 2, 2],
    )[0]
    active = state.is_active
    maximum = dice.choice([2, 4, 8, 16]) * GIB
    current = dice.choice([maximum // 2, maximum, 3 * maximum // 4])
    level = dice.uniform(1, 70)
    history = [f"{min(100, max(0, dice.gauss(level, 8))):.1f}" for _ in range(60)]
    key = uuid.UUID(int=dice.getrandbits(128), version=4)
    vcpus = dice.choice([1, 2, 4, 8])
    mac = "52:54:00:" + ":".join(f"{dice.getrandbits(8):02x}" for _ in range(3))
    return Guest(
        id=key,
        uuid=key,
        host=host,
        name=f"{dice.choice(ROLES)}-{number:04}",
        domain_id=number + 1 if active else None,
        state=state,
        reason="booted" if active else "",
        state_since=now - timedelta(seconds=dice.randrange(20, 8_000_000)),
        virtualisation="full",
        seen_at=now,
        current_kib=current,
        maximum_kib=maximum,
        next_boot_current_kib=current,
        next_boot_maximum_kib=maximum * (2 if number % 25 == 3 else 1),
        balloon_kib=current if active else None,
        usable_kib=int(current * dice.uniform(0.05, 0.7)) if active and number % 9 else None,
        has_balloon=True,
        vcpus_current=vcpus,
        vcpus_maximum=vcpus * 2,
        next_boot_vcpus_current=vcpus,
        next_boot_vcpus_maximum=vcpus * 2,
        definition={"name": "x" * 2500},  # about as large as a real one
        next_boot={"name": "x" * 2500},
        macs=mac,
        cpu_percent=float(history[-1]) if active else None,
        disk_read_rate=dice.expovariate(1 / 400_000) if active else None,
        disk_written_rate=dice.expovariate(1 / 900_000) if active else None,
        received_rate=dice.expovariate(1 / 300_000) if active else None,
        sent_rate=dice.expovariate(1 / 900_000) if active else None,
        cpu_history=",".join(history) if active else "",
    )


def main(guests: int, silent: int = 0) -> None:
    call_command("migrate", verbosity=0)
    dice = random.Random(20261122)
    get_user_model().objects.create_superuser("bench", password=os.environ["BENCH_PASSWORD"])
    hosts = make_hosts(4, silent)
    Guest.objects.bulk_create([make_guest(number, hosts[number % len(hosts)], dice) for number in range(guests)])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
