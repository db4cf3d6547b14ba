"""The OpenAPI document as a page for people: what each address takes and answers, in plain HTML without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.api.api import api
from dashboard.api.errors import CODES

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a shape. `shape` names the shape that it leads to."""

    name: str
    kind: str
    shape: str
    required: bool
    description: str
    where: str = ""  # query, header, path


@dataclass(frozen=True, slots=True)
class Shape:
    """A JSON object, or the words that a field may be."""

    name: str
    description: str
    fields: tuple[Field, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one address."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    fields: tuple[Field, ...]
    body: str
    answers: tuple[tuple[str, str], ...]  # status and shape of those that succeed
    errors: tuple[tuple[str, str], ...]  # status and code


@dataclass(frozen=True, slots=True)
class Group:
    """Endpoints of one subject."""

    name: str
    endpoints: tuple[Endpoint, ...]


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """The page."""
    groups, shapes = _read()
    context = {"groups": groups, "shapes": shapes, "base": f"{request.scheme}://{request.get_host()}"}
    return render(request, "dashboard/api_reference.html", context)


@cache
def _read() -> tuple[tuple[Group, ...], tuple[Shape, ...]]:
    """The document does not change while the process runs."""
    document = api.get_openapi_schema()
    groups: dict[str, list[Endpoint]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_endpoint(method, path, operation))
    schemas = document["components"]["schemas"]
    shapes = [_shape(name, schema) for name, schema in sorted(schemas.items()) if not name.endswith("Filters")]
    return tuple(Group(name, tuple(found)) for name, found in groups.items()), tuple(shapes)


def _endpoint(method: str, path: str, operation: Schema) -> Endpoint:
    answers = {str(status): _shape_name(_json(answer)) for status, answer in operation["responses"].items()}
    return Endpoint(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        fields=tuple(
            _field(p["name"], p["schema"], required=p["required"], where=p["in"]) for p in operation["parameters"]
        ),
        body=_shape_name(_json(operation["requestBody"])) if "requestBody" in operation else "",
        answers=tuple((status, shape) for status, shape in answers.items() if status < "400"),
        errors=tuple((status, CODES[int(status)]) for status in sorted(answers) if status >= "400"),
    )


def _json(part: Schema) -> Schema:
    found: Schema = part["content"]["application/json"]["schema"]
    return found


def _shape(name: str, schema: Schema) -> Shape:
    required = schema.get("required", ())
    fields = [_field(n, s, required=n in required) for n, s in schema.get("properties", {}).items()]
    return Shape(name, schema.get("description", ""), tuple(fields), tuple(schema.get("enum", ())))


def _field(name: str, schema: Schema, *, required: bool, where: str = "") -> Field:
    return Field(name, _kind(schema), _shape_name(schema), required, schema.get("description", ""), where)


def _kind(schema: Schema) -> str:
    """A type in a few words: "integer or null", "list of", "one of a, b"."""
    for several in ("anyOf", "allOf"):
        if several in schema:
            return " or ".join(filter(None, (_kind(one) for one in schema[several])))
    if "$ref" in schema:
        return ""
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}".strip()
    kind = str(schema.get("format") or schema.get("type", "any"))
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        kind += f", {least:g} to {most:g}"
    return kind + (f", at most {schema['maxLength']} characters" if "maxLength" in schema else "")


def _shape_name(schema: Schema) -> str:
    """The shape that a schema leads to, "" for none."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    parts = [*schema.get("anyOf", ()), *schema.get("allOf", ()), *([schema["items"]] if "items" in schema else [])]
    return next((name for name in map(_shape_name, parts) if name), "")
