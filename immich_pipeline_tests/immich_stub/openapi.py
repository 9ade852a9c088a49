"""Requests and answers compared with the server's own OpenAPI documents, which lie beside the repository and not in it."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from immich_pipeline_tests.immich_stub.additions import add_v32
from immich_pipeline_tests.immich_stub.calls import DialectName
from immich_pipeline_tests.immich_stub.forms import is_form, read_form

FACTS = Path(__file__).resolve().parents[2] / ".." / "shared" / "immich"
DOCUMENTS = {"v2": "openapi-v2.7.5.json", "v3": "openapi-v3.1.0.json", "v3.2": "openapi-v3.1.0.json"}
LOOKED_AT = 20  # of a long list
NAME = "urn:immich"
FORMATS = FormatChecker(formats=["uuid", "email", "date"])


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


class Checker:
    """Checks against one document. Each schema is made ready once."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._paths = document["paths"]
        schemas = {name: strict(schema) for name, schema in document["components"]["schemas"].items()}
        resource = Resource.from_contents({"components": {"schemas": schemas}}, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(NAME, resource)
        self._ready: dict[str, Draft202012Validator] = {}

    def request(self, call: str, query: Mapping[str, str], raw: bytes, content_type: str = "") -> list[str]:
        """What is wrong with a request: names the server does not know count, since it would ignore them silently."""
        operation = self._operation(call)
        if operation is None:
            return ["the document does not know this call"]
        named = {one["name"]: one for one in operation.get("parameters", []) if one["in"] == "query"}
        found = [f"request: the query has no {name!r}" for name in query if name not in named]
        for name in query.keys() & named.keys():
            found += self._problems(named[name]["schema"], _query_value(query[name]), f"request: {name}")
        body = operation.get("requestBody")
        if body is None:
            return found + (["request: a body where none belongs"] if raw else [])
        if not raw:
            return [*found, "request: the body is missing"]
        if is_form(content_type):
            fields = read_form(content_type, raw)
            texts = {name: "" if isinstance(value, tuple) else _form_value(value) for name, value in fields.items()}
            schema = body["content"].get("multipart/form-data", {"schema": {"not": {}}})["schema"]
            return found + self._problems(schema, texts, "request")
        try:
            given = json.loads(raw)
        except ValueError:
            return [*found, "request: the body is not JSON"]
        return found + self._problems(body["content"]["application/json"]["schema"], given, "request")

    def answer(self, call: str, status: int, body: object) -> list[str]:
        """What is wrong with a successful answer. Of long lists the first items are looked at."""
        operation = self._operation(call) or {"responses": {}}
        response = operation["responses"].get(str(status))
        if response is None:
            return [f"answer: the document has no status {status}"]
        content = response.get("content", {}).get("application/json")
        if content is None:
            return [] if body is None else ["answer: a body where none belongs"]
        return self._problems(content["schema"], _shortened(body), "answer")

    def _operation(self, call: str) -> dict[str, Any] | None:
        method, _, template = call.partition(" ")
        operation: dict[str, Any] | None = self._paths.get(template, {}).get(method.lower())
        return operation

    def _problems(self, schema: dict[str, Any], value: object, what: str) -> list[str]:
        name = json.dumps(schema, sort_keys=True)
        if name not in self._ready:
            self._ready[name] = Draft202012Validator(strict(schema), registry=self._registry, format_checker=FORMATS)
        return [_told(error, what) for error in self._ready[name].iter_errors(value)]


@lru_cache(maxsize=3)
def checker_for(dialect: DialectName) -> Checker | None:
    """The checker of a dialect, None where the documents are not at hand."""
    path = FACTS / DOCUMENTS[dialect]
    if not path.exists():
        return None
    document = json.loads(path.read_text(encoding="utf-8"))
    if dialect == "v3.2":
        add_v32(document["components"]["schemas"])
    return Checker(document)


def strict(schema: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: `nullable` spelled out, references made absolute, and no properties but the named ones."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        made: dict[str, Any] = {"$ref": NAME + schema["$ref"]}
    else:
        made = {
            key: {name: strict(one) for name, one in value.items()} if key == "properties" else strict(value)
            for key, value in schema.items()
            if key not in ("nullable", "description", "deprecated", "default", "example") and not key.startswith("x-")
        }
        if made.get("type") == "object" and "properties" in made:
            made.setdefault("additionalProperties", False)
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") else made


def _query_value(text: str) -> object:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdecimal() else text


def _form_value(text: str) -> object:
    """Of a form's values only yes and no are told from text."""
    return text == "true" if text in ("true", "false") else text


def _shortened(value: Any) -> Any:
    if isinstance(value, list):
        return [_shortened(one) for one in value[:LOOKED_AT]]
    if isinstance(value, dict):
        return {name: _shortened(one) for name, one in value.items()}
    return value


def _told(error: ValidationError, what: str) -> str:
    return f"{what} {error.json_path}: {error.message[:300]}"
