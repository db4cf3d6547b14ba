"""URLs of the status pages."""

from __future__ import annotations

from django.urls import path

from dashboard.status import views

app_name = "status"
urlpatterns = [
    path("", views.page_list, name="list"),  # for administrators
    path("new/", views.new_page, name="new"),
    path("<slug:slug>/", views.page, name="page"),  # for everybody, once published
    path("<slug:slug>/status.json", views.page_json, name="json"),
    path("<slug:slug>/edit/", views.edit_page, name="edit"),
]
