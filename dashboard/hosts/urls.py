"""URLs of the hosts pages."""

from __future__ import annotations

from django.urls import path

from dashboard.hosts import cpu_map, starts, views

app_name = "hosts"
urlpatterns = [
    path("", views.host_list, name="list"),
    path("<str:name>/", views.host_detail, name="detail"),
    path("<str:name>/cpus/", cpu_map.cpus, name="cpus"),
    path("<str:name>/cpus/now/", cpu_map.cpus_now, name="cpus-now"),  # POST: somebody looks at them
    path("<str:name>/starts/", starts.starts, name="starts"),
]
