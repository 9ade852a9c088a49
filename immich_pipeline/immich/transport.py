"""HTTP to one server with one API key: pace, retries, sizes, redirects and errors. Knows no endpoint.

The key is added to a request as it is sent, and never goes to another host: redirects are followed on the same origin only, and proxy
settings of the environment are not used. Errors of httpx, which hold the request, never leave this module.
"""

import json
import logging
import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr

from immich_pipeline.immich.calls import Call, message_of, retry_after
from immich_pipeline.immich.errors import ApiError, ImmichError, NotFound, Unreachable
from immich_pipeline.immich.settings import Tls

logger = logging.getLogger("immich_pipeline")
for _library in (
    "httpx",
    "httpcore",
):  # they log addresses and headers of answers, in which a server may repeat the key
    logging.getLogger(_library).setLevel(logging.WARNING)

LARGEST_JSON = 256 * 1024 * 1024
_LARGEST_ERROR = 64 * 1024
_CHUNK = 256 * 1024
_MOST_REDIRECTS = 3
_LONGEST_MESSAGE = 300
_LONGEST_CONNECT_SECONDS = 10.0
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 30.0
_PASSING = frozenset({429, 500, 502, 503, 504})
_NOT_DONE = frozenset({429, 503})
_PERMISSION = re.compile(r"Missing required permission: ([A-Za-z][A-Za-z.]{0,60})")
_NO_ACCESS = re.compile(r"Not found or no [A-Za-z.]{1,60} access")
_jitter = random.SystemRandom()
_warned: set[str] = set()

_Result = TypeVar("_Result")


class _Failure(Exception):  # noqa: N818 - never leaves the module
    """An attempt that did not succeed."""

    def __init__(
        self, error: Callable[[int], ImmichError], again: bool, undone: bool = False, wait: float | None = None
    ) -> None:
        super().__init__()
        self.error = error  # makes the error for the caller, given the number of attempts
        self.again = again  # may pass by itself
        self.undone = undone  # the server has certainly not acted
        self.wait = wait  # how long the server asks to wait, seconds


class _KeyHeader(httpx.Auth):
    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["x-api-key"] = self._key.get_secret_value()
        yield request


