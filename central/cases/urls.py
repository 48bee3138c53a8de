"""Addresses of a case's photos."""

from django.urls import path

from central.cases import views

app_name = "cases"
urlpatterns = [
    path("cases/<int:case_id>/attachments/<int:attachment_id>.jpg", views.attachment, name="attachment"),
    path(
        "cases/<int:case_id>/attachments/<int:attachment_id>/thumbnail.jpg",
        views.thumbnail,
        name="attachment-thumbnail",
    ),
]
