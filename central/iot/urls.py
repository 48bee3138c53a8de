"""Addresses of this app."""

from django.urls import path

from central.iot import views

app_name = "iot"
urlpatterns = [
    path("iot/", views.alarms, name="alarms"),
    path("iot/alarms/<int:alarm_id>/acknowledge/", views.acknowledge, name="acknowledge"),
    path("iot/alarms/<int:alarm_id>/clear/", views.clear, name="clear"),
    path("iot/alarms/<int:alarm_id>/cap.xml", views.cap_xml, name="cap"),
    path("iot/dead/<int:dead_id>/", views.dead_letter, name="dead"),
    path("iot/devices/", views.devices, name="devices"),
    path("iot/devices/<int:device_id>/", views.device, name="device"),
    path("iot/devices/<int:device_id>/label/", views.label, name="label"),
]
