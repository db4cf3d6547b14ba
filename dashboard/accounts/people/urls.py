"""URLs of people and groups, below /accounts/."""

from __future__ import annotations

from django.urls import path

from dashboard.accounts.people import group_views, views

app_name = "people"
urlpatterns = [
    path("people/", views.person_list, name="list"),
    path("people/new/", views.new_person, name="new"),
    path("people/<int:pk>/", views.person, name="person"),
    path("people/<int:pk>/password/", views.set_password, name="password"),
    path("people/<int:pk>/second-factors/", views.reset_second_factors, name="second-factors"),
    path("people/<int:pk>/sessions/", views.end_sessions, name="sessions"),
    path("people/<int:pk>/delete/", views.delete_person, name="delete"),
    path("people/<int:pk>/roles/", views.give_role, name="give-role"),
    path("people/<int:pk>/roles/<int:grant_pk>/take/", views.take_role, name="take-role"),
    path("groups/", group_views.group_list, name="groups"),
    path("groups/new/", group_views.new_group, name="new-group"),
    path("groups/<int:pk>/", group_views.group, name="group"),
    path("groups/<int:pk>/members/", group_views.add_member, name="add-member"),
    path("groups/<int:pk>/members/<int:member_pk>/remove/", group_views.remove_member, name="remove-member"),
    path("groups/<int:pk>/delete/", group_views.delete_group, name="delete-group"),
    path("groups/<int:pk>/roles/", group_views.give_group_role, name="give-group-role"),
    path("groups/<int:pk>/roles/<int:grant_pk>/take/", group_views.take_group_role, name="take-group-role"),
]
