"""URLs of guests and operations; `<uuid>` is `Guest.id`."""

from __future__ import annotations

from django.urls import path

from guests.views import (
    bulk,
    cloning,
    creating,
    definition,
    deleting,
    disks,
    find,
    guest_access,
    guest_list,
    guest_page,
    guest_settings,
    mac_page,
    migrating,
    network_page,
    nics,
    operation_list,
    pictures,
    power,
    resizing,
    snapshots,
)

app_name = "guests"
urlpatterns = [
    path("guests/", guest_list.guest_list, name="list"),
    path("guests/rows/", guest_list.guest_rows, name="rows"),  # ?id=…&id=…: the rows that changed
    path("guests/bulk/", bulk.bulk, name="bulk"),
    path("guests/new/", creating.new, name="new"),  # ?like=<id>, ?again=<operation>
    path("guests/new/fields/", creating.fields, name="new-fields"),
    path("guests/new/<uuid:operation_id>/", creating.created, name="created"),
    path("guests/pictures/", pictures.pictures, name="pictures"),  # POST: those that somebody looks at now
    path("guests/screens/", pictures.wall, name="screens"),  # ?guest=…&guest=…, or as the list
    path("find/", find.find, name="find"),
    path("guests/<uuid:guest_id>/", guest_page.overview, name="detail"),
    path("guests/<uuid:guest_id>/console/", guest_page.console, name="console"),
    path("guests/<uuid:guest_id>/resources/", guest_page.resources, name="resources"),
    path("guests/<uuid:guest_id>/devices/", guest_page.devices, name="devices"),
    path("guests/<uuid:guest_id>/history/", guest_page.history, name="history"),
    path("guests/<uuid:guest_id>/access/", guest_access.access, name="access"),
    path("guests/<uuid:guest_id>/access/give/", guest_access.give_role, name="give-role"),
    path("guests/<uuid:guest_id>/access/<int:pk>/take/", guest_access.take_role, name="take-role"),
    path("guests/<uuid:guest_id>/tags/", guest_access.tags, name="tags"),
    path("guests/<uuid:guest_id>/fragments/<slug:name>/", guest_page.fragment, name="fragment"),
    path("guests/<uuid:guest_id>/picture/", pictures.picture, name="picture"),
    path("guests/<uuid:guest_id>/power/<slug:kind>/", power.power, name="power"),
    path("guests/<uuid:guest_id>/settings/", guest_settings.settings, name="settings"),
    path("guests/<uuid:guest_id>/settings/<slug:what>/", guest_settings.change, name="change-setting"),
    path("guests/<uuid:guest_id>/definition/", definition.definition, name="definition"),
    path("guests/<uuid:guest_id>/definition/<int:version_id>/", definition.version, name="definition-version"),
    path("guests/<uuid:guest_id>/definition/<slug:which>.xml", definition.download, name="download-definition"),
    path("guests/<uuid:guest_id>/migrate/", migrating.migrate, name="migrate"),
    path("guests/<uuid:guest_id>/clone/", cloning.clone, name="clone"),
    path("guests/<uuid:guest_id>/delete/", deleting.delete, name="delete"),
    path("guests/<uuid:guest_id>/snapshots/", snapshots.snapshots, name="snapshots"),
    path("guests/<uuid:guest_id>/snapshots/take/", snapshots.take, name="take-snapshot"),
    path("guests/<uuid:guest_id>/snapshots/<str:snapshot>/revert/", snapshots.revert, name="revert-to-snapshot"),
    path("guests/<uuid:guest_id>/snapshots/<str:snapshot>/delete/", snapshots.delete, name="delete-snapshot"),
    path("guests/<uuid:guest_id>/memory/", resizing.resize_memory, name="resize-memory"),
    path("guests/<uuid:guest_id>/vcpus/", resizing.resize_vcpus, name="resize-vcpus"),
    path("guests/<uuid:guest_id>/revert/<slug:what>/", resizing.revert, name="revert"),
    path("guests/<uuid:guest_id>/disks/add/", disks.add, name="add-disk"),
    path("guests/<uuid:guest_id>/disks/add-drive/", disks.add_drive, name="add-drive"),
    path("guests/<uuid:guest_id>/disks/<str:target>/", disks.disk, name="disk"),
    path("guests/<uuid:guest_id>/disks/<str:target>/<slug:act>/", disks.act, name="disk-act"),
    path("guests/<uuid:guest_id>/nics/add/", nics.add, name="add-nic"),
    path("guests/<uuid:guest_id>/nics/<str:mac>/", nics.change, name="change-nic"),
    path("guests/<uuid:guest_id>/nics/<str:mac>/remove/", nics.remove, name="remove-nic"),
    path("macs/", mac_page.macs, name="macs"),
    path("networks/", network_page.networks, name="networks"),
    path("operations/", operation_list.operation_list, name="operations"),
    path("operations/<uuid:operation_id>/", operation_list.operation_fragment, name="operation"),
    path("operations/<uuid:operation_id>/cancel/", operation_list.cancel_operation, name="cancel-operation"),
]
