import json

import numpy as np

from kinsight.evaluation import evaluate

rng = np.random.default_rng(0)
labels = np.repeat(np.arange(6), 4)
vectors = rng.standard_normal((24, 5))


def protocol(**options):
    return evaluate(vectors, options.pop("labels", labels), **{"ks": (1,), **options}).protocol


def test_it_records_what_moves_a_number():
    plain = protocol()
    assert json.loads(json.dumps(plain)) == plain
    assert plain == protocol()
    changed = labels.copy()
    changed[0] = 5
    half = np.arange(24) % 2 == 0
    for other in (
        protocol(ks=(1, 2)),
        protocol(labels=changed),
        protocol(queries=half),
        protocol(gallery=~half),
        protocol(cameras=np.arange(24) % 3),
        protocol(sequences=np.arange(24) % 3),
        protocol(seed=1),
        protocol(clustering=False),
        protocol(intervals=False),
        protocol(whole_gallery=False),
    ):
        assert other != plain


def test_it_states_counts_rules_and_versions():
    found = protocol(cameras=np.arange(24) % 2, sequences=np.arange(24) % 5, seed=7)
    assert (found["queries"], found["gallery"], found["classes"]) == (24, 24, 6)
    assert found["excluded"] == ["the item itself", "same label and same camera", "same sequence"]
    assert found["clustering"]["seeds"] == [7, 8, 9]
    assert found["intervals"]["resamples"] == 1000
    assert found["ties"] == "lower row first"
    assert all(found["versions"].values())
    assert protocol(labels=[f"class {label}" for label in labels])["labels_digest"] == found["labels_digest"]
