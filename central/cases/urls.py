"""Addresses of a case's photos, notes and steps."""

from django.urls import path

from central.cases import case_part, views

app_name = "cases"
urlpatterns = [
    path("cases/<int:case_id>/attachments/<int:attachment_id>.jpg", views.attachment, name="attachment"),
    path(
        "cases/<int:case_id>/attachments/<int:attachment_id>/thumbnail.jpg",
        views.thumbnail,
        name="attachment-thumbnail",
    ),
    path("cases/<int:case_id>/notes/", case_part.notes, name="notes"),
    path("cases/<int:case_id>/notes/add/", case_part.write, name="write-note"),
    path("cases/<int:case_id>/steps/<slug:name>/", case_part.step, name="step"),
]
