"""Addresses of logging in and out, and of the language switch."""

from django.urls import path

from central.people import views

app_name = "people"
urlpatterns = [
    path("login/", views.log_in, name="login"),
    path("login/<str:secret>/", views.log_in_by_link, name="login-link"),
    path("logout/", views.log_out, name="logout"),
    path("language/", views.choose_language, name="language"),
]
