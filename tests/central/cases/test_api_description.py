"""The OpenAPI document is whole, and whatever a machine makes up from it is answered, never with a fault of ours.

Calls are made up by schemathesis from the description that the centre serves, the same ones in each run; also what it does
not allow is sent. The public forms of Open311, of doors and of residents get the same by hypothesis.
"""

from __future__ import annotations

import string
from urllib.parse import urlencode

import schemathesis
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.wsgi import WSGIHandler
from django.test.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from central.cases.apikeys import RIGHTS, add_key
from central.grids.models import Grid
from central.project.brake import Brake
from central.shops import register
from central.shops.models import Code
from tests.central.cases.test_attachments import photo
from tests.central.engines import ON_SQLITE

RUN = settings(
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@ON_SQLITE
def test_nothing_made_up_from_the_description_is_a_fault_of_ours(centre, monkeypatch):
    monkeypatch.setattr(Brake, "wait_s", lambda self, caller, per_minute=None: 0)
    secret = add_key("machine", "sanlihe", RIGHTS, "dispatcher")
    client = Client(headers={"authorization": f"Bearer {secret}", "idempotency-key": "first"})
    body = {"source": "hotline", "service_code": "residents_voice", "text": "x", "place": "y"}
    number = client.post("/api/v1/cases", body, content_type="application/json").json()["id"]
    client.post(f"/api/v1/cases/{number}/attachments", photo(), content_type="image/jpeg")
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", WSGIHandler())
    seen = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        seen.add(operation.label)
        described = operation.definition.raw
        assert described["summary"], operation.label
        assert described["description"], operation.label
        assert {"401", "422", "429"} <= set(described["responses"]), operation.label
        both = operation.as_strategy(generation_mode=GenerationMode.POSITIVE) | operation.as_strategy(
            generation_mode=GenerationMode.NEGATIVE
        )

        @RUN
        @given(case=both)
        def ask(case):
            if "case_id" in (case.path_parameters or {}) and case.path_parameters["case_id"] == 0:
                case.path_parameters["case_id"] = number
            answer = case.call(headers={"Authorization": f"Bearer {secret}"})
            assert answer.status_code < 500, (case.as_curl_command(), answer.text[:500])

        ask()
    assert len(seen) >= 11


VALUES = st.one_of(
    st.text(max_size=40), st.sampled_from(["1", "-1", "1e999", "nan", "\x00", "2026-01-01T00:00:00Z", "true"])
)
NAMES = st.sampled_from(
    [
        "service_code",
        "lat",
        "long",
        "address_string",
        "attribute[what]",
        "attribute[x][]",
        "email",
        "phone",
        "description",
        "media_url",
        "first_name",
        "jurisdiction_id",
        "extensions",
    ]
) | st.text(string.ascii_lowercase, max_size=8)
QUERY = st.sampled_from(
    [
        "jurisdiction_id",
        "service_request_id",
        "service_code",
        "start_date",
        "end_date",
        "status",
        "page",
        "page_size",
        "extensions",
        "token",
        "api_key",
    ]
)


@ON_SQLITE
def test_open311_answers_whatever_is_sent(centre, monkeypatch):
    monkeypatch.setattr(Brake, "wait_s", lambda self, caller, per_minute=None: 0)
    monkeypatch.setattr(Brake, "waits_s", lambda self, caller: 0)
    secret = add_key("machine", "sanlihe")
    client = Client(raise_request_exception=False)

    @settings(RUN, max_examples=30)
    @given(
        form=st.dictionaries(NAMES, VALUES, max_size=8),
        good=st.booleans(),
        way=st.sampled_from(["multipart", "urlencoded", "raw"]),
        form_name=st.sampled_from(["json", "xml"]),
        raw=st.binary(max_size=60),
    )
    def post(form, good, way, form_name, raw):
        if good:
            form = {"service_code": "city_appearance", "address_string": "x", **form}
        form = {**form, "api_key": secret}
        path = f"/open311/v2/requests.{form_name}"
        if way == "multipart":
            answer = client.post(path, form)
        elif way == "urlencoded":
            answer = client.post(path, urlencode(form), content_type="application/x-www-form-urlencoded")
        else:
            answer = client.post(path, raw, content_type="multipart/form-data; boundary=x")
        assert answer.status_code < 500, (form, answer.content[:300])

    @settings(RUN, max_examples=25)
    @given(
        query=st.dictionaries(QUERY, VALUES, max_size=4),
        path=st.sampled_from(["requests", "services", "requests/1"]),
    )
    def get(query, path):
        answer = client.get(f"/open311/v2/{path}.xml", query)
        assert answer.status_code < 500, (query, answer.content[:300])

    post()
    get()


FIELDS = {
    "": ("key", "category", "text", "place", "longitude", "latitude", "phone", "me_too", "code"),
    "s/": ("stars", "text", "key", "phone", "digits", "a-exit_clear", "expires_on", "kind"),
    "say/p/": ("stars", "reason"),
}
"""What the public forms ask for, by where they lie."""
FORMS = ("say/", "say/suggestions/", "s/{0}/rate", "s/{0}/tip-off", "s/{0}/owner/code", "s/{0}/owner/enter",
         "s/{0}/owner/inspection", "s/{0}/owner/paper", "s/{0}/owner/appeal", "s/{0}/owner/leave", "say/p/{1}/rate",
         "say/p/{1}/reopen", "say/p/{1}/confirm")  # fmt: skip


@ON_SQLITE
def test_public_forms_answer_whatever_is_sent(centre, monkeypatch):
    monkeypatch.setattr(Brake, "wait_s", lambda self, caller, per_minute=None: 0)
    Grid.objects.create(jurisdiction_id="sanlihe", code="3", name="三里河", level=1)
    register.register("sanlihe", [register.NewShop("S-1", "小店", "retail")], "test")
    client = Client(raise_request_exception=False)
    said = {"key": "k" * 24, "category": "repairs", "text": "电梯坏了三天", "place": "三里河"}
    link = client.post("/say/", said)["Location"].partition("?")[0].rpartition("/")[2]
    addresses = [f"/{each.format(Code.objects.get().token, link)}" for each in FORMS]
    file = st.builds(lambda data: SimpleUploadedFile("a.jpg", data, "image/jpeg"), st.binary(max_size=40))

    @settings(RUN, max_examples=60)
    @given(data=st.data(), address=st.sampled_from(addresses), photo=st.none() | file)
    def post(data, address, photo):
        names = next(FIELDS[start] for start in ("say/p/", "s/", "") if address[1:].startswith(start))
        form = data.draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=6))
        if address == "/say/" and data.draw(st.booleans()):
            form = {**said, **form, "key": "k" * 25}
        if photo is not None:
            form |= {"photo": photo, "photos": photo}
        answer = client.post(address, form)
        assert answer.status_code < 500, (address, form, answer.content[:300])

    post()
