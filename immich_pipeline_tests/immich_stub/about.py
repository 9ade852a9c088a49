"""The server, the account and its key, and external libraries."""

from immich_pipeline_tests.immich_stub.calls import Answer, Call, State, answers
from immich_pipeline_tests.immich_stub.render import key_json, own_account_json
from immich_pipeline_tests.immich_stub.times import instant
from immich_pipeline_tests.immich_world import START, ExternalLibrary


@answers("GET /server/ping")
def ping(_state: State, _call: Call) -> Answer:
    return Answer(body={"res": "pong"})


@answers("GET /server/version")
def version(state: State, _call: Call) -> Answer:
    major, minor, patch = (int(part) for part in state.world.version.split("-")[0].split("."))
    body: dict[str, int | None] = {"major": major, "minor": minor, "patch": patch}
    return Answer(body=body if state.v2 else body | {"prerelease": None})


@answers("GET /server/features")
def features(state: State, _call: Call) -> Answer:
    names = [
        "configFile", "duplicateDetection", "email", "facialRecognition", "importFaces", "map", "oauth", "oauthAutoLaunch", "ocr",
        "passwordLogin", "reverseGeocoding", "search", "sidecar", "smartSearch",
    ]  # fmt: skip
    body = dict.fromkeys(names, False) | {"trash": state.world.trash_days is not None}
    return Answer(body=body if state.v2 else body | {"realtimeTranscoding": False})


@answers("GET /server/config")
def config(state: State, _call: Call) -> Answer:
    body: dict[str, object] = {
        "externalDomain": "",
        "isInitialized": True,
        "isOnboarded": True,
        "loginPageMessage": "",
        "maintenanceMode": False,
        "mapDarkStyleUrl": "",
        "mapLightStyleUrl": "",
        "oauthButtonText": "",
        "publicUsers": True,
        "trashDays": 30 if state.world.trash_days is None else state.world.trash_days,
        "userDeleteDelay": 7,
    }
    return Answer(body=body if state.v2 else body | {"minFaces": 3})


@answers("GET /server/about")
def about(state: State, _call: Call) -> Answer:
    name = f"v{state.world.version}"
    body = {
        "version": name,
        "versionUrl": f"https://github.com/immich-app/immich/releases/tag/{name}",
        "licensed": False,
        "nodejs": "v24.21.0",
        "exiftool": "13.59",
        "ffmpeg": "5.1.9",
        "libvips": "8.17.3",
        "imagemagick": "",
    }
    return Answer(body=body)


@answers("GET /users/me")
def me(state: State, call: Call) -> Answer:
    return Answer(body=own_account_json(state, call.user))


@answers("GET /api-keys/me")
def key(state: State, call: Call) -> Answer:
    return Answer(body=key_json(state.world.keys[call.secret]))


@answers("GET /libraries")
def libraries(state: State, _call: Call) -> Answer:
    return Answer(body=[_library_json(state, library) for library in state.world.libraries.values()])


@answers("POST /libraries")
def create_library(state: State, call: Call) -> Answer:
    """Import paths are not looked at, and nothing is scanned."""
    given = call.body
    library = state.world.add_library(
        state.world.users[given["ownerId"]], given.get("name", "New External Library"), ""
    )
    library.import_paths = list(given.get("importPaths", []))
    library.exclusion_patterns = list(
        given.get("exclusionPatterns", ["**/@eaDir/**", "**/._*", "**/#recycle/**", "**/#snapshot/**"])
    )
    return Answer(201, _library_json(state, library))


@answers("POST /libraries/{id}/validate")
def validate_library(state: State, call: Call) -> Answer:
    def told(path: str) -> dict[str, object]:
        if path in state.world.missing_folders:
            return {"importPath": path, "isValid": False, "message": "Path does not exist (ENOENT)"}
        return {"importPath": path, "isValid": True}

    return Answer(body={"importPaths": [told(path) for path in call.body.get("importPaths", [])]})


def _library_json(state: State, library: ExternalLibrary) -> dict[str, object]:
    assets = state.world.assets.values()
    return {
        "id": library.id,
        "ownerId": library.owner_id,
        "name": library.name,
        "createdAt": instant(START),
        "updatedAt": instant(START),
        "refreshedAt": None,
        "assetCount": sum(a.library_id == library.id and a.deleted_at is None for a in assets),
        "importPaths": list(library.import_paths),
        "exclusionPatterns": list(library.exclusion_patterns),
    }
