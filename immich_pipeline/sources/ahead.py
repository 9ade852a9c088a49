"""Slow work on many things at once, begun a little before its results are asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")


def ahead(work: Callable[[Thing], Result], things: Iterable[Thing], threads: int) -> Iterator[Result]:
    """The result for each thing, in their order.

    Args:
        work: called in one of the threads; what it raises is raised here, at its thing's turn.
        things: taken lazily.
        threads: how many work at once. No more than twice as many things are taken before their results are.

    Yields:
        Results. When the caller stops early, what is under way is waited for and nothing else is begun.
    """
    waiting = iter(things)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="pictures")
    begun: deque[Future[Result]] = deque()
    try:
        begun.extend(pool.submit(work, thing) for thing in islice(waiting, 2 * threads))
        while begun:
            yield begun.popleft().result()
            begun.extend(pool.submit(work, thing) for thing in islice(waiting, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
