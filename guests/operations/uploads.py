"""An upload's beginning and end as operations of the host; what is between goes by `volume_wire`.

The volume is made raw and stays so until all of it is there: then its first bytes are looked at, and only an image that
needs no other file becomes what was said.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import IntegrityError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from guests.access import Action
from guests.errors import HypervisorError, OperationRefused
from guests.hypervisor import image_header
from guests.hypervisor import volumes as writing
from guests.hypervisor.connection import Connection
from guests.hypervisor.image_header import HEAD_BYTES, RefusedImage, refuse_image
from guests.hypervisor.pools import refresh_pool
from guests.hypervisor.volume_streams import read_pieces
from guests.inventory.leases import fenced
from guests.inventory.storage import Volume, keep_format
from guests.operations.facts import Facts
from guests.operations.half_made import making
from guests.operations.host_kinds import HostOperationKind, HostTask, register_host
from guests.operations.storage_task import at_pools, pool_of, refuse_name, refuse_size, volume_facts, words_of
from guests.operations.upload_models import Upload
from guests.operations.volumes import formats_in, refuse_taken, refuse_used

MOST_AT_ONCE = 8  # in one pool
ABANDONED_KIND = "cancel_abandoned_upload"


def _begin(task: HostTask) -> dict[str, Any]:
    pool = pool_of(task)
    name, size = refuse_name(task.parameters.get("name")), refuse_size(task.parameters.get("capacity_bytes"), "file")
    format = task.parameters.get("format")
    if format not in formats_in(pool):
        raise OperationRefused(_("Volumes of this pool cannot have this format."), field="format")
    if size > pool.available_bytes:
        raise OperationRefused(_("The pool has less space than that."), field="file")
    if Upload.objects.filter(pool=pool).count() >= MOST_AT_ONCE:
        raise OperationRefused(_("Too many uploads into this pool are under way: end or cancel one first."))
    refuse_taken(pool, name)
    asker = get_user_model().objects.filter(pk=int(task.parameters["by"])).first()
    with at_pools(task, pool) as connection:
        task.progress.sending()
        with making(task.progress, connection, (pool.uuid, name)):
            writing.create_volume(connection, pool.uuid, name, "raw", size, whole=False)
        keep_format(task.inventory.lease, pool.uuid, name, "raw")
        try:
            with fenced(task.inventory.lease):
                upload = Upload.objects.create(
                    pool=pool,
                    name=name,
                    format=format,
                    size_bytes=size,
                    fingerprint=str(task.parameters.get("fingerprint", ""))[:64],
                    by=asker,
                    by_name=asker.get_username() if asker else "",
                )
        except IntegrityError as error:
            raise OperationRefused(_("The pool already has a volume of this name."), field="name") from error
    return {"upload": str(upload.pk)}


def _has_begun(task: HostTask) -> bool:
    """Whoever dies before the row is there leaves a volume that `undoing` takes away."""
    name, pool = str(task.parameters.get("name")), UUID(str(task.parameters["pool"]))
    return Upload.objects.filter(pool__host=task.host, pool__uuid=pool, name=name).exists()


def _finish(task: HostTask) -> dict[str, Any]:
    upload = _upload_of(task)
    if upload.received_bytes != upload.size_bytes:
        raise OperationRefused(_("The host does not have all of it yet."))
    pool, name = upload.pool, upload.name
    with at_pools(task, pool) as connection:
        task.progress.sending()
        head = b"".join(read_pieces(connection, pool.uuid, name, 0, min(HEAD_BYTES, upload.size_bytes)))
        try:
            refuse_image(upload.format, head)
        except RefusedImage as refused:
            _drop(task, connection, upload)
            raise OperationRefused(_sentence(refused), detail=str(refused)) from refused
        if upload.format != "raw":
            _refuse_used_meanwhile(task, connection, upload)
            keep_format(task.inventory.lease, pool.uuid, name, upload.format)
        with fenced(task.inventory.lease):
            upload.delete()
        with suppress(HypervisorError):  # another volume is being made: it is looked into later
            refresh_pool(connection, pool.uuid)  # libvirt looks into the image: its size as a guest will see it
    return {"size_bytes": upload.size_bytes, "format": upload.format}


def _cancel(task: HostTask) -> dict[str, Any]:
    upload = _upload_of(task)
    with at_pools(task, upload.pool) as connection:
        task.progress.sending()
        _drop(task, connection, upload)
    return {"received_bytes": upload.received_bytes}


def _cancel_abandoned(task: HostTask) -> dict[str, Any]:
    """Not where somebody went on with it meanwhile."""
    if _upload_of(task).moved_at.isoformat() != task.before.get("moved_at"):
        raise OperationRefused(_("Somebody goes on with this upload."))
    return _cancel(task)


def parameters_of(upload: Upload) -> dict[str, Any]:
    """How an operation names an upload."""
    pool = upload.pool
    return {"pool": str(pool.uuid), "pool_name": pool.name, "name": upload.name, "upload": str(upload.pk)}


def _upload_of(task: HostTask) -> Upload:
    found = Upload.objects.filter(pool__host=task.host, pk=UUID(str(task.parameters["upload"])))
    upload = found.select_related("pool__host").first()
    if upload is None:
        raise OperationRefused(_("This upload ended already."))
    return upload


def _drop(task: HostTask, connection: Connection, upload: Upload) -> None:
    """Delete what came so far. It was a raw volume all the time: a guest may have got it."""
    volume = Volume.objects.filter(pool=upload.pool, name=upload.name).select_related("pool__host").first()
    if volume is not None:
        refuse_used(task, connection, volume)
        writing.delete_volume(connection, upload.pool.uuid, upload.name)
    with fenced(task.inventory.lease):
        Upload.objects.filter(pk=upload.pk).delete()


def _refuse_used_meanwhile(task: HostTask, connection: Connection, upload: Upload) -> None:
    volume = Volume.objects.filter(pool=upload.pool, name=upload.name).select_related("pool__host").first()
    if volume is not None:
        refuse_used(task, connection, volume)


def _sentence(refused: RefusedImage) -> str:
    texts = {
        image_header.NOT_QCOW2: _("The file is no qcow2 image; it was deleted on the host."),
        image_header.OTHER: _("The file is an image of the format %(format)s: say so, or convert it; it was deleted."),
        image_header.BACKING: _("The image needs a backing file: flatten it first (qemu-img convert); it was deleted."),
        image_header.EXTERNAL: _("The image keeps its data in another file: convert it first; it was deleted."),
    }
    text = texts.get(refused.reason) or _("The head of the image cannot be understood; it was deleted on the host.")
    return text % {"format": refused.detail}


def _facts(task: HostTask) -> Facts:
    upload = Upload.objects.filter(
        pool__host=task.host, pk=UUID(str(task.parameters.get("upload", UUID(int=0))))
    ).first()
    received = {"received_bytes": upload.received_bytes, "size_bytes": upload.size_bytes} if upload else {}
    return volume_facts(task) | received


def _about_upload(parameters: dict[str, Any]) -> str:
    return f"upload {parameters.get('upload')}"


BEGIN_UPLOAD = register_host(
    HostOperationKind(
        "begin_upload",
        gettext_lazy("Begin an upload"),
        Action.STORAGE,
        _begin,
        reached=_has_begun,
        words=words_of,
        facts=_facts,
    )
)
FINISH_UPLOAD = register_host(
    HostOperationKind(
        "finish_upload",
        gettext_lazy("End an upload"),
        Action.STORAGE,
        _finish,
        words=words_of,
        facts=_facts,
        about=_about_upload,
    )
)
CANCEL_ABANDONED_UPLOAD = register_host(
    HostOperationKind(
        ABANDONED_KIND,
        gettext_lazy("Cancel an abandoned upload"),
        Action.STORAGE,
        _cancel_abandoned,
        words=words_of,
        facts=_facts,
        about=_about_upload,
        standing=True,
    )
)
CANCEL_UPLOAD = register_host(
    HostOperationKind(
        "cancel_upload",
        gettext_lazy("Cancel an upload"),
        Action.STORAGE,
        _cancel,
        words=words_of,
        facts=_facts,
        about=_about_upload,
    )
)
