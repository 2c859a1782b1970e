"""Everything that needs the index and its model, done in the one thread that has them."""

from __future__ import annotations

import itertools
import json
import secrets
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from PIL import Image

from kinsight.api.opened_index import Index
from kinsight.data.judged import JudgedPicture
from kinsight.errors import KinsightError
from kinsight.explanation import Pair, View
from kinsight.retrieval.hits import Hit
from kinsight.retrieval.store import Known
from kinsight.retrieval.where import parse_condition
from kinsight.server.judgements import Judgements
from kinsight.server.meaning import Meaning
from kinsight.server.names import shown, shown_columns, without_paths
from kinsight.server.questions import Judgement, Question, Shape, regions_on
from kinsight.server.refusals import Missing
from kinsight.server.remembered import Remembered, RememberingExplainer, view_bytes
from kinsight.server.uploads import jpeg, uploaded_picture
from kinsight.show.pair.page import framed_page

QUERIES = 256 * 2**20  # bytes of pictures that were sent
PREVIEW = 1024  # pixels of the longer side
_LISTED = 1000  # judgements in one answer


@dataclass(frozen=True, eq=False)
class Query:
    """A picture that is asked with.

    Attributes:
        view: as the network sees it.
        size: width and height of the upright picture.
        judged: what it is called in the table of judgements.
        name: what people call it.
        preview, data: of a picture that was sent: a JPEG to show, and its bytes.
        handle: of a picture that was sent.
        picture: the number of a picture of the index.
    """

    view: View
    size: tuple[int, int]
    judged: JudgedPicture
    name: str
    preview: bytes = b""
    data: bytes = b""
    handle: str | None = None
    picture: int | None = None


