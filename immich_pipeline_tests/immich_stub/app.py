"""One request from its key to its answer."""

import json
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from immich_pipeline_tests.immich_stub import (  # noqa: F401 - importing them registers what they answer
    about,
    albums,
    assets,
    duplicates,
    faces,
    forms,
    inputs,
    links,
    pictures,
    search,
    stacks,
    tags,
    uploads,
)
from immich_pipeline_tests.immich_stub.calls import HANDLERS, Answer, Call, Refusal, State
from immich_pipeline_tests.immich_world import ApiKey

JSON = "application/json; charset=utf-8"
WEB_PAGE = "<!doctype html><html><head><title>Immich</title></head><body></body></html>"
NOBODY = Call(user=None, secret="", path={}, query={}, headers={}, body={})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Endpoint:
    """A row of endpoints.toml."""

    call: str
    permission: str | None = None
    public: bool = False
    admin: bool = False
    answer: int = 200

    @property
    def method(self) -> str:
        return self.call.split(" ")[0]

    @property
    def template(self) -> str:
        return self.call.split(" ")[1]


def endpoints() -> list[Endpoint]:
    rows = tomllib.loads(Path(__file__).with_name("endpoints.toml").read_text(encoding="utf-8"))["endpoint"]
    return [Endpoint(**row) for row in rows]


def routes(serve: Callable[[Endpoint, Request], Awaitable[Response]]) -> list[Route]:
    def route(endpoint: Endpoint) -> Route:
        async def answer(request: Request) -> Response:
            return await serve(endpoint, request)

        return Route(f"/api{endpoint.template}", answer, methods=[endpoint.method])

    return [route(endpoint) for endpoint in endpoints()]


def answer(state: State, endpoint: Endpoint, request: Request, raw: bytes) -> Answer:
    """What Immich would say. Errors come back as answers as well."""
    try:
        key = None if endpoint.public else _key(state, endpoint, request)
        if key is None:
            return HANDLERS[endpoint.call](state, NOBODY)
        for name, value in request.path_params.items():
            inputs.check_uuid(value, name)
        call = Call(
            user=state.world.users[key.user_id],
            secret=key.secret,
            path=request.path_params,
            query=dict(request.query_params),
            headers=dict(request.headers),
            body=parse(raw, request.headers.get("content-type", "")),
        )
        return HANDLERS[endpoint.call](state, call)
    except Refusal as refusal:
        return Answer(refusal.status, refusal.body(state.dialect))


def parse(raw: bytes, content_type: str = "") -> dict[str, Any]:
    if not raw:
        return {}
    if forms.is_form(content_type):
        return dict(forms.read_form(content_type, raw))
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refusal(400, str(error)) from None
    if not isinstance(body, dict):
        raise Refusal(400, "Validation failed")
    return body


def _key(state: State, endpoint: Endpoint, request: Request) -> ApiKey:
    secret = request.headers.get("x-api-key")
    if not secret:
        raise Refusal(401, "Authentication required")
    key = state.world.keys.get(secret)
    if key is None:
        raise Refusal(401, "Invalid API key")
    if endpoint.admin and not state.world.users[key.user_id].is_admin:
        raise Refusal(403, "Forbidden")
    needed = endpoint.permission
    if needed is not None and "all" not in key.permissions and needed not in key.permissions:
        raise Refusal(403, f"Missing required permission: {needed}")
    return key


def response(given: Answer) -> Response:
    if given.content is not None:
        return Response(given.content, given.status, headers=dict(given.headers))
    if given.status == 204 or (given.status == 201 and given.body is None):
        return Response(status_code=given.status)
    body = json.dumps(given.body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, given.status, headers={"content-type": JSON})


def unknown(state: State, request: Request) -> Response:
    """Below /api an error; anywhere else the web page, whatever was asked for."""
    if request.url.path.startswith("/api"):
        refusal = Refusal(404, f"Cannot {request.method} {request.url.path}")
        return response(Answer(404, refusal.body(state.dialect)))
    return Response(WEB_PAGE, headers={"content-type": "text/html"})
