"""How often a test lets something go wrong: usually often enough to notice a mistake, on request as often as evidence needs."""

import os

THOROUGH = os.environ.get("THOROUGH", "") not in ("", "0")


def times(usual: int, thorough: int) -> int:
    """The first number; where the environment variable THOROUGH is set (`make test THOROUGH=1`), the second."""
    return thorough if THOROUGH else usual
