"""Two clients that others wrote, against the running service: one reads both formats, the other posts and reads."""

from __future__ import annotations

import itertools
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from georeport import GeoReport

from central.cases.apikeys import add_key
from central.cases.models import Attachment, Case
from tests.central.cases.test_attachments import photo
from tests.central.engines import ON_SQLITE


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(centre):
    """Where the whole centre answers over HTTP."""
    server = make_server("127.0.0.1", 0, WSGIHandler(), handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    connections.close_all()


@ON_SQLITE
def test_clients_of_others_report_with_a_picture_and_read_it_again(served, tmp_path, monkeypatch):
    # The wrapper was written for Python 2; this one name is all that it misses.
    monkeypatch.setattr(itertools, "ifilter", filter, raising=False)
    from three import Three

    key = add_key("city-app", "sanlihe")
    (tmp_path / "photo.jpg").write_bytes(photo())
    poster = Three(f"{served}/open311/v2", api_key=key, jurisdiction="sanlihe", format="json")
    endpoint = poster.discovery(f"{served}/open311/discovery.json")
    assert f"{served}/open311/v2".encode() in endpoint
    with (tmp_path / "photo.jpg").open("rb") as media:
        ((made),) = poster.post(
            "city_appearance",
            address="三里河南区3号楼",
            name="Xiuying Wang",
            phone="13800138000",
            description="rubbish behind the house",
            media=media,
        )
    case = Case.objects.get()
    assert made["service_request_id"] == str(case.pk)
    assert Attachment.objects.get().case == case
    ((read),) = poster.request(made["service_request_id"], api_key=key)
    assert read["description"] == "rubbish behind the house"
    assert poster.request("999")[0]["code"] == 404
    assert poster.post("alchemy", address="x")[0]["code"] == 404

    for form in ("json", "xml"):
        reader = GeoReport(f"{served}/open311/v2", jurisdiction="sanlihe", output_format=form)
        services = reader.get_service_list()
        assert [found["service_code"] for found in services] == ["city_appearance", "residents_voice"]
        assert [found["metadata"] in (True, "true") for found in services] == [True, False]
        asked = reader.get_service_definition("city_appearance")
        assert asked["service_code"] == "city_appearance"
        assert reader.get_service_request(str(case.pk))["service_request_id"] == str(case.pk)
        listed = reader.get_service_requests(service_code="city_appearance", status="open")
        assert (listed[0] if form == "json" else listed)["status"] == "open"
