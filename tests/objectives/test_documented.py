"""The page of losses and miners says what the code says."""

from pathlib import Path

from kinsight.objectives import LOSSES, MINERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "losses.md"


def test_every_loss_and_miner_stands_with_its_defaults():
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    expected = [
        f"| `{name}` | {needs} | {', '.join(f'`{key}: {value}`' for key, value in options.items()) or '-'} |"
        for name, needs, options in [*LOSSES.describe(), *MINERS.describe()]
    ]
    assert rows == expected