class Searching:
    """An index that is searched, explained and judged.

    Args:
        index: opened in the thread in which everything here is called.
        judgements: what people said of matches.
        approximate: compare only the pictures that the index's lists say may be near.
        stream: of a model of two streams: of which view pictures are that are sent, where not of that of the index's pictures.
    """

    def __init__(
        self, index: Index, judgements: Judgements, *, approximate: bool = False, stream: str | None = None
    ) -> None:
        index.explainer = RememberingExplainer.of(index.explainer)
        self._asking = index.explainer if stream is None else index.known.explainer("auto", stream=stream)
        self.index, self.judgements, self._approximate = index, judgements, approximate
        self.meaning = Meaning(index.calibration)
        self._queries: Remembered[Query] = Remembered(QUERIES)
        # The first search takes what it reads into memory.
        index.search(Image.new("RGB", (64, 64)), top=1, answers=False, approximate=approximate)

    def sent(self, data: bytes, name: str) -> dict[str, Any]:
        """Take a picture that somebody sent, and say what it is called from now on."""
        picture = uploaded_picture(data)
        (view,) = self._asking.views([picture])
        handle = secrets.token_urlsafe(12)
        query = Query(view, picture.size, self.judgements.sent(data), name, jpeg(picture, PREVIEW), data, handle=handle)
        self._queries.keep(handle, query, len(data) + len(query.preview) + view_bytes(view))
        return _query_plain(query)

    def preview(self, handle: str) -> bytes:
        """A picture that was sent, as JPEG."""
        return self._sent(handle).preview

    def search(self, question: Question) -> dict[str, Any]:
        """The answer to a question."""
        began = time.perf_counter()
        self.index.store.refresh()
        if question.where is not None:  # paths are not for strangers, not even to be guessed at
            parse_condition(question.where, dict.fromkeys(("id", *self.index.columns), "c"))
        query = self._query(question.query, question.picture)
        regions, without = regions_on(query.view, question.regions, question.without)
        found = self.index.search(
            query.view,
            region=regions or None,
            without=without or None,
            where=question.where,
            top=question.top,
            answers=question.answers,
            by="places" if question.by == "places" else "picture",
            approximate=self._approximate and question.by == "picture",
        )
        whole = not (regions or without) and question.by == "picture"
        anything = self.meaning.anything(found) if whole else None
        told = whole and (
            anything is None or anything["anything"]
        )  # nothing like it, and yet the same, would be two answers
        known = self.index.store.known([hit.id for hit in found])
        return {
            "query": _query_plain(query),
            "hits": [
                self._hit(query, hit, known[hit.id], rank, told)
                for rank, hit in enumerate(found, start=1)
                if hit.id in known
            ],
            "searched": found.searched,
            "held": found.held,
            "found": anything,
            "seconds": round(time.perf_counter() - began, 4),
        }

    def pair(self, handle: str | None, of: int | None, picture: int) -> str:
        """The page that shows, place by place, why a picture was found."""
        query = self._query(handle, of)
        other = self._query(None, picture)
        return framed_page([Pair(replace(query.view, name=query.name), replace(other.view, name=other.name))])

    def judge(self, judgement: Judgement) -> dict[str, Any]:
        """Keep what somebody says of a match."""
        query = self._query(judgement.query, judgement.of)
        other = self._listed(judgement.picture)
        if query.data and judgement.same is not None:
            self.judgements.keep(query.judged, query.data)
        self.judgements.add(
            judgement.same,
            query.judged,
            _judged(other),
            score=judgement.score,
            regions=_shapes_text(judgement.regions, judgement.without),
            model=self.index.model.digest(),
        )
        return {"same": judgement.same, "judged": len(self.judgements)}

    def judged(self) -> dict[str, Any]:
        """What was judged, the newest pairs first."""
        newest = list(itertools.islice(reversed(list(self.judgements.pairs())), _LISTED))
        pairs = [{"ids": [shown(first), shown(second)], "same": same} for first, second, same in newest]
        return {"judged": len(self.judgements), "pairs": pairs}

    def _hit(self, query: Query, hit: Hit, known: Known, rank: int, told: bool) -> dict[str, Any]:
        view, part = hit.view, hit.box
        if part is None and view is not None and view.upright is not None:
            part = (0, 0, view.upright[1], view.upright[0])
        return {
            "rank": rank,
            "picture": known.number,
            "id": shown(hit.id),
            "score": hit.score,
            "same": self.meaning.same(hit.score) if told else None,
            "answer": None if hit.answer is None else [round(side, 2) for side in hit.answer],
            "shown": None if part is None else list(part),
            "columns": shown_columns(hit.columns),
            "judged": self.judgements.same(query.judged.id, hit.id),
            "problem": without_paths(hit.problem, hit.path),
        }

    def _query(self, handle: str | None, picture: int | None) -> Query:
        if handle is not None:
            return self._sent(handle)
        assert picture is not None
        known = self._listed(picture)
        listed = known.listed
        try:
            (view,) = self.index.explainer.views([listed.path], boxes=[listed.box])
        except KinsightError as problem:
            raise KinsightError(without_paths(str(problem), listed.path)) from None
        if listed.box is not None:
            left, top, right, bottom = listed.box
            height, width = bottom - top, right - left
        else:
            height, width = view.upright or view.size
        return Query(view, (width, height), _judged(known), shown(listed.id), picture=picture)

    def _sent(self, handle: str) -> Query:
        query = self._queries.get(handle)
        if query is None:
            raise Missing("this picture is no longer kept; send it again")
        return query

    def _listed(self, picture: int) -> Known:
        found = self.index.store.pictures([picture])
        if picture not in found:
            raise Missing("the index has no such picture (any more); search again")
        return found[picture]


def _judged(known: Known) -> JudgedPicture:
    return JudgedPicture(known.listed.id, known.listed.path, known.listed.box)


def _query_plain(query: Query) -> dict[str, Any]:
    view = query.view
    height, width = view.size
    return {
        "query": query.handle,
        "picture": query.picture,
        "name": query.name,
        "size": list(query.size),
        "seen": [round(side, 2) for side in view.window or (0.0, 0.0, float(width), float(height))],
        "input": [width, height],
        "grid": [view.grid[1], view.grid[0]],
    }


def _shapes_text(regions: list[Shape], without: list[Shape]) -> str:
    if not (regions or without):
        return ""
    plain = {"regions": regions, "without": without}
    kept = {
        name: [{key: value for key, value in asdict(shape).items() if value is not None} for shape in shapes]
        for name, shapes in plain.items()
        if shapes
    }
    return json.dumps(kept, separators=(",", ":"))
