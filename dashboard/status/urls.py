"""URLs of the status pages."""

from __future__ import annotations

from django.urls import path

from dashboard.status import editing, views

app_name = "status"
urlpatterns = [
    path("", editing.page_list, name="list"),  # for administrators
    path("new/", editing.new_page, name="new"),
    path("<slug:slug>/", views.page, name="page"),  # for everybody, once published
    path("<slug:slug>/status.json", views.page_json, name="json"),
    path("<slug:slug>/edit/", editing.edit_page, name="edit"),
    path("<slug:slug>/publish/", editing.publish_page, name="publish"),
    path("<slug:slug>/delete/", editing.delete_page, name="delete"),
]
