"""Addresses of live availability."""

from django.urls import path

from central.bays import api

app_name = "bays"
urlpatterns = [
    path("ngsi-ld/v1/entities/<path:bay_id>/attrs", api.attributes, name="attributes"),
    path("ngsi-ld/v1/entities/<path:bay_id>", api.entity, name="entity"),
    path("ngsi-ld/v1/entityOperations/update", api.update, name="update"),
]
