"""Addresses of the statistics."""

from django.urls import path

from central.statistics import views

app_name = "statistics"
urlpatterns = [
    path("", views.page, name="page"),
    path("<slug:name>.csv", views.table, name="table"),
]
