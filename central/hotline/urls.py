"""Addresses of the hotline."""

from django.urls import path

from central.hotline import errand_views, figures, intake, views
from central.hotline.city import push
from central.hotline.city import views as city

app_name = "hotline"
urlpatterns = [
    path("hotline/", views.desk, name="desk"),
    path("hotline/new/", intake.new, name="new"),
    path("hotline/new/caller/", intake.caller, name="caller"),
    path("hotline/new/places/", intake.places, name="places"),
    path("hotline/new/same/", intake.same, name="same"),
    path("hotline/calls/<int:call_id>/", views.call, name="call"),
    path("hotline/calls/<int:call_id>/call-back/", errand_views.call_back, name="call-back"),
    path("hotline/due/", errand_views.due, name="due"),
    path("hotline/due/<int:errand_id>/finish/", errand_views.finish, name="finish"),
    path("hotline/due/<int:errand_id>/cancel/", errand_views.cancel, name="cancel"),
    path("hotline/figures/", figures.page, name="figures"),
    path("hotline/figures.csv", figures.table, name="table"),
    path("hotline/city/", city.page, name="city"),
    path("hotline/city/push/", push.push, name="push"),
    path("hotline/city/reports/<int:report_id>/again/", city.again, name="again"),
    path("cases/<int:case_id>/hotline/", errand_views.case_part, name="case"),
    path("cases/<int:case_id>/hotline/ask/", errand_views.ask, name="ask"),
]