class Transport:
    """Sends requests to one server; may be used by several threads at once."""

    def __init__(
        self,
        url: str,
        api_key: SecretStr,
        *,
        tls: Tls,
        requests_per_second: float,
        concurrency: int,
        timeout_seconds: float,
        retries: int,
        sleep: Callable[[float], None],
    ) -> None:
        """Prepare; nothing is sent yet. See `ImmichClient` for the arguments.

        Raises:
            ImmichError: the address or the certificate authority's file cannot be used, or the key cannot stand in a header.
        """
        self.base, self._key = _base(url), api_key
        _check_key(api_key)
        self._retries, self._sleep = retries, sleep
        self._slots = threading.BoundedSemaphore(concurrency)
        self._interval, self._next = 1 / requests_per_second, 0.0
        self._lock = threading.Lock()
        self._server_time: datetime | None = None
        self._http = httpx.Client(
            auth=_KeyHeader(api_key),
            headers={"accept": "application/json", "user-agent": "immich-pipeline"},
            timeout=httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, _LONGEST_CONNECT_SECONDS)),
            limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
            verify=_verification(self.base, tls),
            trust_env=False,
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    @property
    def server_time(self) -> datetime | None:
        """The server's clock in its last answer, to the second."""
        return self._server_time

    def json(self, call: Call) -> Any:
        """Send, and read the answer's JSON; None when it is empty.

        Raises:
            NotFound, ApiError, Unreachable: see there; 429, 5xx and lost connections only after the retries.
        """
        return self._retried(call, lambda response: self._parsed(call, response))

    def content(self, call: Call, limit: int) -> bytes:
        """Send, and read the whole answer, which may have `limit` bytes at most.

        Raises:
            NotFound, ApiError, Unreachable: as `json`; ApiError also when it is larger.
        """
        return self._retried(call, lambda response: _whole(response, limit, call.endpoint))

    @contextmanager
    def stream(self, call: Call) -> Iterator[Iterator[bytes]]:
        """Send, and hand over the answer in pieces as it comes. It counts as a request under way until the block is left.

        Retried until the first piece has come, not after it.

        Raises:
            NotFound, ApiError, Unreachable: as `json`; Unreachable in the middle when the answer breaks off.
        """
        with self._slots:
            response, pieces = self._attempts(call, lambda: self._begun(call))
            try:
                yield self._pieces(pieces, call.endpoint)
            finally:
                response.close()

    def _begun(self, call: Call) -> tuple[httpx.Response, Iterator[bytes]]:
        response = self._opened(call, {"accept": "*/*", "accept-encoding": "identity"})
        try:
            rest = response.iter_raw(_CHUNK)
            first = next(rest, b"")
        except BaseException:
            response.close()
            raise
        return response, _joined(first, rest)

    def _pieces(self, pieces: Iterator[bytes], endpoint: str) -> Iterator[bytes]:
        """The rest of an answer; httpx notices when fewer bytes come than were announced."""
        problem: str | None = None
        try:
            yield from pieces
        except (httpx.HTTPError, httpx.StreamError) as error:
            problem = self._clean(str(error) or type(error).__name__)
        if problem is not None:
            raise Unreachable(f"{self.base}: the answer to {endpoint} broke off ({problem})")

    def _retried(self, call: Call, read: Callable[[httpx.Response], _Result]) -> _Result:
        def attempt() -> _Result:
            response = self._opened(call, {})
            try:
                return read(response)
            finally:
                response.close()

        with self._slots:
            return self._attempts(call, attempt)

    def _parsed(self, call: Call, response: httpx.Response) -> Any:
        body = _whole(response, LARGEST_JSON, call.endpoint)
        if not body:
            return None
        try:
            return json.loads(body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            pass
        problem = Unreachable(f"{self.base} answers {call.endpoint} with something that is not JSON: check the address")
        # a page of another kind is the wrong address; JSON that is cut off may come whole the next time
        raise _Failure(lambda _: problem, again="json" in response.headers.get("content-type", ""))

    def _attempts(self, call: Call, attempt: Callable[[], _Result]) -> _Result:
        """Try until it succeeds, is hopeless, or has been tried often enough."""
        number = 1
        while True:
            self._pace()
            failure: _Failure
            try:
                return attempt()
            except _Failure as known:
                failure = known
            except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
                failure = self._lost(error)
            if number > self._retries or not failure.again or not (call.repeatable or failure.undone):
                break
            wait = min(_FIRST_WAIT_SECONDS * 2 ** (number - 1), _LONGEST_WAIT_SECONDS) * _jitter.uniform(0.5, 1)
            self._sleep(max(wait, failure.wait or 0))
            number += 1
        # outside of the handlers: no traceback then leads to the request, which holds the key
        raise failure.error(number)

    def _pace(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now)
            wait = self._next - now
            self._next += self._interval
        if wait > 0:
            self._sleep(wait)

    def _opened(self, call: Call, headers: Mapping[str, str]) -> httpx.Response:
        """The successful answer, its body not read yet."""
        url = httpx.URL(self.base + call.path, params=dict(call.params) if call.params else None)
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._sent(call, url, {**(call.headers or {}), **headers})
            self._note_time(response)
            if response.is_success:
                return response
            try:
                if not response.has_redirect_location:
                    body = _whole(response, _LARGEST_ERROR, call.endpoint, cut=True)
                    raise self._refused(call, response, body)
                url = self._redirected(call, response)
            finally:
                response.close()
        raise self._hopeless(Unreachable(f"{self.base} redirects {call.endpoint} again and again: check the address"))

    def _sent(self, call: Call, url: httpx.URL, headers: Mapping[str, str]) -> httpx.Response:
        """Send once; a form's files are opened anew each time."""
        if call.form is None:
            request = self._http.build_request(call.method, url, json=call.body, headers=dict(headers))
            return self._http.send(request, stream=True)
        problem: OSError
        with ExitStack() as opened:
            try:
                files = {
                    field: (name, opened.enter_context(path.open("rb")), "application/octet-stream")
                    for field, (name, path) in call.form.files.items()
                }
                request = self._http.build_request(
                    call.method, url, data=dict(call.form.fields), files=files, headers=dict(headers)
                )
                return self._http.send(request, stream=True)
            except OSError as error:  # of a file: those of the network are httpx's own
                problem = error
        names = ", ".join(str(path) for _, path in call.form.files.values())
        raise self._hopeless(ImmichError(f"{names} cannot be read ({problem.strerror or type(problem).__name__})"))

    def _note_time(self, response: httpx.Response) -> None:
        try:
            time_told = parsedate_to_datetime(response.headers.get("date", ""))
        except (ValueError, TypeError, OverflowError):
            return
        self._server_time = time_told.replace(tzinfo=time_told.tzinfo or UTC).astimezone(UTC)

    def _redirected(self, call: Call, response: httpx.Response) -> httpx.URL:
        if not call.redirects:
            raise self._hopeless(NotFound(call.endpoint, response.status_code, "the server points to another picture"))
        here = response.request.url
        there = here.join(response.headers["location"])
        if (there.scheme, there.host, there.port) != (here.scheme, here.host, here.port):
            origin = self._clean(f"{there.scheme}://{there.netloc.decode('ascii', 'replace')}")
            raise self._hopeless(
                Unreachable(
                    f"{self.base} redirects to {origin}, where the API key is not sent: make that the address if it is right"
                )
            )
        if call.method != "GET" and response.status_code not in (307, 308):
            raise self._hopeless(
                Unreachable(
                    f"{self.base} redirects {call.endpoint} in a way that loses what is sent: check the address"
                )
            )
        return there

    def _refused(self, call: Call, response: httpx.Response, body: bytes) -> _Failure:
        """What an answer with an error status means."""
        status, message = response.status_code, message_of(body)
        said = self._clean(message or response.reason_phrase)
        if message is None and status not in _PASSING and not (status == 404 and call.missing_is_404):  # noqa: PLR2004 - HTTP
            return self._hopeless(
                Unreachable(
                    f"{self.base} answers {call.endpoint} with {status} {said}, and not as Immich does: check the address"
                )
            )
        gone = status == 404 and call.missing_is_404  # noqa: PLR2004 - HTTP
        if gone or (status == 400 and _NO_ACCESS.search(said)):  # noqa: PLR2004 - HTTP
            return self._hopeless(NotFound(call.endpoint, status, said))
        lacking = _PERMISSION.search(said) if status == 403 else None  # noqa: PLR2004 - HTTP
        permission = lacking.group(1) if lacking else None
        return _Failure(
            lambda attempts: ApiError(call.endpoint, status, said, permission, attempts),
            again=status in _PASSING,
            undone=status in _NOT_DONE,
            wait=retry_after(response.headers.get("retry-after", "")),
        )

    def _lost(self, error: Exception) -> _Failure:
        """What it means that no answer came."""
        reason = self._clean(str(error) or type(error).__name__)
        certificate = _certificate_problem(error)
        if certificate is not None:
            return self._hopeless(
                Unreachable(
                    f"the certificate of {self.base} is not trusted ({self._clean(certificate)}): "
                    "name its authority with tls.ca_file, or set tls.verify to false"
                )
            )
        if isinstance(error, httpx.DecodingError | httpx.InvalidURL | httpx.UnsupportedProtocol):
            return self._hopeless(Unreachable(f"{self.base} answers with something that cannot be read ({reason})"))
        kind = "does not answer in time" if isinstance(error, httpx.TimeoutException) else "cannot be reached"

        def made(attempts: int) -> Unreachable:
            tries = f", {attempts} attempts" if attempts > 1 else ""
            return Unreachable(
                f"{self.base} {kind} ({reason}{tries}): is the server running, and is the address right?"
            )

        never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        return _Failure(made, again=True, undone=never_sent)

    @staticmethod
    def _hopeless(error: ImmichError) -> _Failure:
        return _Failure(lambda _: error, again=False)

    def _clean(self, text: str) -> str:
        """Words of others on one line, not too long, without the key if they repeat it."""
        text = text.replace(self._key.get_secret_value(), "***")
        text = "".join(character if character.isprintable() else " " for character in text)
        text = " ".join(text.split())
        return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def _base(url: str) -> str:
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL:
        parsed = httpx.URL()
    usable = parsed.scheme in ("http", "https") and parsed.host and (parsed.port or 1) in range(1, 65_536)
    if not usable or parsed.userinfo:
        raise ImmichError("the address of Immich must be like http://nas:2283, without a user name or password")
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}{parsed.path.rstrip('/').removesuffix('/api')}/api"


