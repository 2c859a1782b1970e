from __future__ import annotations

from kinsight.evaluation import METRICS
from kinsight.runs.evaluations import EvaluationRecord
from kinsight.show.metrics import COUNTS, is_diagnosis, is_fraction, ordered
from kinsight.show.report.embedding_space import MEANINGS, readings
from kinsight.show.report.trained_and_untrained import headlines, metric_rows, side_by_side

CLUSTERING = {"nmi", "ami", "f1"}


def result(name: str, model: str = "trained", **metrics: float) -> EvaluationRecord:
    return EvaluationRecord(name, model, name.removesuffix("-untrained"), metrics)


def test_every_metric_has_its_place() -> None:
    # Percent for what ranks and clusters, a sentence for what describes the space, neither for counts.
    fractions = {name for name, metric in METRICS.items() if metric.ranking} | CLUSTERING
    assert {name for name in METRICS if is_fraction(name)} == fractions
    assert {name for name in METRICS if is_diagnosis(name)} == set(METRICS) - fractions - set(COUNTS)
    assert set(COUNTS) <= set(METRICS)
    assert all(name.startswith(tuple(MEANINGS)) for name in METRICS if is_diagnosis(name))


def test_order_and_ends_of_intervals() -> None:
    keys = [
        "nmi",
        "nmi_sd",
        "recall_at_16",
        "recall_at_3",
        "map_at_r_low",
        "map_at_r",
        "map_at_r_high",
        "new",
        "recall_at_1",
    ]
    assert ordered(keys) == ["map_at_r", "recall_at_1", "recall_at_3", "recall_at_16", "nmi", "new"]
    assert ordered(["odd_low"]) == ["odd_low"]


def test_the_gain_is_the_difference_of_what_is_shown() -> None:
    (setting,) = side_by_side(
        [result("test", map_at_r=0.30049, nmi=0.1), result("test-untrained", "untrained", map_at_r=0.1005, nmi=0.2)]
    )
    better, worse = metric_rows(setting)
    assert (better.trained and better.trained.number(), better.untrained and better.untrained.number()) == (
        "30.0",
        "10.1",
    )
    assert better.gain == "+19.9"
    assert worse.gain == "-10.0"


def test_settings_pair_models_and_put_the_test_split_first() -> None:
    found = side_by_side(
        [result("cars-test"), result("validation"), result("test-untrained", "untrained"), result("test")]
    )
    assert [one.name for one in found] == ["test", "cars-test", "validation"]
    assert found[0].trained is not None
    assert found[0].untrained is not None
    assert found[1].untrained is None


def test_headlines_do_not_repeat_a_number() -> None:
    (setting,) = side_by_side([result("test", recall_at_1=0.5, precision_at_1=0.5, map_at_r=0.2, nmi=0.3)])
    assert [one.key for one in headlines(metric_rows(setting))] == ["map_at_r", "precision_at_1"]
    (setting,) = side_by_side([result("test", ami=0.5, nmi=0.3)])
    assert [one.key for one in headlines(metric_rows(setting))] == ["nmi"]


def test_the_space_is_read_in_words() -> None:
    trained = result(
        "test", effective_dimensions_90=9, effective_dimensions_99=40, hubness=1.5, antihubs=0.12, map_at_r=0.5
    )
    (setting,) = side_by_side([trained, result("test-untrained", "untrained", hubness=2.25)])
    found = {one.title: one for one in readings(setting)}
    assert found["Effective dimensions"].trained == "9 / 40"
    assert found["Effective dimensions"].untrained == ""
    assert "90 / 99 % of the variance" in found["Effective dimensions"].sentence
    assert (found["Hubness"].trained, found["Hubness"].untrained) == ("1.50", "2.25")
    assert METRICS["hubness"].definition in found["Hubness"].sentence
    assert found["Antihubs"].trained == "12.0 %"
    assert len(found) == 3
