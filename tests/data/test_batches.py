"""Which pictures meet in a batch: counts, chances, repeatability."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinsight.data.batches import Batch, BatchSampler, MPerClassBatches, UniformBatches, share
from kinsight.errors import KinsightError
from kinsight.pictures.loading import Draw

sizes_of_classes = st.lists(st.integers(1, 12), min_size=1, max_size=12)


def labels_of(sizes: list[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


def indices(sampler: BatchSampler, epoch: int = 0, start: int = 0) -> list[list[int]]:
    return [[draw.index for draw in batch.draws] for batch in sampler.epoch(epoch, start)]


# Uniform


@given(count=st.integers(1, 60), size=st.integers(1, 20), seed=st.integers(0, 5), drop=st.booleans())
def test_uniform_goes_through_every_picture_once(count: int, size: int, seed: int, drop: bool) -> None:
    if drop and count < size:
        return
    sampler = UniformBatches(count, size, seed=seed, drop_last=drop)
    batches = indices(sampler)
    flat = list(itertools.chain(*batches))
    assert len(batches) == len(sampler)
    assert len(set(flat)) == len(flat) == (count // size * size if drop else count)
    assert set(flat) <= set(range(count))
    assert all(len(batch) == size for batch in (batches if drop else batches[:-1]))


def test_uniform_leaves_out_other_pictures_each_epoch() -> None:
    sampler = UniformBatches(["a"] * 10, 4)
    left_out = [frozenset(range(10)) - set(itertools.chain(*indices(sampler, epoch))) for epoch in range(30)]
    assert all(len(some) == 2 for some in left_out)
    assert frozenset.union(*left_out) == set(range(10))


def test_uniform_needs_a_full_batch() -> None:
    with pytest.raises(KinsightError, match="10 pictures do not fill one batch of 16; lower batch_size"):
        UniformBatches(10, 16)
    assert indices(UniformBatches(10, 16, drop_last=False))[0].__len__() == 10
    with pytest.raises(KinsightError, match="0 pictures"):
        UniformBatches([], 16, drop_last=False)


# M per class


@pytest.mark.long
@settings(max_examples=150)
@given(
    sizes=sizes_of_classes,
    classes=st.integers(1, 6),
    per_class=st.integers(1, 5),
    seed=st.integers(0, 3),
    epoch=st.integers(0, 50),
    balanced=st.booleans(),
    length=st.one_of(st.none(), st.integers(1, 9)),
)
def test_every_batch_and_every_epoch_keep_the_promises(
    sizes: list[int], classes: int, per_class: int, seed: int, epoch: int, balanced: bool, length: int | None
) -> None:
    classes = min(classes, len(sizes))
    labels, size = labels_of(sizes), classes * per_class
    sampler = MPerClassBatches(labels, size, per_class, seed=seed, balanced=balanced, length=length)
    batches = indices(sampler, epoch)
    assert len(batches) == len(sampler) == (length or max(1, len(labels) // size))
    groups: Counter[int] = Counter()
    for batch in batches:
        assert len(batch) == size
        for group in np.split(np.array(batch), classes):
            members = labels[group]
            assert len(set(members)) == 1
            groups[int(members[0])] += 1
            have = sizes[members[0]]
            times = Counter(group.tolist()).values()
            # all different where the class has enough pictures, else repeated as evenly as possible
            assert len(times) == min(have, per_class)
            assert max(times) <= -(-per_class // have)
        assert len({int(label) for label in labels[batch]}) == classes
    for label, have in enumerate(sizes):
        drawn = Counter(i for batch in batches for i in batch if labels[i] == label)
        counts = [drawn[i] for i in np.flatnonzero(labels == label).tolist()]
        assert max(counts) - min(counts) <= 1
        assert sum(counts) == groups[label] * per_class
        assert len(counts) == have
    weights = np.ones(len(sizes)) if balanced else np.array(sizes, float)
    shares = exact_shares(weights, len(batches), classes)
    for label, exact in enumerate(shares):
        assert np.floor(exact - 1e-9) <= groups[label] <= np.ceil(exact + 1e-9)


def exact_shares(weights: np.ndarray, length: int, classes: int) -> np.ndarray:
    """Groups of each class in proportion to its weight, at most one a batch, found by slowly pouring."""
    low, high = 0.0, length * 1e6
    for _ in range(200):
        level = (low + high) / 2
        low, high = (level, high) if np.minimum(weights * level, length).sum() < length * classes else (low, level)
    return np.minimum(weights * high, length)


@pytest.mark.long
def test_every_picture_has_the_same_chance() -> None:
    labels = labels_of([1, 2, 3, 5, 8, 13, 21, 6, 6, 7])
    sampler = MPerClassBatches(labels, 12, 3)
    epochs = 400
    counts = np.bincount(list(itertools.chain(*(b for e in range(epochs) for b in indices(sampler, e)))), minlength=72)
    assert len(sampler) == 6
    assert counts.sum() == epochs * 72
    # 21 of 72 pictures in one class are more than one group a batch: it comes in every batch, the others share the
    # rest.
    largest = labels == 6
    assert np.allclose(counts[largest] / epochs, 6 * 3 / 21, rtol=0.1)
    assert np.allclose(counts[~largest] / epochs, 6 * 9 / 51, rtol=0.1)
    by_class = np.array([counts[labels == label].mean() for label in range(10) if label != 6]) / epochs
    assert np.allclose(by_class, 6 * 9 / 51, rtol=0.02)


def test_balanced_gives_every_class_the_same() -> None:
    labels = labels_of([1, 2, 40, 5, 8])
    sampler = MPerClassBatches(labels, 6, 3, balanced=True)
    counts: Counter[int] = Counter()
    for epoch in range(50):
        groups = Counter(int(label) for batch in indices(sampler, epoch) for label in labels[batch][::3])
        assert max(groups.values()) - min(groups.values()) <= 1
        counts.update(groups)
    assert max(counts.values()) - min(counts.values()) <= 2


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_no_class_waits_long(seed: int) -> None:
    sizes = [1, 1, 2, 3, 5, 10, 30, 40, 33, 8, 1]
    labels = labels_of(sizes)
    sampler = MPerClassBatches(labels, 12, 4, seed=seed)
    last = dict.fromkeys(range(len(sizes)), -1)
    longest: Counter[int] = Counter()
    for epoch in range(300):
        for label in {int(label) for batch in indices(sampler, epoch) for label in labels[batch]}:
            longest[label] = max(longest[label], epoch - last[label])
            last[label] = epoch
    share_of = exact_shares(np.array(sizes, float), len(sampler), 3)
    for label in range(len(sizes)):
        assert longest[label] <= np.ceil(2.62 / min(share_of[label], 1))
        assert last[label] > 290 - 2.62 / share_of[label]


def test_classes_meet_by_chance_and_not_in_blocks() -> None:
    """How often two classes share a batch must scatter as in independent draws, or the negatives of a class are few."""
    labels = np.repeat(np.arange(60), 32)
    sampler = MPerClassBatches(labels, 32, 4)
    meetings = np.zeros((60, 60))
    for batch in indices(sampler):
        present = np.unique(labels[batch])
        meetings[np.ix_(present, present)] += 1
    apart = meetings[~np.eye(60, dtype=bool)]
    assert np.isclose(apart.mean(), 8 * 7 / 59)
    assert apart.var() < 1.5 * apart.mean()
    assert apart.var() > 0.5 * apart.mean()


# Both


def samplers(seed: int = 0) -> list[BatchSampler]:
    labels = labels_of([3, 9, 5, 7, 2, 8])
    return [
        UniformBatches(labels, 5, seed=seed),
        UniformBatches(labels, 5, seed=seed, drop_last=False),
        MPerClassBatches(labels, 6, 2, seed=seed),
        MPerClassBatches(labels, 6, 2, seed=seed, balanced=True),
    ]


@pytest.mark.parametrize("number", range(4))
def test_an_epoch_can_be_taken_up_at_any_batch(number: int) -> None:
    whole = list(samplers()[number].epoch(7))
    for start in range(len(whole) + 2):
        assert list(samplers()[number].epoch(7, start)) == whole[start:]


@pytest.mark.parametrize("number", range(4))
def test_seed_and_epoch_decide_everything(number: int) -> None:
    np.random.seed(1)
    one = list(samplers()[number].epoch(3))
    np.random.seed(2)
    sampler = samplers()[number]
    list(sampler.epoch(1))
    assert list(sampler.epoch(3)) == one
    others = [list(sampler.epoch(4)), list(samplers(seed=1)[number].epoch(3))]
    for other in others:
        assert [[d.index for d in b.draws] for b in other] != [[d.index for d in b.draws] for b in one]
        assert not {d.seed for b in other for d in b.draws} & {d.seed for b in one for d in b.draws}


@pytest.mark.parametrize("number", range(4))
def test_draw_seeds_are_all_different(number: int) -> None:
    seeds = [draw.seed for epoch in range(40) for batch in samplers()[number].epoch(epoch) for draw in batch.draws]
    assert len(set(seeds)) == len(seeds)
    # torch's CPU generator takes the low 32 bits: they too must be spread
    low = np.array(seeds, dtype=np.uint64) & np.uint64(2**32 - 1)
    assert len(np.unique(low)) == len(low)
    assert abs(low.astype(float).mean() / 2**32 - 0.5) < 0.03
    assert min(seeds) >= 0


def test_text_labels_and_one_class() -> None:
    sampler = MPerClassBatches(["cat", "dog", "cat", "dog", "cow", "cow"], 4, 2)
    assert len(sampler) == 1
    assert sorted(indices(MPerClassBatches(["cat"] * 4, 4, 4))[0]) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((["a", "b", "c"], 32, 4), "needs 8 classes but the training pictures have 3; .* at most 12"),
        (([], 32, 4), "needs 8 classes but the training pictures have 0"),
        ((["a", "b"], 7, 4), "batch_size 7 is not a multiple of per_class 4; write batch_size 8"),
        ((["a", "b"], 0, 4), "batch_size 0"),
        ((["a", "b"], 4, 0), "per_class 0"),
    ],
)
def test_what_cannot_be_sampled_is_refused(arguments: tuple, words: str) -> None:
    with pytest.raises(KinsightError, match=words):
        MPerClassBatches(*arguments)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(KinsightError, match="seed -1"):
        UniformBatches(10, 2, seed=-1)


@given(size=st.integers(0, 40), world=st.integers(1, 9))
def test_shares_join_to_the_batch(size: int, world: int) -> None:
    batch = Batch([Draw(i, i + 100) for i in range(size)], subset=2)
    parts = [share(batch, rank, world) for rank in range(world)]
    assert list(itertools.chain(*parts)) == batch.draws
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