def _check_key(key: SecretStr) -> None:
    secret = key.get_secret_value()
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ImmichError(
            "the API key is empty or holds spaces or characters that no key has: copy it from Immich again"
        )


def _verification(base: str, tls: Tls) -> ssl.SSLContext | bool:
    if base.startswith("http:"):
        return False  # nothing to check, and loading the authorities takes time
    if not tls.verify:
        if base not in _warned:
            _warned.add(base)
            logger.warning("tls.verify is off: any certificate of %s is believed", base)
        return False
    context = httpx.create_ssl_context(trust_env=False)
    if tls.ca_file is not None:
        try:
            context.load_verify_locations(tls.ca_file)
        except OSError as error:  # which an SSLError is as well
            reason = "not PEM" if isinstance(error, ssl.SSLError) else error.strerror
            raise ImmichError(f"tls.ca_file: {tls.ca_file} cannot be used ({reason})") from None
    return context


def _whole(response: httpx.Response, limit: int, endpoint: str, *, cut: bool = False) -> bytes:
    """The body, or with `cut` its beginning.

    Raises:
        ApiError: it is longer than the limit.
    """
    pieces, length = [], 0
    for piece in response.iter_bytes(_CHUNK):
        pieces.append(piece)
        length += len(piece)
        if length > limit:
            if cut:
                break
            raise _Failure(lambda _: ApiError(endpoint, None, f"more than {limit:,} bytes"), again=False)
    return b"".join(pieces)


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _certificate_problem(error: BaseException | None) -> str | None:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message or "verification failed"
        error = error.__cause__ or error.__context__
    return None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
