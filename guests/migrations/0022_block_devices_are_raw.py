"""Volumes that are block devices were kept with the kind of their partition as their format, and could not be attached."""

from __future__ import annotations

from typing import Any

from django.db import migrations

NO_IMAGE = ["none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "unknown"]


def read_as_raw(apps: Any, _editor: Any) -> None:
    volumes = apps.get_model("guests", "Volume").objects.filter(kind="block")
    volumes.filter(format__in=NO_IMAGE).update(format="raw")


class Migration(migrations.Migration):
    dependencies = [("guests", "0021_half_made")]

    operations = [migrations.RunPython(read_as_raw, migrations.RunPython.noop)]
