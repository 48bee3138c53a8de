"""Addresses of logging in and out, the language switch and one's own account."""

from django.urls import path

from central.people import account, views

app_name = "people"
urlpatterns = [
    path("login/", views.log_in, name="login"),
    path("login/<str:secret>/", views.log_in_by_link, name="login-link"),
    path("logout/", views.log_out, name="logout"),
    path("language/", views.choose_language, name="language"),
    path("account/", account.overview, name="account"),
    path("account/password/", account.choose_password, name="password"),
    path("account/sessions/end-others/", account.end_other_sessions, name="end-other-sessions"),
    path("account/sessions/<int:number>/end/", account.end_session, name="end-session"),
]
