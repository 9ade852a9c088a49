import gzip
import json
import logging
import socket
import ssl
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from pydantic import SecretStr

from immich_pipeline.immich import transport as module
from immich_pipeline.immich.calls import Call
from immich_pipeline.immich.errors import ApiError, ImmichError, NotFound, Unreachable
from immich_pipeline.immich.settings import Tls
from immich_pipeline.immich.transport import Transport
from immich_pipeline_tests.immich.scripted import DROP, Reply, Scripted, scripted

KEY = "key-of-alice-5f3a9c"
TAGS = Call("GET /tags")
ONCE = Call("POST /albums", body={"albumName": "Zoë"}, repeatable=False)
THUMBNAIL = Call("GET /assets/{id}/thumbnail", {"id": "1"}, {"size": "preview"}, missing_is_404=True, redirects=False)
ORIGINAL = Call("GET /assets/{id}/original", {"id": "1"}, missing_is_404=True)


def _json(answer: object, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(answer).encode(), {"Content-Type": "application/json"} | headers)


@contextmanager
def _open(url: str, naps: list[float] | None = None, **options: Any) -> Iterator[Transport]:
    given: dict[str, Any] = {
        "tls": Tls(), "requests_per_second": 10_000, "concurrency": 4, "timeout_seconds": 5, "retries": 3,
        "sleep": (naps if naps is not None else []).append,
    } | options  # fmt: skip
    transport = Transport(url, SecretStr(KEY), **given)
    try:
        yield transport
    finally:
        transport.close()


def _long(naps: list[float]) -> list[float]:
    """Pauses between attempts, without those that keep the pace."""
    return [nap for nap in naps if nap > 0.01]


