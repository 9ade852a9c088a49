"""For tests that are about every schema."""

import pytest

from immich_pipeline_tests.immich_db.definition import SCHEMAS

EVERY_VERSION = pytest.mark.parametrize("house", SCHEMAS, indirect=True)
