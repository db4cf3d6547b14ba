"""URLs of the hosts pages."""

from __future__ import annotations

from django.urls import path

from dashboard.hosts import starts, views

app_name = "hosts"
urlpatterns = [
    path("", views.host_list, name="list"),
    path("<str:name>/", views.host_detail, name="detail"),
    path("<str:name>/starts/", starts.starts, name="starts"),
]
