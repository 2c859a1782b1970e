"""The API in OpenAPI 3.1: the one that the page itself uses."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

from kinsight.server.questions import (
    BY,
    FARTHEST,
    LARGEST_NUMBER,
    LONGEST_CONDITION,
    MOST_HITS,
    MOST_POINTS,
    MOST_SHAPES,
    MOST_WEIGHT,
)
from kinsight.server.uploads import MOST_BYTES, TYPES

Schema = dict[str, Any]

_FRACTION: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {
    "type": "integer",
    "minimum": 0,
    "maximum": LARGEST_NUMBER,
    "description": "the number of a picture of the index; a picture that is changed gets a new one",
}
_HANDLE: Schema = {"type": "string", "description": "what POST /api/queries called a picture that was sent"}


@cache
def described() -> Schema:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kinsight search",
            "version": version("kinsight"),
            "description": "Search an index with a picture or parts of it. Boxes are left, top, right, bottom and points x, y, all in "
            "pixels of the upright picture. Where the server was started with a token, send it as `Authorization: Bearer`.",
        },
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> Schema:
    number = {"name": "picture", "in": "path", "required": True, "schema": _NUMBER}
    handle = {"name": "query", "in": "path", "required": True, "schema": _HANDLE}
    asked: list[Schema] = [
        {"name": "query", "in": "query", "schema": _HANDLE, "description": "of a picture that was sent, or `of`"},
        {"name": "of", "in": "query", "schema": _NUMBER, "description": "of a picture of the index, or `query`"},
        {"name": "picture", "in": "query", "required": True, "schema": _NUMBER},
    ]
    name = {"name": "name", "in": "query", "schema": _TEXT, "description": "what people call it"}
    sent = {kind: {"schema": {"type": "string", "format": "binary", "maxLength": MOST_BYTES}} for kind in TYPES}
    return {
        "/api/about": {"get": _operation("What is searched", _json("About"))},
        "/api/openapi.json": {
            "get": _operation("This description", {"application/json": {"schema": {"type": "object"}}})
        },
        "/api/queries": {
            "post": _operation(
                "Send a picture to search with; it is kept in memory until newer ones need the room",
                _json("Query"),
                parameters=[name],
                body=sent,
                status=201,
                refusals=("400", "413", "415"),
            )
        },
        "/api/queries/{query}": {
            "get": _operation("A picture that was sent, as JPEG", _JPEG, parameters=[handle], refusals=("404",))
        },
        "/api/search": {
            "post": _operation(
                "Search with a picture, or with parts of it",
                _json("Found"),
                body=_json("Question"),
                refusals=("400", "404", "413", "415"),
            )
        },
        "/api/pictures/{picture}": {
            "get": _operation(
                "A picture of the index, at most 1600 pixels", _JPEG, parameters=[number], refusals=("400", "404")
            )
        },
        "/api/pictures/{picture}/thumbnail": {
            "get": _operation(
                "A picture of the index, at most 420 pixels", _JPEG, parameters=[number], refusals=("400", "404")
            )
        },
        "/api/pair": {
            "get": _operation(
                "A page that shows, place by place, why two pictures are alike",
                {"text/html": {"schema": _TEXT}},
                parameters=asked,
                refusals=("400", "404"),
            )
        },
        "/api/judgements": {
            "get": _operation("The pairs that people confirmed or rejected, the newest first", _json("Judgements")),
            "post": _operation(
                "Confirm or reject a match, or withdraw what was said",
                _json("Judged"),
                body=_json("Judgement"),
                refusals=("400", "404", "413", "415"),
            ),
        },
    }


def _schemas() -> Schema:
    coordinate = {"type": "number", "minimum": -FARTHEST, "maximum": FARTHEST}
    box = {"type": "array", "items": coordinate, "minItems": 4, "maxItems": 4}
    point = {"type": "array", "items": coordinate, "minItems": 2, "maxItems": 2}
    sides = {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}
    weight = {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_WEIGHT, "default": 1}
    points = {"type": "array", "items": point, "minItems": 1, "maxItems": MOST_POINTS}
    width = {"type": "number", "exclusiveMinimum": 0, "maximum": FARTHEST}
    shapes = {"type": "array", "items": _ref("Shape"), "maxItems": MOST_SHAPES, "default": []}
    maybe = {"type": ["string", "null"]}
    score = {"type": "number", "description": "the cosine; by places that of the best one"}
    pair = {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2}
    listed = {"type": "array", "items": _NUMBER}
    same = {"type": ["boolean", "null"]}
    nullable = {**_NUMBER, "type": ["integer", "null"]}
    asked = {"query": {**_HANDLE, "type": ["string", "null"]}}
    return {
        "Problem": _object({"error": {**_TEXT, "description": "one sentence: what is wrong and what helps"}}),
        "About": _object(
            {
                "name": _TEXT,
                "pictures": _COUNT,
                "columns": {"type": "array", "items": _TEXT, "description": "that a condition may name, beside id"},
                "examples": listed,
                "model": {**_TEXT, "description": "the beginning of the model's digest"},
                "places": {"type": "boolean", "description": "whether it can be searched by places"},
                "calibration": {
                    "type": ["object", "null"],
                    "description": "on what the model was calibrated, and its thresholds",
                },
                "limits": {"type": "object"},
                "version": _TEXT,
            }
        ),
        "Query": _object(
            {
                **asked,
                "picture": nullable,
                "name": _TEXT,
                "size": {**pair, "description": "width and height of the upright picture"},
                "seen": {**sides, "description": "what of it the network sees"},
                "input": {**pair, "description": "width and height of what the network sees, in its own pixels"},
                "grid": {**pair, "description": "places across and down"},
            }
        ),
        "Shape": {
            "type": "object",
            "description": "a part of a picture: one of box, stroke and place",
            "properties": {
                "box": box,
                "stroke": _object({"points": points, "width": width}),
                "place": {**point, "description": "the place of the model's map that lies there"},
                "weight": weight,
            },
            "oneOf": [{"required": ["box"]}, {"required": ["stroke"]}, {"required": ["place"]}],
        },
        "Question": {
            "type": "object",
            "description": "one of query and picture is asked with",
            "properties": {
                "query": _HANDLE,
                "picture": _NUMBER,
                "regions": {**shapes, "description": "what of it counts; none: all of it"},
                "without": {**shapes, "description": "what must not count: it is subtracted"},
                "where": {
                    **maybe,
                    "maxLength": LONGEST_CONDITION,
                    "description": "a condition on columns: camera != 3 and label in ('wren', 'robin')",
                },
                "top": {"type": "integer", "minimum": 1, "maximum": MOST_HITS, "default": 20},
                "by": {
                    "enum": list(BY),
                    "default": "picture",
                    "description": "what is compared: whole pictures, or every place of every picture, the best of which counts; only of "
                    "an index that keeps places",
                },
                "answers": {
                    "type": "boolean",
                    "default": True,
                    "description": "look for the place that answers in each hit",
                },
            },
            "oneOf": [{"required": ["query"]}, {"required": ["picture"]}],
        },
        "Hit": _object(
            {
                "rank": {"type": "integer", "minimum": 1},
                "picture": _NUMBER,
                "id": _TEXT,
                "score": score,
                "same": {
                    **_FRACTION,
                    "description": "how likely it is the same; null: not calibrated, of a part, by places, or nothing like it there",
                },
                "answer": {
                    **sides,
                    "type": ["array", "null"],
                    "description": "the box round the place that answers most",
                },
                "shown": {
                    **sides,
                    "type": ["array", "null"],
                    "description": "which part of the upright picture its pictures show",
                },
                "columns": {"type": "object"},
                "judged": {**same, "description": "what was said of it"},
                "problem": {**_TEXT, "description": "why its answer is not known; empty where all is well"},
            }
        ),
        "Found": _object(
            {
                "query": _ref("Query"),
                "hits": {"type": "array", "items": _ref("Hit")},
                "searched": _COUNT,
                "held": _COUNT,
                "found": {
                    "type": ["object", "null"],
                    "properties": {
                        "anything": {"type": "boolean"},
                        "threshold": score,
                        "rate": {**_FRACTION, "description": "searches for what is not there that reach the threshold"},
                        "finds": {**_FRACTION, "description": "searches for what is there that do"},
                    },
                    "description": "whether anything like it is there; null: not calibrated, or only a part was asked with",
                },
                "seconds": {"type": "number", "minimum": 0},
            }
        ),
        "Judgement": {
            "type": "object",
            "properties": {
                "query": _HANDLE,
                "of": {**_NUMBER, "description": "where a picture of the index was asked with"},
                "picture": _NUMBER,
                "same": {**same, "description": "null: what was said is withdrawn"},
                "score": {"type": ["number", "null"]},
                "regions": shapes,
                "without": shapes,
            },
            "required": ["picture", "same"],
            "oneOf": [{"required": ["query"]}, {"required": ["of"]}],
        },
        "Judged": _object({"same": same, "judged": {**_COUNT, "description": "pairs that are judged now"}}),
        "Judgements": _object(
            {
                "judged": _COUNT,
                "pairs": {
                    "type": "array",
                    "items": _object({"ids": {"type": "array", "items": _TEXT}, "same": {"type": "boolean"}}),
                },
            }
        ),
    }


def _operation(
    summary: str,
    content: Schema,
    *,
    parameters: list[Schema] | None = None,
    body: Schema | None = None,
    status: int = 200,
    refusals: tuple[str, ...] = (),
) -> Schema:
    said = {
        "400": "something given cannot be used",
        "401": "the token is missing",
        "403": "another page asked",
        "404": "there is no such picture",
        "413": "too much was sent",
        "415": "another type was sent",
        "503": "too many are waiting",
    }
    answers: Schema = {str(status): {"description": summary, "content": content}}
    for code in sorted({*refusals, "401", "403", "503"}):
        answers[code] = {"description": said[code], "content": _json("Problem")}
    found: Schema = {"summary": summary, "responses": answers}
    if parameters:
        found["parameters"] = parameters
    if body is not None:
        found["requestBody"] = {"required": True, "content": body}
    return found


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(name: str) -> Schema:
    return {"application/json": {"schema": _ref(name)}}


_JPEG: Schema = {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}
