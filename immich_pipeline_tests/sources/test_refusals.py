import pytest

from immich_pipeline.immich.errors import ApiError, ImmichError, NotFound, Unreachable
from immich_pipeline.sources.refusals import REFUSED_IN_A_ROW, SILENT_IN_A_ROW, Refusals

ENDPOINT = "GET /assets/{id}/thumbnail"


def refused(status: int = 403) -> ApiError:
    return ApiError(
        ENDPOINT, status, "Missing required permission: asset.view", "asset.view" if status == 403 else None
    )


def times(refusals: Refusals, count: int, error: ImmichError, owner: str = "alice") -> None:
    for _ in range(count):
        refusals.reason(owner, error)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refused(401), "not_permitted"),
        (refused(403), "not_permitted"),
        (NotFound(ENDPOINT, 404, "gone"), "not_on_server"),
        (ApiError(ENDPOINT, 500, "oops"), "io_error"),
        (ApiError(ENDPOINT, 503, "busy"), "io_error"),
        (ApiError(ENDPOINT, None, "more than 64 MB"), "io_error"),
        (Unreachable("nobody answers"), "io_error"),
    ],
)
def test_each_error_is_a_reason(error: ImmichError, kind: str) -> None:
    refusals = Refusals()
    reason = refusals.reason("alice", error)
    assert reason.kind == kind
    assert str(error) in reason.sentence
    assert refusals.given_up("alice") is None


def test_twenty_in_a_row_are_enough_for_that_owner() -> None:
    refusals = Refusals()
    times(refusals, REFUSED_IN_A_ROW - 1, refused())
    assert refusals.given_up("alice") is None
    times(refusals, 1, refused())
    reason = refusals.given_up("alice")
    assert reason is not None
    assert reason.kind == "not_permitted"
    assert refusals.given_up("bob") is None


@pytest.mark.parametrize("between", ["answer", "not found", "another status"])
def test_not_in_a_row(between: str) -> None:
    refusals = Refusals()
    times(refusals, REFUSED_IN_A_ROW - 1, refused())
    if between == "answer":
        refusals.answered("alice")
    else:
        refusals.reason("alice", refused(401) if between == "another status" else NotFound(ENDPOINT, 404, "gone"))
    times(refusals, REFUSED_IN_A_ROW - 1, refused())
    assert refusals.given_up("alice") is None


def test_owners_are_counted_apart() -> None:
    refusals = Refusals()
    for _ in range(REFUSED_IN_A_ROW):
        refusals.reason("alice", refused())
        refusals.answered("bob")
    assert refusals.given_up("alice") is not None
    assert refusals.given_up("bob") is None


@pytest.mark.parametrize("error", [Unreachable("nobody"), ApiError(ENDPOINT, 502, "proxy")])
def test_a_silent_server_is_silent_for_everybody(error: ImmichError) -> None:
    refusals = Refusals()
    times(refusals, SILENT_IN_A_ROW - 1, error)
    refusals.answered("bob")
    times(refusals, SILENT_IN_A_ROW - 1, error)
    assert refusals.given_up("alice") is None
    times(refusals, 1, error, "bob")
    assert refusals.given_up("alice") == refusals.given_up("carol") is not None
