"""Uploads that nobody goes on with: their host's worker cancels them after a while, so that pools do not fill."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from guests.audit import record
from guests.inventory.changes import Feed, next_revision
from guests.inventory.leases import Lease, fenced
from guests.operations.host_starts import OWN_NAME
from guests.operations.models import Operation
from guests.operations.upload_models import Upload
from guests.operations.uploads import ABANDONED_KIND, parameters_of

AGAIN = timedelta(hours=1)  # after one that was refused: its pool hangs, or a guest has got the volume


def cancel_abandoned(lease: Lease) -> int:
    """Ask for the end of each upload of the host that did not move for UPLOAD_HOURS; answers how many."""
    if not settings.UPLOAD_HOURS:
        return 0
    now = timezone.now()
    due = Upload.objects.filter(
        pool__host_id=lease.host_id, moved_at__lt=now - timedelta(hours=settings.UPLOAD_HOURS)
    ).select_related("pool__host")
    tried = Operation.objects.filter(host_id=lease.host_id, kind=ABANDONED_KIND, asked_at__gt=now - AGAIN)
    asked = {operation.parameters.get("upload") for operation in tried} if due else set()
    abandoned = [upload for upload in due if str(upload.pk) not in asked]
    for upload in abandoned:
        _ask(lease, upload)
    return len(abandoned)


def _ask(lease: Lease, upload: Upload) -> None:
    """An operation that nobody asked for: it follows from a setting."""
    host, asked = upload.pool.host, parameters_of(upload)
    before = {"by": upload.by_name, "received_bytes": upload.received_bytes, "moved_at": upload.moved_at.isoformat()}
    with fenced(lease):
        operation = Operation.objects.create(
            kind=ABANDONED_KIND,
            host=host,
            asked_by_name=OWN_NAME,
            idempotency_key="",
            parameters=asked,
            before=before,
            revision=next_revision(Feed.OPERATIONS),
        )
        record(
            f"host.{ABANDONED_KIND}",
            by_name=OWN_NAME,
            host=host,
            operation=str(operation.pk),
            asked=asked,
            before=before,
        )
