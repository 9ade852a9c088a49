"""The stand-in as a server: started and stopped by the test, with faults on demand."""

import asyncio
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from immich_pipeline_tests.immich_stub import app
from immich_pipeline_tests.immich_stub.calls import Answer, Refusal, State, dialect_of
from immich_pipeline_tests.immich_stub.openapi import Checker, checker_for
from immich_pipeline_tests.immich_world import World

FaultKind = int | Literal["drop", "cut", "slow", "html", "truncated"]
Peer = tuple[str, int]


@dataclass
class _Fault:
    where: str
    how: FaultKind
    times: int
    retry_after: str | None
    seconds: float


class StubServer:
    """A stateful Immich at `url`, serving `world` over real HTTP on this machine.

    Changes that a test makes to the world show at once (in worlds of 5,000 assets and more only if `world.tick()` or one of the
    world's methods was called). Hold `lock` around changes made while requests may be under way.

    With `validate`, every request and answer is checked against the server's own OpenAPI document where it is at hand; leaving the
    context raises AssertionError with what was found. The same happens, always, when a client asks for files to be deleted for good.

    Attributes:
        requests: (method, path, status) of every request so far, the path with /api and without the query; status 0: connection dropped.
        violations: what leaving the context will complain about.
    """

    def __init__(self, world: World, validate: bool = True) -> None:
        self.world = world
        self.requests: list[tuple[str, str, int]] = []
        self.lock = threading.RLock()
        self._state = State(world, dialect_of(world.version))
        self._checker: Checker | None = checker_for(self._state.dialect) if validate else None
        self._faults: list[_Fault] = []
        self._hooks: list[Callable[[str, str], None]] = []
        self._connections: dict[Peer, asyncio.BaseTransport] = {}
        self._port = 0
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Address without /api. The port stays the same over stop() and start()."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def violations(self) -> list[str]:
        return self._state.violations

    @property
    def checks_documents(self) -> bool:
        """Whether requests and answers are compared with an OpenAPI document."""
        return self._checker is not None

    def __enter__(self) -> "StubServer":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stop()
        if kind is None and self.violations:
            raise AssertionError("\n".join(self.violations))

    def start(self) -> None:
        # asyncio turns Nagle's delay off for sockets that say they are TCP's; others wait 40 ms for each small answer
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._application(),
            http=_protocol(self._connections),
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=_serve, args=(self._server, listener), name="immich-stub", daemon=True)
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.005)
            if not self._thread.is_alive():
                raise RuntimeError("the stand-in server did not start")

    def stop(self) -> None:
        """End the server; the world stays. Requests under way get a second."""
        if self._server is None or self._thread is None:
            return
        self._server.end()
        self._thread.join()
        self._server = self._thread = None
        self._connections.clear()

    def fail_next(
        self,
        path_contains: str,
        how: FaultKind,
        times: int = 1,
        retry_after: str | float | None = None,
        *,
        seconds: float = 1.0,
    ) -> None:
        """Let the next requests go wrong whose "METHOD /api/path?query" contains a text.

        Args:
            path_contains: any part of it, e.g. "/search/metadata" or "GET /api/assets".
            how: a status to answer with; "drop": the connection ends without an answer; "cut": it ends in the middle of the answer;
                "slow": the true answer after `seconds`; "html": a proxy's page with status 200; "truncated": half of the JSON, as if whole.
            times: how many requests.
            retry_after: value of that header, for a status.
            seconds: for "slow".
        """
        wait = None if retry_after is None else str(retry_after)
        with self.lock:
            self._faults.append(_Fault(path_contains, how, times, wait, seconds))

    def revoke(self, secret: str, permission: str | None = None) -> None:
        """Take one permission from a key ("all" becomes all others that the stand-in knows), or without one the key itself."""
        with self.lock:
            if permission is None:
                del self.world.keys[secret]
                return
            key = self.world.keys[secret]
            known = {endpoint.permission for endpoint in app.endpoints() if endpoint.permission}
            held = known if "all" in key.permissions else set(key.permissions)
            key.permissions = sorted(held - {permission})

    def on_request(self, hook: Callable[[str, str], None]) -> None:
        """Call `hook(method, path)` before each request is worked on; it may change the world."""
        self._hooks.append(hook)

    def _application(self) -> Starlette:
        anything = Route("/{rest:path}", self._unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
        return Starlette(routes=[*app.routes(self._serve), anything])

    async def _unknown(self, request: Request) -> Response:
        made = app.unknown(self._state, request)
        self._record(request, made.status_code)
        if made.status_code == 404 and self._checker is not None:
            self.violations.append(f"{request.method} {request.url.path}: no such endpoint")
        return made

    async def _serve(self, endpoint: app.Endpoint, request: Request) -> Response:
        raw = await request.body()
        with self.lock:
            for hook in self._hooks:
                hook(request.method, request.url.path)
            fault = self._next_fault(request)
        if fault is not None and fault.how == "slow":
            await asyncio.sleep(fault.seconds)
        elif fault is not None and fault.how == "drop":
            self._record(request, 0)
            return await self._hang_up(request)
        elif fault is not None and isinstance(fault.how, int):
            self._record(request, fault.how)
            return self._refuse(fault)
        with self.lock:
            given = app.answer(self._state, endpoint, request, raw)
            self._check(endpoint, request, raw, given)
        made = app.response(given)
        self._record(request, made.status_code)
        return await self._spoil(made, fault.how, request) if fault is not None else made

    def _record(self, request: Request, status: int) -> None:
        with self.lock:
            self.requests.append((request.method, request.url.path, status))

    def _next_fault(self, request: Request) -> _Fault | None:
        line = f"{request.method} {request.url.path}?{request.url.query}"
        for fault in self._faults:
            if fault.times > 0 and fault.where in line:
                fault.times -= 1
                return fault
        return None

    def _refuse(self, fault: _Fault) -> Response:
        assert isinstance(fault.how, int)
        words = {429: "Too Many Requests", 500: "Internal server error", 502: "Bad Gateway", 503: "Service Unavailable"}
        refusal = Refusal(fault.how, words.get(fault.how, "Failed on purpose"))
        made = app.response(Answer(fault.how, refusal.body(self._state.dialect)))
        if fault.retry_after is not None:
            made.headers["retry-after"] = fault.retry_after
        return made

    async def _hang_up(self, request: Request) -> Response:
        client = request.client
        assert client is not None
        self._connections[(client.host, client.port)].abort()  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)  # until the server has noticed
        return Response()

    async def _spoil(self, made: Response, how: FaultKind, request: Request) -> Response:
        if how == "html":
            return Response(app.WEB_PAGE, headers={"content-type": "text/html"})
        body = bytes(made.body)
        if how == "truncated":
            return Response(
                body[: len(body) // 2], made.status_code, headers={"content-type": made.headers["content-type"]}
            )
        if how == "cut":
            return _Cut(body, made, lambda: self._hang_up(request))
        return made

    def _check(self, endpoint: app.Endpoint, request: Request, raw: bytes, given: Answer) -> None:
        if self._checker is None:
            return
        content_type = request.headers.get("content-type", "")
        found = self._checker.request(endpoint.call, dict(request.query_params), raw, content_type)
        if given.status < 400 and given.content is None:
            found += self._checker.answer(endpoint.call, given.status, given.body)
        self.violations.extend(f"{endpoint.call}: {one}" for one in found)


class _Server(uvicorn.Server):
    """uvicorn's server, ended at once: the original looks only ten times a second whether it should."""

    def end(self) -> None:
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._ended.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        tick = 0
        while not await self.on_tick(tick * 10):  # keeps the Date header's seconds
            tick += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), timeout=0.5)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for _ in range(200):
            if not self.server_state.connections:
                break
            await asyncio.sleep(0.005)
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # as a server that is killed
        await asyncio.sleep(0.005)  # for the connections to learn of it
        for task in list(self.server_state.tasks):
            task.cancel()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)


def _serve(server: _Server, listener: socket.socket) -> None:
    """What the stand-in's thread does: none of it is the program's, so it need not be measured (which doubles the time it takes)."""
    sys.settrace(None)
    server.run([listener])


class _Cut(Response):
    """Announces the whole body, sends half of it, and ends the connection."""

    def __init__(self, body: bytes, made: Response, hang_up: Callable[[], Any]) -> None:
        super().__init__(body, made.status_code, headers=dict(made.headers))
        self._hang_up = hang_up

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await asyncio.sleep(0.02)  # so that what was sent arrives
        await self._hang_up()


def _protocol(connections: dict[Peer, asyncio.BaseTransport]) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, which tells where its connections are, so that they can be dropped."""

    class Protocol(HttpToolsProtocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            connections[transport.get_extra_info("peername")[:2]] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            connections.pop(self.transport.get_extra_info("peername")[:2], None)
            super().connection_lost(exc)

    return Protocol
