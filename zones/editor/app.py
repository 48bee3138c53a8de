"""The page's server side: a few questions and answers in JSON, and the page's own files."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from protocol.clock import SystemClock
from protocol.errors import PatrolError, UnavailableError
from zones.editor.chinese import said
from zones.editor.grounding import look
from zones.editor.judging import Judgement, Vehicle, judge
from zones.editor.ports import Shot, Sight
from zones.editor.session import ChangedOnDiskError, Opened, Session
from zones.lint import years_ahead
from zones.model import ZoneFile

STATIC = Path(__file__).parent / "static"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Vehicle(_Body):
    box: tuple[float, float, float, float]
    label: Annotated[str, Field(max_length=40)]


class _Asked(_Body):
    data: dict[str, Any]
    vehicles: Annotated[list[_Vehicle], Field(max_length=500)] = []


class _Change(_Body):
    data: dict[str, Any]
    origins: list[int | None]
    base: str
    name: Annotated[str | None, Field(max_length=200)] = None


class _Ground(_Body):
    calibration: dict[str, Any]
    width: Annotated[int, Field(ge=16, le=16384)]
    height: Annotated[int, Field(ge=16, le=16384)]


class Editor:
    """Answers the page's questions about one session.

    Args:
        session: the file that is edited.
        sight: the camera, or None for a plain sheet.
        on_quit: called when the page asks for the end.
    """

    def __init__(self, session: Session, sight: Sight | None, on_quit: Callable[[], None]) -> None:
        self._session = session
        self._sight = sight
        self._on_quit = on_quit

    def app(self) -> Starlette:
        """The application; it has no protection of its own, see `zones.editor.guard`."""
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/static/{name}", self._static),
                Route("/api/open", self._open, methods=["POST"]),
                Route("/api/disk", self._disk),
                Route("/api/judge", self._judge, methods=["POST"]),
                Route("/api/changes", self._changes, methods=["POST"]),
                Route("/api/save", self._save, methods=["POST"]),
                Route("/api/ground", self._ground, methods=["POST"]),
                Route("/api/renew", self._renew, methods=["POST"]),
                Route("/api/shot/{number:int}", self._shot),
                Route("/api/seen/{number:int}", self._seen),
                Route("/api/quit", self._quit, methods=["POST"]),
            ],
            exception_handlers={PatrolError: _refused, ValidationError: _malformed},
        )

    async def _page(self, _: Request) -> Response:
        return Response((STATIC / "index.html").read_bytes(), media_type="text/html; charset=utf-8")

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _assets():
            return Response("Not found.\n", status_code=404, media_type="text/plain")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        kind = "text/javascript" if name.endswith(".js") else kind
        return Response((STATIC / name).read_bytes(), media_type=kind)

    async def _open(self, _: Request) -> Response:
        opened = await asyncio.to_thread(self._session.reopen)
        shot = self._sight.shot() if self._sight is not None else None
        return JSONResponse(
            {
                **self._file(opened),
                "schema": ZoneFile.model_json_schema(by_alias=True),
                "shot": _shot_facts(shot),
                "can_renew": self._sight is not None and self._sight.can_renew,
                "detects": self._sight is not None and self._sight.detects,
            }
        )

    def _file(self, opened: Opened) -> dict[str, Any]:
        path = self._session.path
        return {
            "name": path.name,
            "path": str(path.resolve()),
            "digest": opened.digest,
            "data": opened.data,
        }

    async def _disk(self, _: Request) -> Response:
        return JSONResponse({"digest": await asyncio.to_thread(self._session.digest_on_disk)})

    async def _judge(self, request: Request) -> Response:
        asked = _Asked.model_validate_json(await request.body())
        vehicles = [Vehicle(one.box, one.label) for one in asked.vehicles]
        years = years_ahead(SystemClock().utc_ms())
        return JSONResponse(_told(await asyncio.to_thread(judge, asked.data, vehicles, years=years)))

    async def _changes(self, request: Request) -> Response:
        change = _Change.model_validate_json(await request.body())
        lines, kept = await asyncio.to_thread(
            self._session.difference, change.data, change.origins, change.base
        )
        return JSONResponse({"lines": lines, "kept": kept})

    async def _save(self, request: Request) -> Response:
        change = _Change.model_validate_json(await request.body())
        saved = await asyncio.to_thread(
            lambda: self._session.save(change.data, change.origins, change.base, name=change.name)
        )
        return JSONResponse(self._file(saved))

    async def _ground(self, request: Request) -> Response:
        asked = _Ground.model_validate_json(await request.body())
        return JSONResponse(await asyncio.to_thread(look, asked.calibration, asked.width, asked.height))

    async def _renew(self, _: Request) -> Response:
        if self._sight is None:
            raise PatrolError("there is no camera", mend="Start the editor with --picture.")
        return JSONResponse(_shot_facts(await asyncio.to_thread(self._sight.renew)))

    async def _shot(self, request: Request) -> Response:
        shot = self._sight.shot() if self._sight is not None else None
        if shot is None or shot.number != request.path_params["number"]:
            return Response("Gone.\n", status_code=410, media_type="text/plain")
        return Response(shot.data, media_type=shot.media_type)

    async def _seen(self, request: Request) -> Response:
        seen = None
        if self._sight is not None:
            seen = await asyncio.to_thread(self._sight.seen, request.path_params["number"])
        if seen is None:
            return Response("Gone.\n", status_code=410, media_type="text/plain")
        return JSONResponse([asdict(one) for one in seen])

    async def _quit(self, _: Request) -> Response:
        self._on_quit()
        return JSONResponse({})


@cache
def _assets() -> frozenset[str]:
    return frozenset(
        path.name for path in STATIC.iterdir() if path.suffix in (".js", ".css", ".svg", ".json")
    )


def _told(judgement: Judgement) -> dict[str, Any]:
    return {
        "valid": judgement.file is not None,
        "faults": [fault.as_dict() for fault in judgement.faults],
        "remarks": [
            {**asdict(remark), "problem": said(remark.problem), "mend": said(remark.mend)}
            for remark in judgement.remarks
        ],
        "verdicts": [None if verdict is None else verdict.as_dict() for verdict in judgement.verdicts],
    }


def _shot_facts(shot: Shot | None) -> dict[str, Any] | None:
    if shot is None:
        return None
    return {"number": shot.number, "width": shot.width, "height": shot.height, "source": shot.source}


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, PatrolError)
    status = (
        409 if isinstance(error, ChangedOnDiskError) else 503 if isinstance(error, UnavailableError) else 400
    )
    told = {**error.as_dict(), "problem": said(error.problem), "mend": said(error.mend)}
    return JSONResponse({"error": told}, status_code=status)


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    faults = json.loads(error.json(include_url=False, include_context=False, include_input=False))
    text = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:3])
    return JSONResponse({"error": {"problem": said(f"the request is malformed: {text}")}}, status_code=400)