def _everything(error: BaseException) -> str:
    """All that a log or a tool could show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.args) + repr(error.__dict__)


# ---- what is sent and what comes back


def test_an_answer_and_what_is_sent() -> None:
    with (
        scripted(_json([1, "ü"], Date="Sat, 21 Nov 2026 12:00:00 GMT")) as server,
        _open(server.url + "/api/") as transport,
    ):
        assert transport.server_time is None
        assert transport.json(TAGS) == [1, "ü"]
        assert transport.server_time == datetime(2026, 11, 21, 12, tzinfo=UTC)
    method, path, headers = server.seen[0]
    assert (method, path) == ("GET", "/api/tags")
    assert {name.lower(): value for name, value in headers.items()}["x-api-key"] == KEY


def test_names_in_the_path_the_query_and_the_body() -> None:
    with scripted(_json({})) as server, _open(server.url) as transport:
        transport.json(Call("PUT /stacks/{id}", {"id": "7"}, {"a": "b c", "d": "&"}, {"name": "写真"}))
    assert server.calls == ["PUT /api/stacks/7?a=b+c&d=%26"]
    assert json.loads(server.bodies[0]) == {"name": "写真"}


def test_an_empty_answer_is_none() -> None:
    with scripted(Reply(204, b"")) as server, _open(server.url) as transport:
        assert transport.json(TAGS) is None


def test_the_address_may_have_a_path() -> None:
    with scripted(_json({})) as server, _open(server.url + "/photos/") as transport:
        transport.json(TAGS)
    assert server.calls == ["GET /photos/api/tags"]


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Sat, 99 Nov 2026 12:00:00 GMT", "Sat, 21 Nov 99999999999 12:00:00 GMT"]
)
def test_a_clock_that_cannot_be_read_is_not_known(date: str) -> None:
    with scripted(_json({}, Date=date)) as server, _open(server.url) as transport:
        transport.json(TAGS)
        assert transport.server_time is None


@pytest.mark.parametrize(
    "url", ["", "nas", "ftp://nas", "http://", "http://alice:secret@nas", "http://[::1", "http://nas:99999999"]
)
def test_an_address_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ImmichError, match="the address of Immich must be like") as caught, _open(url):
        pass
    assert "secret" not in _everything(caught.value)


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ImmichError, match="copy it from Immich again") as caught:
        Transport(
            "http://nas", SecretStr(key), tls=Tls(), requests_per_second=1, concurrency=1, timeout_seconds=1, retries=0,
            sleep=time.sleep,
        )  # fmt: skip
    assert not key or key not in str(caught.value)


# ---- faults that pass


@pytest.mark.parametrize("fault", [Reply(status, b"<html>") for status in (429, 500, 502, 503, 504)] + [DROP])
def test_a_fault_that_passes_is_not_noticed(fault: Reply) -> None:
    naps: list[float] = []
    with scripted(fault, fault, _json(["done"])) as server, _open(server.url, naps) as transport:
        assert transport.json(TAGS) == ["done"]
    assert len(server.seen) == 3
    first, second = _long(naps)
    assert 0.25 <= first <= 0.5 <= second <= 1.0


def test_a_fault_that_stays_is_told_with_the_number_of_attempts() -> None:
    naps: list[float] = []
    with scripted(_json({"message": "Internal server error"}, 500)) as server, _open(server.url, naps) as transport:
        with pytest.raises(ApiError, match=r"GET /tags: 500 Internal server error after 4 attempts") as caught:
            transport.json(TAGS)
        assert (caught.value.status, caught.value.attempts, len(server.seen)) == (500, 4, 4)
    assert len(_long(naps)) == 3


def test_pauses_grow_but_not_for_ever() -> None:
    naps: list[float] = []
    with scripted(Reply(503, b"")) as server, _open(server.url, naps, retries=9) as transport, pytest.raises(ApiError):
        transport.json(TAGS)
    assert 15 <= max(_long(naps)) <= 30


@pytest.mark.parametrize(
    ("told", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0.2, 0.5),
        ("86400", 60, 60),
        ("soon", 0.2, 0.5),
        ("-5", 0.2, 0.5),
        ("9" * 400, 0.2, 0.5),
        (timedelta(seconds=20), 17, 20),
        (timedelta(hours=-1), 0.2, 0.5),
    ],
)
def test_the_server_may_say_how_long_to_wait(told: str | timedelta, least: float, most: float) -> None:
    if isinstance(told, timedelta):  # a moment, told when it is needed
        told = format_datetime(datetime.now(UTC) + told, usegmt=True)
    naps: list[float] = []
    with scripted(Reply(429, b"", {"Retry-After": told}), _json({})) as server, _open(server.url, naps) as transport:
        transport.json(TAGS)
    (nap,) = _long(naps)
    assert least <= nap <= most


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with _open(url) as transport, pytest.raises(Unreachable, match=r"cannot be reached \(.*refused, 4 attempts\)"):
        transport.json(TAGS)


def test_too_slow() -> None:
    with (
        scripted(Reply(wait=5)) as server,
        _open(server.url, timeout_seconds=0.1, retries=1) as transport,
        pytest.raises(Unreachable, match="does not answer in time"),
    ):
        transport.json(TAGS)


def test_what_must_not_happen_twice_is_not_repeated_when_it_may_have_happened() -> None:
    for fault in (DROP, Reply(500, b""), Reply(502, b"")):
        with scripted(fault, _json({})) as server, _open(server.url) as transport:
            with pytest.raises(ImmichError):
                transport.json(ONCE)
            assert len(server.seen) == 1
    with scripted(Reply(503, b""), Reply(429, b""), _json("made")) as server, _open(server.url) as transport:
        assert transport.json(ONCE) == "made"


# ---- faults that do not pass


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 422, 501])
def test_no_other_error_is_tried_again(status: int) -> None:
    naps: list[float] = []
    with scripted(_json({"message": "No"}, status)) as server, _open(server.url, naps) as transport:
        with pytest.raises(ApiError) as caught:
            transport.json(TAGS)
        assert (caught.value.endpoint, caught.value.status, caught.value.server_message) == ("GET /tags", status, "No")
        assert (len(server.seen), _long(naps)) == (1, [])


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (
            401,
            {"message": "Invalid API key", "error": "Unauthorized"},
            "the API key is not accepted (GET /tags: 401 Invalid",
        ),
        (403, {"message": "Missing required permission: tag.read"}, "the API key lacks the permission tag.read; give"),
        (403, {"message": "Forbidden"}, "Immich refused GET /tags: 403 Forbidden"),
        (400, {"message": ["size must not", "be large"]}, "400 size must not; be large"),
        (400, {"message": "Bad", "errors": [{"path": ["a", 0], "message": "Too big"}, 7]}, "400 Bad (a.0: Too big)"),
        (400, {"message": "Bad", "errors": [{"path": [], "message": "?"}]}, "400 Bad (?)"),
        (400, {"message": "Bad", "errors": []}, "400 Bad"),
        (400, {"message": "line\n\x1b[31mred\u2028 " + "x" * 900}, "line [31mred xxx"),
    ],
)
def test_errors_in_the_servers_words(status: int, answer: object, words: str) -> None:
    with scripted(_json(answer, status)) as server, _open(server.url) as transport, pytest.raises(ApiError) as caught:
        transport.json(TAGS)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(caught.value.server_message) <= 300
    assert caught.value.missing_permission == ("tag.read" if "tag.read" in words else None)


@pytest.mark.parametrize("body", [b"<html>login</html>", b"", b"[" * 100_000, b'"no"', b'{"message": 5}', b"\xff\xfe"])
def test_errors_that_are_not_immichs_mean_a_wrong_address(body: bytes) -> None:
    with (
        scripted(Reply(404, body)) as server,
        _open(server.url) as transport,
        pytest.raises(Unreachable, match="not as Immich does: check the address"),
    ):
        transport.json(TAGS)


@pytest.mark.parametrize("body", [b"<!doctype html>", b"[" * 100_000, b'{"a": NaN}', b"\xff"])
def test_an_answer_that_is_not_json_means_a_wrong_address(body: bytes) -> None:
    with (
        scripted(Reply(200, body)) as server,
        _open(server.url) as transport,
        pytest.raises(Unreachable, match="not JSON: check the address"),
    ):
        transport.json(TAGS)


def test_not_found() -> None:
    missing = _json({"message": "Not found or no asset.read access"}, 400)
    for reply, call in ((missing, TAGS), (Reply(404, b""), THUMBNAIL), (_json({"message": "Nope"}, 404), ORIGINAL)):
        with (
            scripted(reply) as server,
            _open(server.url) as transport,
            pytest.raises(NotFound, match="not on the server, or not this user's"),
        ):
            transport.json(call)


def test_answers_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(Reply(body=b"x" * 2000)) as server, _open(server.url) as transport:
        assert len(transport.content(THUMBNAIL, 2000)) == 2000
        with pytest.raises(ApiError, match="more than 1,999 bytes"):
            transport.content(THUMBNAIL, 1999)
        monkeypatch.setattr(module, "LARGEST_JSON", 10)
        with pytest.raises(ApiError, match="more than 10 bytes"):
            transport.json(TAGS)
    assert len(server.seen) == 3
    bomb = Reply(body=gzip.compress(b" " * 20_000_000), headers={"Content-Encoding": "gzip"})
    with scripted(bomb) as server, _open(server.url) as transport, pytest.raises(ApiError, match="more than 10 bytes"):
        transport.json(TAGS)


def test_an_endless_error_page_is_cut() -> None:
    with (
        scripted(Reply(500, b"x" * 3_000_000)) as server,
        _open(server.url, retries=0) as transport,
        pytest.raises(ApiError, match="GET /tags: 500 Internal Server Error"),
    ):
        transport.json(TAGS)


def test_what_cannot_be_unpacked_is_an_error() -> None:
    garbage = Reply(body=b"garbage", headers={"Content-Encoding": "gzip"})
    with (
        scripted(garbage) as server,
        _open(server.url) as transport,
        pytest.raises(Unreachable, match="cannot be read"),
    ):
        transport.json(TAGS)
    assert len(server.seen) == 1


def test_json_that_is_cut_off_is_asked_for_again() -> None:
    cut = Reply(body=b'["half', headers={"Content-Type": "application/json"})
    with scripted(cut, _json(["whole"])) as server, _open(server.url) as transport:
        assert transport.json(TAGS) == ["whole"]
        server.replies[:] = [cut]
        with pytest.raises(Unreachable, match="not JSON"):
            transport.json(TAGS)
    assert len(server.seen) == 6


# ---- redirects


def test_redirects_are_followed_on_the_same_server() -> None:
    moved = Reply(302, b"", {"Location": "/api/tags/?x=1"})
    with scripted(moved, _json(["there"])) as server, _open(server.url) as transport:
        assert transport.json(TAGS) == ["there"]
    assert server.calls == ["GET /api/tags", "GET /api/tags/?x=1"]


def test_the_key_goes_to_no_other_server() -> None:
    with scripted(_json(["stolen"])) as thief, scripted(Reply()) as server, _open(server.url) as transport:
        for target in (thief.url, thief.url.replace("127.0.0.1", "localhost"), thief.url.replace("http://", "//")):
            server.replies[:] = [Reply(307, b"", {"Location": f"{target}/api/tags"})]
            with pytest.raises(Unreachable, match="where the API key is not sent"):
                transport.json(TAGS)
    assert thief.seen == []


def test_a_change_is_redirected_only_as_a_whole() -> None:
    with (
        scripted(Reply(308, b"", {"Location": "/api/albums/"}), _json("made")) as server,
        _open(server.url) as transport,
    ):
        assert transport.json(ONCE) == "made"
    assert server.bodies[0] == server.bodies[1]
    with (
        scripted(Reply(301, b"", {"Location": "/api/albums/"})) as server,
        _open(server.url) as transport,
        pytest.raises(Unreachable, match="loses what is sent"),
    ):
        transport.json(ONCE)


@pytest.mark.parametrize(
    ("location", "words"),
    [("/api/tags", "again and again"), ("http://[::", "where the API key is not sent|Invalid URL")],
)
def test_redirects_that_lead_nowhere(location: str, words: str) -> None:
    with (
        scripted(Reply(302, b"", {"Location": location})) as server,
        _open(server.url) as transport,
        pytest.raises(Unreachable, match=words),
    ):
        transport.json(TAGS)


def test_a_redirected_picture_is_not_there() -> None:
    with (
        scripted(Reply(302, b"original?", {"Location": "original?"})) as server,
        _open(server.url) as transport,
        pytest.raises(NotFound, match="302 the server points to another picture"),
    ):
        transport.content(THUMBNAIL, 1000)
    assert len(server.seen) == 1


# ---- streams


def test_a_stream() -> None:
    body = bytes(range(256)) * 5000
    with scripted(Reply(body=body)) as server, _open(server.url) as transport:
        with transport.stream(ORIGINAL) as pieces:
            assert b"".join(pieces) == body
        server.replies[:] = [Reply(body=b"")]
        with transport.stream(ORIGINAL) as pieces:
            assert list(pieces) == []
    assert {name.lower(): value for name, value in server.seen[0][2].items()}["accept-encoding"] == "identity"


def test_a_stream_is_begun_again_but_not_continued() -> None:
    short = Reply(body=b"x" * 300_000, promised=600_000)
    with (
        scripted(DROP, Reply(503, b""), Reply(body=b"", promised=8), short, _json({})) as server,
        _open(server.url) as transport,
        transport.stream(ORIGINAL) as pieces,
    ):
        assert set(next(pieces)) == set(b"x")
        with pytest.raises(Unreachable, match=r"the answer to GET /assets/\{id\}/original broke off"):
            list(pieces)
    assert len(server.seen) == 4


def test_a_stream_that_is_refused() -> None:
    with (
        scripted(_json({"message": "Not found or no asset.download access"}, 400)) as server,
        _open(server.url) as transport,
        pytest.raises(NotFound),
        transport.stream(ORIGINAL),
    ):
        pass


def test_a_stream_that_is_left_early_frees_its_place() -> None:
    with scripted(Reply(body=b"x" * 1_000_000)) as server, _open(server.url, concurrency=1) as transport:
        for _ in range(3):
            with transport.stream(ORIGINAL) as pieces:
                next(pieces)


# ---- pace


def test_no_more_requests_per_second_than_allowed() -> None:
    with scripted(_json({})) as server, _open(server.url, requests_per_second=50, sleep=time.sleep) as transport:
        began = time.monotonic()
        for _ in range(6):
            transport.json(TAGS)
        assert time.monotonic() - began >= 0.1


def test_no_more_requests_at_once_than_allowed() -> None:
    under_way, most, lock = 0, 0, threading.Lock()

    def count(change: int) -> None:
        nonlocal under_way, most
        with lock:
            under_way += change
            most = max(most, under_way)

    with scripted(Reply(body=b"x" * 10)) as server, _open(server.url, concurrency=2) as transport:

        def read() -> None:
            with transport.stream(ORIGINAL) as pieces:
                count(1)
                assert b"".join(pieces) == b"x" * 10
                time.sleep(0.2)
                count(-1)

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (most, len(server.seen)) == (2, 8)


# ---- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of 127.0.0.1."""
    if which("openssl") is None:
        pytest.skip("openssl is needed to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path.with_suffix(".crt")],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Scripted]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with scripted(_json(["safe"]), tls=context) as server:
        yield server


def test_a_certificate_that_is_not_trusted(secure: Scripted) -> None:
    naps: list[float] = []
    with _open(secure.url, naps) as transport, pytest.raises(Unreachable, match=r"is not trusted .*tls\.ca_file"):
        transport.json(TAGS)
    assert (secure.seen, _long(naps)) == ([], [])


def test_an_authority_of_ones_own(secure: Scripted, certificate: Path) -> None:
    with _open(secure.url, tls=Tls(ca_file=certificate.with_suffix(".crt"))) as transport:
        assert transport.json(TAGS) == ["safe"]


def test_not_checking_the_certificate_is_warned_of_once(secure: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with _open(secure.url, tls=Tls(verify=False)) as transport:
            assert transport.json(TAGS) == ["safe"]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"tls.verify is off: any certificate of {secure.url}/api is believed"]


def test_a_file_of_authorities_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "not.pem").write_text("hello")
    for name, words in (("missing.pem", "No such file"), ("not.pem", "not PEM")):
        with (
            pytest.raises(ImmichError, match=rf"tls\.ca_file: .*{words}"),
            _open("https://nas", tls=Tls(ca_file=tmp_path / name)),
        ):
            pass


