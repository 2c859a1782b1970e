from __future__ import annotations

from kinsight.show import metric_table


def record(name: str, model: str, **metrics: float) -> dict[str, object]:
    return {"name": name, "model": model, "split": "test", "metrics": metrics}


def test_trained_and_untrained_stand_side_by_side() -> None:
    text = metric_table(
        [
            record(
                "test",
                "trained",
                nmi=0.5,
                nmi_sd=0.01,
                recall_at_3=0.4,
                recall_at_1=0.3,
                map_at_r=0.4123,
                map_at_r_low=0.401,
                map_at_r_high=0.423,
                hubness=12.5,
            ),
            record("test-untrained", "untrained", map_at_r=0.05, map_at_r_low=0.04, map_at_r_high=0.06),
        ]
    )
    lines = text.splitlines()
    assert lines[0].split() == ["test", "trained", "untrained"]
    assert "41.2 % [40.1, 42.3]" in lines[2]
    assert lines[2].endswith("5.0 % [4.0, 6.0]")
    assert lines[2].index("[40.1") < lines[2].index("[4.0")
    assert [line.split()[0] for line in lines[2:6]] == ["MAP@R", "R@1", "R@3", "NMI"]
    assert lines[5].split()[1:] == ["50.0", "%", "±", "1.0", "-"]
    assert lines[7].split() == ["Hubness", "12.5", "-"]
    assert "low" not in text
    assert len({line.index("%") for line in lines[2:6]}) == 1


def test_other_pictures_have_their_own_block() -> None:
    text = metric_table([record("test", "trained", map_at_r=0.1), record("cars-test", "trained", map_at_r=0.2)])
    assert [block.split()[0] for block in text.split("\n\n")] == ["test", "cars-test"]


def test_any_embeddings_are_shown_under_their_own_name() -> None:
    text = metric_table(
        [{"name": "mine.npz", "model": "embeddings", "split": "all", "metrics": {"precision_at_1": 1.0}}]
    )
    assert text.splitlines()[0].split() == ["mine.npz", "embeddings"]
    assert "100.0 %" in text
