"""Addresses of this app."""

from django.urls import path

from central.dispatch import views

app_name = "dispatch"
urlpatterns = [
    path("dispatch/mine/", views.mine, name="mine"),
    path("dispatch/position/", views.position, name="position"),
    path("dispatch/unassigned/", views.unassigned, name="unassigned"),
    path("dispatch/duty/", views.duty, name="duty"),
    path("dispatch/tasks/<int:order_id>/accept/", views.accept, name="accept"),
    path("dispatch/tasks/<int:order_id>/decline/", views.decline, name="decline"),
    path("dispatch/tasks/<int:order_id>/reassign/", views.reassign, name="reassign"),
]
