"""A client for every user whose key the server accepts: what executors change a server with."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from immich_pipeline.immich.client import ImmichClient
from immich_pipeline.immich.errors import ImmichError
from immich_pipeline.immich.settings import ImmichSettings
from immich_pipeline.progress import logger


@contextmanager
def open_clients(immich: ImmichSettings) -> Iterator[Mapping[str, ImmichClient]]:
    """The clients by user id; of two keys of one user the first counts.

    Raises:
        ImmichError: no key is accepted.
    """
    with ExitStack() as stack:
        clients: dict[str, ImmichClient] = {}
        problems = []
        for number, user in enumerate(immich.users, start=1):
            try:
                client = stack.enter_context(ImmichClient.open(immich, user))
                clients.setdefault(client.me().id, client)
            except ImmichError as error:
                problems.append(f"{user.label or f'key {number}'}: {error}")
        if not clients:
            raise ImmichError("; ".join(problems))
        for problem in problems:
            logger.warning("nothing is done with %s", problem)
        yield clients


def client_of(clients: Mapping[str, ImmichClient], owner_id: str) -> ImmichClient:
    """The client of a user.

    Raises:
        ImmichError: there is no key for this one, or it is not accepted.
    """
    client = clients.get(owner_id)
    if client is None:
        raise ImmichError(f"no API key of the user {owner_id} is configured, or it is not accepted: see immich.users")
    return client
