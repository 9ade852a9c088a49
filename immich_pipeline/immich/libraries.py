"""External libraries: only an administrator's key sees and makes them."""

from collections.abc import Sequence

from immich_pipeline.immich.answers import Library, PathChecks
from immich_pipeline.immich.calls import Call
from immich_pipeline.immich.changes import Changes
from immich_pipeline.immich.connection import checked_id


class Libraries(Changes):
    """The part of `ImmichClient` that is about external libraries."""

    def libraries(self) -> list[Library]:
        """Every user's external libraries. Permission library.read, of an administrator."""
        return self._answer(list[Library], Call("GET /libraries"))

    def create_library(
        self, owner_id: str, name: str, import_paths: Sequence[str], exclusion_patterns: Sequence[str]
    ) -> Library:
        """A new external library. Nothing is scanned by that. Permission library.create, of an administrator.

        Args:
            owner_id: whose it is; cannot be changed later.
            name: what it is called; names need not be unique.
            import_paths: folders, as the server sees them; it does not look whether they are there.
            exclusion_patterns: globs of paths that a scan leaves out.

        Raises:
            ReadOnlyServer: the server's version is only read.
        """
        body = {
            "ownerId": checked_id(owner_id),
            "name": name,
            "importPaths": list(import_paths),
            "exclusionPatterns": list(exclusion_patterns),
        }
        return self._changed(Library, Call("POST /libraries", body=body, repeatable=False))

    def folder_problem(self, library_id: str, import_path: str) -> str | None:
        """Why the server cannot read a folder that is, or would be, an import path; None: it can. Needs an administrator, no permission.

        Nothing is changed.
        """
        call = Call(
            "POST /libraries/{id}/validate", {"id": checked_id(library_id)}, body={"importPaths": [import_path]}
        )
        for found in self._answer(PathChecks, call).import_paths:
            if found.import_path == import_path and not found.is_valid:
                return found.message or "it is no folder that can be read"
        return None
