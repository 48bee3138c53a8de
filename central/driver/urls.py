"""Addresses for drivers. Short, because they stand in messages; see `notifier.links.PATH`."""

from django.urls import path

from central.driver import review, views

app_name = "driver"
urlpatterns = [
    path("n/<str:token>", views.page, name="page"),
    path("n/<str:token>/picture.jpg", views.own_picture, name="picture"),
    path("n/<str:token>/left", views.left, name="left"),
    path("n/<str:token>/wrong", views.wrong, name="wrong"),
    path("n/<str:token>/bay", views.another_bay, name="bay"),
    path("cases/<int:case_id>/objection/", review.review, name="review"),
]
