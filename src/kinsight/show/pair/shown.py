"""Pairs that show themselves: as the interactive picture in a notebook, and as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex, overload

from kinsight.explanation.pair import Pair
from kinsight.show.pair.files import write_pair
from kinsight.show.pair.page import pair_fragment

if TYPE_CHECKING:
    from typing_extensions import Self


class ShownPair(Pair):
    """A pair that shows itself; `kinsight.explain` gives it."""

    def save(self, path: str | Path, *, title: str | None = None) -> Path:
        """Write the pair as the suffix of `path` says: `.html` the page, `.png` the still figure, `.npz` the arrays.

        Raises:
            KinsightError: another suffix, or the file cannot be written.
        """
        return write_pair(path, self, title=title)[0]

    def _repr_html_(self) -> str:
        return pair_fragment(self)


class ShownPairs(list[ShownPair]):
    """Pairs in the order of their rank, as `kinsight.explain` gives them for a gallery; a list that shows itself, and so do its slices."""

    def save(self, path: str | Path, *, title: str | None = None, names: Sequence[str] | None = None) -> list[Path]:
        """Write all pairs, as one page `.html` or as a `.png` or `.npz` for each, numbered by rank; gives the files.

        Args:
            title: the heading of the page.
            names: what each pair is called; without them they are matches 1, 2, ...

        Raises:
            KinsightError: another suffix, no pair, names that are not one for each, or the files cannot be written.
        """
        return write_pair(path, self, title=title, names=names)

    @overload
    def __getitem__(self, at: SupportsIndex, /) -> ShownPair: ...
    @overload
    def __getitem__(self, at: slice, /) -> Self: ...
    def __getitem__(self, at: SupportsIndex | slice, /) -> ShownPair | Self:
        return type(self)(super().__getitem__(at)) if isinstance(at, slice) else super().__getitem__(at)

    def _repr_html_(self) -> str:
        return pair_fragment(self) if self else "<p>No pairs.</p>"
