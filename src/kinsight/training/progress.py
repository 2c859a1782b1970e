"""What a person watches while training: a bar with the loss, the speed and the time left."""

from __future__ import annotations

import time

from tqdm import tqdm


class Progress:
    """A bar on a terminal (nothing elsewhere) and the recent speed."""

    def __init__(self, total: int, *, shown: bool) -> None:
        # disable=None hides the bar where the output is not a terminal.
        self._bar = tqdm(total=total, unit="step", dynamic_ncols=True, disable=None if shown else True)
        self._since, self._pictures = time.monotonic(), 0
        self._speed = 0.0

    @property
    def pictures_per_second(self) -> float:
        """Pictures a second since this was last asked."""
        now = time.monotonic()
        if self._pictures:
            self._speed = self._pictures / max(now - self._since, 1e-9)
            self._since, self._pictures = now, 0
        return self._speed

    def start_at(self, step: int) -> None:
        """Show a run that goes on."""
        self._bar.update(step)
        self._bar.unpause()

    def restart_clock(self) -> None:
        """Leave out of the speed what was not training (a validation)."""
        self._since, self._pictures = time.monotonic(), 0

    def advance(self, loss: float, pictures: int) -> None:
        """One step done."""
        self._pictures += pictures
        elapsed = max(time.monotonic() - self._since, 1e-9)
        self._bar.set_postfix_str(f"loss {loss:.3f}, {self._pictures / elapsed:.0f} pictures/s", refresh=False)
        self._bar.update(1)

    def close(self) -> None:
        """Leave the finished bar standing."""
        self._bar.close()
