"""Addresses of this app."""

from django.urls import path

from central.dispatch import case_part, views

app_name = "dispatch"
urlpatterns = [
    path("dispatch/mine/", views.mine, name="mine"),
    path("dispatch/position/", views.position, name="position"),
    path("dispatch/unassigned/", views.unassigned, name="unassigned"),
    path("dispatch/duty/", views.duty, name="duty"),
    path("dispatch/tasks/<int:order_id>/accept/", views.accept, name="accept"),
    path("dispatch/tasks/<int:order_id>/decline/", views.decline, name="decline"),
    path("dispatch/tasks/<int:order_id>/reassign/", views.reassign, name="reassign"),
    path("dispatch/tasks/<int:order_id>/give/", case_part.give, name="give"),
    path("cases/<int:case_id>/dispatch/", case_part.offers, name="case"),
]
