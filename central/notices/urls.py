"""Addresses of the gateways' call-backs."""

from django.urls import path

from central.notices import views

app_name = "notices"

urlpatterns = [
    path("notices/twilio/status", views.twilio_status, name="twilio-status"),
    path("notices/twilio/answer", views.twilio_answer, name="twilio-answer"),
    path("notices/aliyun/<str:token>/reports", views.aliyun_reports, name="aliyun-reports"),
    path("notices/aliyun/<str:token>/answers", views.aliyun_answers, name="aliyun-answers"),
]
