"""Every address of the centre. What is not marked open needs a log-in (see `central.people.access`)."""

from django.urls import include, path

from central.cases import api as cases_api
from central.iot import api as iot_api
from central.operations import views as operations
from central.shops import api as shops_api
from central.voice import api as voice_api

# One API for all apps: whoever has calls of its own adds them here.
cases_api.api.add_router("/", iot_api.router)
cases_api.api.add_router("/shops", shops_api.router)
cases_api.api.add_router("/voice", voice_api.router)

urlpatterns = [
    path("healthz", operations.healthz, name="healthz"),
    path("readyz", operations.readyz, name="readyz"),
    path("metrics", operations.metrics_, name="metrics"),
    path("", include("central.people.door")),
    path("", include("central.people.urls")),
    path("", include("central.cases.urls")),
    path("api/v1/", cases_api.addresses()),
    path("", include("central.notices.urls")),
    path("", include("central.bays.urls")),
    path("", include("central.driver.urls")),
    path("", include("central.field.urls")),
    path("", include("central.clocks.urls")),
    path("", include("central.dispatch.urls")),
    path("", include("central.contact.urls")),
    path("", include("central.shops.urls")),
    path("", include("central.voice.urls")),
    path("", include("central.hotline.urls")),
    path("", include("central.iot.urls")),
    path("", include("central.open311.urls")),
    path("", include("central.webhooks.urls")),
    path("statistics/", include("central.statistics.urls")),
    path("administration/", include("central.administration.urls")),
    path("", include("central.pages.urls")),
]

handler400 = "central.pages.errors.bad_request"
handler403 = "central.pages.errors.forbidden"
handler404 = "central.pages.errors.not_found"
handler500 = "central.pages.errors.server_error"
