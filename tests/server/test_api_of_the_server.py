"""The API: every address, every refusal, and its own description of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from starlette.testclient import TestClient

import kinsight
from kinsight.explanation import Pair
from kinsight.server.openapi import described
from kinsight.server.running import made_application
from server.conftest import client, photograph

PNG = {"content-type": "image/png"}


def fits(name: str, value: Any) -> Any:
    """A value that is what the description says."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": described()["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)
    return value


def search(asking: TestClient, **question: Any) -> dict[str, Any]:
    answer = asking.post("/api/search", json=question)
    assert answer.status_code == 200, answer.text
    return dict(fits("Found", answer.json()))


def refusal(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(fits("Problem", answer.json())["error"])


@pytest.fixture(scope="module")
def opened(birds: Path) -> Any:
    with kinsight.open_index(birds) as index:
        yield index


@pytest.fixture(scope="module")
def first(asking: TestClient) -> int:
    return int(asking.get("/api/about").json()["examples"][0])


def test_what_is_searched(asking: TestClient, opened: Any) -> None:
    about = fits("About", asking.get("/api/about").json())
    assert (about["name"], about["pictures"], about["calibration"]) == ("birds.kin", len(opened), None)
    assert about["columns"] == opened.columns
    assert about["places"] is True
    assert len(set(about["examples"])) == 12


@pytest.mark.long
def test_hits_are_those_of_the_index(asking: TestClient, opened: Any, sent: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.png"
    file.write_bytes(photograph())
    box, column = [5, 5, 40, 30], opened.columns[0]
    value = next(iter(opened.search(file, top=1))).columns[column]
    where = f"{column} != '{value}'"
    for question, options in (
        ({}, {}),
        ({"regions": [{"box": box}]}, {"region": box}),
        (
            {"regions": [{"box": box}], "without": [{"box": [20, 0, 60, 40], "weight": 0.5}]},
            {"region": box, "without": [20, 0, 60, 40], "without_weight": 0.5},
        ),
        ({"where": where}, {"where": where}),
        ({"regions": [{"box": box}], "by": "places"}, {"region": box, "by": "places"}),
    ):
        found = search(asking, query=sent, top=3, **question)
        expected = opened.search(file, top=3, **options)
        assert [hit["id"] for hit in found["hits"]] == [hit.id for hit in expected]
        np.testing.assert_allclose([hit["score"] for hit in found["hits"]], [hit.score for hit in expected], atol=1e-6)
        np.testing.assert_allclose(
            [hit["answer"] for hit in found["hits"]], [hit.answer for hit in expected], atol=0.02
        )
        assert (found["searched"], found["held"]) == (expected.searched, expected.held)
        assert found["hits"][0]["columns"] == dict(expected[0].columns)


def test_a_picture_of_the_gallery_does_not_find_itself(asking: TestClient, first: int) -> None:
    found = search(asking, picture=first, top=100, answers=False)
    assert first not in [hit["picture"] for hit in found["hits"]]
    assert {hit["answer"] for hit in found["hits"]} == {None}
    assert found["query"]["picture"] == first


def test_a_place_and_a_stroke_are_searched_with(asking: TestClient, sent: str) -> None:
    whole = search(asking, query=sent, top=3, answers=False)
    for shape in ({"place": [30, 20]}, {"stroke": {"points": [[20, 10], [40, 30]], "width": 9}}):
        found = search(asking, query=sent, top=3, answers=False, regions=[shape])
        assert found["hits"][0]["score"] != whole["hits"][0]["score"]


def test_pictures_are_shown_by_number_alone(asking: TestClient, first: int, sent: str) -> None:
    for path in (f"/api/pictures/{first}", f"/api/pictures/{first}/thumbnail", f"/api/queries/{sent}"):
        answer = asking.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.content.startswith(b"\xff\xd8")
    for wrong in ("0", "99999", "9" * 18):
        refusal(asking.get(f"/api/pictures/{wrong}"), 404)
    for wrong in ("-1", "x", "..", "%2e%2e%2fetc%2fpasswd", "1%00", "9" * 30):
        assert asking.get(f"/api/pictures/{wrong}/thumbnail").status_code in (400, 404)
    for path in (
        "/static/../running.py",
        "/static/%2e%2e%2frunning.py",
        "/static/index.html",
        "/static/",
        "/%2e%2e/x",
        "/api/queries/nothing",
    ):
        refusal(asking.get(path), 404)


def test_a_pair_page_is_a_page_without_an_origin(asking: TestClient, opened: Any, sent: str, first: int) -> None:
    answer = asking.get("/api/pair", params={"query": sent, "picture": first})
    assert answer.status_code == 200
    assert "sandbox allow-scripts" in answer.headers["content-security-policy"]
    assert "mine.png" in answer.text
    other = asking.get("/api/pair", params={"of": first, "picture": first + 1})
    known = opened.store.pictures([first, first + 1])
    views = opened.explainer.views([known[number].listed.path for number in (first, first + 1)])
    assert str(Pair(*views).similarity)[:9] in other.text
    for wrong in (
        {},
        {"picture": first},
        {"query": sent, "of": first, "picture": first},
        {"query": sent},
        {"query": sent, "picture": "x"},
    ):
        refusal(asking.get("/api/pair", params=wrong), 400)
    refusal(asking.get("/api/pair", params={"query": "gone", "picture": first}), 404)
    refusal(asking.get("/api/pair", params={"query": sent, "picture": 10**9}), 404)


def test_a_match_is_confirmed_rejected_and_withdrawn(asking: TestClient, sent: str, birds: Path) -> None:
    hit = search(asking, query=sent, top=1, answers=False)["hits"][0]
    before = asking.get("/api/judgements").json()["judged"]
    for same in (True, False, None):
        answer = asking.post(
            "/api/judgements",
            json={
                "query": sent,
                "picture": hit["picture"],
                "same": same,
                "score": hit["score"],
                "regions": [{"box": [0, 0, 9, 9]}],
            },
        )
        assert fits("Judged", answer.json()) == {"same": same, "judged": before + (same is not None)}
        assert search(asking, query=sent, top=1, answers=False)["hits"][0]["judged"] is same
    fits("Judgements", asking.get("/api/judgements").json())
    rows = birds.with_name("birds.judgements.csv").read_text().splitlines()
    assert rows[-1].count(hit["id"]) >= 1
    assert [file.read_bytes() for file in birds.with_name("birds.judged").iterdir()] == [photograph()]
    refusal(asking.post("/api/judgements", json={"query": sent, "picture": 10**9, "same": True}), 404)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nothing = 3", "no column of this index"),
        ("path like '/%'", "no column of this index"),
        ("label = ", "cannot be read"),
        ("1; DROP TABLE pictures", "cannot be read"),
        ("(" * 200, "cannot be read|deep"),
    ],
)
def test_hostile_conditions(asking: TestClient, sent: str, where: str, said: str) -> None:
    import re

    sentence = refusal(asking.post("/api/search", json={"query": sent, "where": where}), 400)
    assert re.search(said, sentence)
    assert "path" not in sentence.partition("it has:")[2]


def test_hostile_regions(asking: TestClient, sent: str) -> None:
    for shape, said in (
        ({"box": [100, 100, 200, 200]}, "outside|nothing of what the network sees"),
        ({"box": [10, 10, 10, 20]}, "empty"),
        ({"place": [-1, 5]}, "outside"),
        ({"stroke": {"points": [[-900, -900]], "width": 1}}, "outside"),
    ):
        answer = asking.post("/api/search", json={"query": sent, "regions": [shape]})
        assert any(part in refusal(answer, 400) for part in said.split("|")), answer.text


def test_uploads_are_bounded_in_bytes_and_kinds(asking: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    multipart = {"picture": ("../../x.png", photograph(), "image/png")}
    refusal(asking.post("/api/queries", files=multipart), 415)
    refusal(asking.post("/api/queries", content=b"<svg/>", headers={"content-type": "image/svg+xml"}), 415)
    refusal(asking.post("/api/queries", content=b"x" * 100, headers=PNG), 400)
    refusal(asking.post("/api/search", content=b"{}", headers={"content-type": "text/plain"}), 415)
    monkeypatch.setattr("kinsight.server.application.MOST_BYTES", 1000)
    refusal(asking.post("/api/queries", content=b"x" * 1001, headers=PNG), 413)
    refusal(asking.post("/api/queries", content=iter([b"x" * 600] * 2), headers=PNG), 413)
    monkeypatch.setattr("kinsight.server.application.MOST_JSON", 1000)
    refusal(asking.post("/api/search", json={"where": "x" * 1000}), 413)


def test_names_that_were_sent_are_text_and_nothing_else(asking: TestClient, first: int) -> None:
    for name in ("</script><script>alert(1)</script>", "../../etc/passwd", "\u202eabc\x00", "x" * 900):
        answer = asking.post("/api/queries", params={"name": name}, content=photograph(), headers=PNG)
        query = fits("Query", answer.json())
        assert len(query["name"]) <= 200
        assert "\0" not in query["name"]
        page = asking.get("/api/pair", params={"query": query["query"], "picture": first}).text
        assert "<script>alert" not in page


def test_addresses_that_are_not_there_and_wrong_ways_to_ask(asking: TestClient) -> None:
    refusal(asking.get("/nothing"), 404)
    refusal(asking.get("/api/search"), 405)
    refusal(asking.delete("/api/judgements"), 405)
    refusal(asking.post("/"), 405)


def test_no_answer_holds_a_path_of_the_machine(
    asking: TestClient, birds: Path, pictures: Path, sent: str, first: int
) -> None:
    answers = [
        asking.get(path).text
        for path in (
            "/",
            "/api/about",
            "/api/openapi.json",
            "/api/judgements",
            f"/api/pair?of={first}&picture={first}",
            f"/api/pair?query={sent}&picture={first}",
        )
    ]
    answers += [
        asking.post("/api/search", json=question).text
        for question in ({"picture": first}, {"query": sent, "where": "x"}, {"query": "x"})
    ]
    for answer in answers:
        assert not any(str(folder) in answer for folder in (birds.parent, pictures.parent, Path.home(), "/tmp/"))


def test_an_approximate_server_answers_through_the_lists_with_exact_scores(
    finished: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "birds.kin"
    kinsight.index(finished, pictures, out=path, workers=0, places=True).close()
    with pytest.raises(kinsight.KinsightError, match="--approximate"):
        made_application(path, approximate=True)
    with kinsight.open_index(path, writable=True) as index:
        index.build_approximate()
    with client(made_application(path)) as made:
        number = made.get("/api/about").json()["examples"][0]
        asked: list[dict[str, Any]] = [
            {},
            {"regions": [{"box": [2, 2, 20, 20]}]},
            {"where": "split = 'test'"},
        ]
        exact = [search(made, picture=number, **each)["hits"] for each in asked]

    with client(made_application(path, approximate=True)) as made:
        assert search(made, picture=number, by="places")["hits"]  # every place is compared in any case
    monkeypatch.delattr("kinsight.api.opened_index.Index._matrix")  # all vectors
    with client(made_application(path, approximate=True)) as made:
        found = [search(made, picture=number, **each)["hits"] for each in asked]
    assert found == exact  # lists of a small index hold every picture


def test_an_index_on_a_server_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(kinsight.KinsightError, match=r"stands on a server.*NAME\.kin"):
        made_application("qdrant://127.0.0.1:1/birds")


def test_pictures_that_are_gone_are_said_so_without_their_path(finished: Path, pictures: Path, tmp_path: Path) -> None:
    from shutil import copytree

    copytree(pictures.parent / "class_00", tmp_path / "some" / "class_00")
    kinsight.index(finished, tmp_path / "some", out=tmp_path / "some.kin", workers=0).close()
    with client(made_application(tmp_path / "some.kin")) as made:
        numbers = made.get("/api/about").json()["examples"]
        for file in (tmp_path / "some").rglob("*.png"):
            file.unlink()
        query = made.post("/api/queries", content=photograph(), headers=PNG).json()["query"]
        found = search(made, query=query)
        said = [hit["problem"] for hit in found["hits"]]
        said += [refusal(made.get(f"/api/pictures/{numbers[0]}/thumbnail"), 400)]
        said += [refusal(made.post("/api/search", json={"picture": numbers[0]}), 400)]
        assert all("does not exist" in each or "cannot be read" in each for each in said)
        assert not any(str(tmp_path) in each for each in said)


def test_faults_of_the_server_are_said_without_their_insides(
    asking: TestClient, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kinsight.server.application.question_of", lambda body: 1 / 0)
    assert "zero" not in refusal(asking.post("/api/search", json={}), 500)


def test_the_description_is_valid_and_whole(asking: TestClient) -> None:
    text = asking.get("/api/openapi.json").json()
    assert text["openapi"].startswith("3.1")
    for schema in text["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    served = {(route.path, method.lower()) for route in asking.app.app.routes for method in route.methods - {"HEAD"}}
    told = {(path, method) for path, methods in text["paths"].items() for method in methods}
    assert told == {each for each in served if each[0].startswith("/api/")}
    references = json.dumps(text).split('"$ref": "#/components/schemas/')[1:]
    assert {each.partition('"')[0] for each in references} <= set(text["components"]["schemas"])


_NUMBERS = some.one_of(some.integers(-5, 70), some.floats(allow_nan=False), some.just(10**30))
_SHAPES = some.fixed_dictionaries(
    {},
    optional={
        "box": some.lists(_NUMBERS, min_size=3, max_size=5),
        "place": some.lists(_NUMBERS, min_size=2, max_size=2),
        "stroke": some.fixed_dictionaries(
            {"points": some.lists(some.lists(_NUMBERS, min_size=2, max_size=2), max_size=3), "width": _NUMBERS}
        ),
        "weight": _NUMBERS,
    },
)
_QUESTIONS = some.fixed_dictionaries(
    {},
    optional={
        "picture": some.one_of(some.integers(0, 80), some.integers()),
        "regions": some.lists(_SHAPES, max_size=3),
        "without": some.lists(_SHAPES, max_size=2),
        "where": some.one_of(some.none(), some.text(max_size=20), some.sampled_from(["label = 'x'", "id like '%1%'"])),
        "top": some.integers(-1, 120),
        "answers": some.booleans(),
        "same": some.one_of(some.none(), some.booleans()),
    },
)


@pytest.mark.long
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(question=_QUESTIONS, known=some.booleans())
def test_whatever_is_asked_the_answer_is_a_sentence_or_hits(
    asking: TestClient, sent: str, question: dict[str, Any], known: bool
) -> None:
    question = question | ({"query": sent} if known else {})
    sent_as = json.dumps(question)
    for path in ("/api/search", "/api/judgements"):
        answer = asking.post(path, content=sent_as, headers={"content-type": "application/json"})
        assert answer.status_code in (200, 400, 404), answer.text
        assert "error" in answer.json() or answer.status_code == 200
