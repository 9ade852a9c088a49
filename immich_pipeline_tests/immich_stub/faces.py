"""Who is where on a picture."""

from typing import Any

from immich_pipeline_tests.immich_stub import inputs
from immich_pipeline_tests.immich_stub.access import can_see, is_own
from immich_pipeline_tests.immich_stub.calls import Answer, Call, State, answers, no_access
from immich_pipeline_tests.immich_stub.render import box_json, person_json
from immich_pipeline_tests.immich_world import Face, Person


@answers("GET /people")
def people(state: State, call: Call) -> Answer:
    """On one page."""
    own = [person for person in state.world.people.values() if person.owner_id == call.user.id]
    listed = sorted(own, key=lambda person: (not person.name, person.name))
    body = {"people": [person_json(state, one) for one in listed], "hasNextPage": False, "total": len(own), "hidden": 0}
    return Answer(body=body)


@answers("GET /faces")
def faces(state: State, call: Call) -> Answer:
    """The faces of an asset, in the trash or not."""
    asset = state.world.assets.get(inputs.check_uuid(call.query.get("id"), "id"))
    if asset is None or not can_see(state, call.user, asset):
        raise no_access("asset.read")
    return Answer(body=[_face_json(state, face) for face in asset.faces])


@answers("POST /faces")
def create(state: State, call: Call) -> Answer:
    """Answers nothing, not even the new face's id."""
    asset = state.world.assets.get(inputs.check_uuid(call.body.get("assetId"), "assetId"))
    if asset is None or not can_see(state, call.user, asset):
        raise no_access("asset.read")
    person = _own_person(state, call, call.body.get("personId"), "personId", "person.read")
    x, y, width, height = (inputs.number(call.body, name) for name in ("x", "y", "width", "height"))
    size = (inputs.number(call.body, "imageWidth"), inputs.number(call.body, "imageHeight"))
    state.world.add_face(asset, person, (x, y, x + width, y + height), size, "manual")
    return Answer(201)


@answers("DELETE /faces/{id}")
def delete(state: State, call: Call) -> Answer:
    face = _own_face(state, call, call.path["id"], "face.delete")
    inputs.flag(call.body, "force")
    state.world.remove_face(face)
    return Answer(204)


def _face_json(state: State, face: Face) -> dict[str, Any]:
    person = state.world.people.get(face.person_id or "")
    return box_json(face) | {"person": person_json(state, person, from_database=True) if person else None}


def _own_person(state: State, call: Call, person_id: object, name: str, permission: str) -> Person:
    person = state.world.people.get(inputs.check_uuid(person_id, name))
    if person is None or person.owner_id != call.user.id:
        raise no_access(permission)
    return person


def _own_face(state: State, call: Call, face_id: object, permission: str) -> Face:
    face = state.world.faces.get(inputs.check_uuid(face_id, "id"))
    if face is None or not is_own(state.world.assets.get(face.asset_id), call.user):
        raise no_access(permission)
    return face
