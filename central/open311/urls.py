"""Addresses of this app. The format is the last part of an address, as the specification has it."""

from django.urls import path, register_converter

from central.open311 import views

app_name = "open311"


class Form:
    """json or xml."""

    regex = "json|xml"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(Form, "form")

V2 = "open311/v2/"
urlpatterns = [
    path("open311/discovery.<form:form>", views.discovery, name="discovery"),
    path("open311/media/<str:token>.jpg", views.media, name="media"),
    path(V2 + "discovery.<form:form>", views.discovery, name="discovery-v2"),
    path(V2 + "services.<form:form>", views.services, name="services"),
    path(V2 + "services/<str:code>.<form:form>", views.service, name="service"),
    path(V2 + "requests.<form:form>", views.requests, name="requests"),
    path(V2 + "requests/<str:number>.<form:form>", views.request_, name="request"),
    path(V2 + "tokens/<str:token>.<form:form>", views.token_, name="token"),
    path(V2 + "<path:rest>", views.nothing_here, name="nothing"),
]