def test_https_where_only_http_is_spoken() -> None:
    with (
        scripted(_json({})) as server,
        _open(server.url.replace("http:", "https:"), retries=1) as transport,
        pytest.raises(Unreachable, match="cannot be reached"),
    ):
        transport.json(TAGS)


# ---- the key stays secret


def _echo(status: int) -> Reply:
    return _json({"message": f"you said {KEY}, Missing required permission: {KEY}"}, status, Echo=KEY)


def _error_of_a_stream(transport: Transport) -> ImmichError:
    try:
        with transport.stream(ORIGINAL) as pieces:
            list(pieces)
    except ImmichError as error:
        return error
    return ImmichError("nothing failed")  # answers that are no JSON are files like any other


@pytest.mark.parametrize(
    "fail",
    [
        lambda server: server.replies.__setitem__(slice(None), [_echo(400)]),
        lambda server: server.replies.__setitem__(slice(None), [_echo(401)]),
        lambda server: server.replies.__setitem__(slice(None), [_echo(403)]),
        lambda server: server.replies.__setitem__(slice(None), [_echo(500)]),
        lambda server: server.replies.__setitem__(slice(None), [Reply(200, KEY.encode())]),
        lambda server: server.replies.__setitem__(slice(None), [Reply(302, b"", {"Location": f"http://{KEY}:1/"})]),
        lambda server: server.replies.__setitem__(slice(None), [Reply(302, b"", {"Location": f"http://{KEY}[/"})]),
        lambda server: server.replies.__setitem__(slice(None), [Reply(204, b"\0", {"Content-Length": KEY})]),
        lambda server: server.replies.__setitem__(slice(None), [DROP]),
    ],
)
def test_no_error_repr_or_log_holds_the_key(fail: Callable[[Scripted], None], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(Reply()) as server, _open(server.url) as transport:
        fail(server)
        shown = repr(transport) + repr(transport.__dict__) + str(vars(transport))
        for send in (lambda: transport.json(TAGS), lambda: transport.content(THUMBNAIL, 9)):
            with pytest.raises(ImmichError) as caught:
                send()
            shown += _everything(caught.value)
        shown += _everything(_error_of_a_stream(transport))
    assert server.seen
    assert KEY not in shown
    assert KEY not in caplog.text


def test_errors_do_not_lead_to_the_request_which_holds_the_key() -> None:
    for reply in (DROP, Reply(500, b""), Reply(200, b"<html>"), Reply(302, b"", {"Location": "http://["})):
        with scripted(reply) as server, _open(server.url) as transport, pytest.raises(ImmichError) as caught:
            transport.json(TAGS)
        chain: BaseException | None = caught.value
        while chain is not None:
            assert not hasattr(chain, "request"), chain
            chain = chain.__cause__ or chain.__context__
