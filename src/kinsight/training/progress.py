"""What a person watches while training: a bar with the epoch, the loss, the speed and the time left."""

from __future__ import annotations

import time

from tqdm import tqdm

_FORMAT = "{desc} |{bar}| {n_fmt}/{total_fmt} steps, {remaining} left{postfix}"


class Progress:
    """A bar on a terminal (nothing elsewhere) and the recent speed."""

    def __init__(self, total: int, epochs: int, *, shown: bool) -> None:
        self._epochs = epochs
        # disable=None hides the bar where the output is not a terminal.
        self._bar = tqdm(total=total, bar_format=_FORMAT, dynamic_ncols=True, disable=None if shown else True)
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

    def say(self, what: str) -> None:
        """What is done while no step is."""
        self._bar.set_description_str(what)

    def restart_clock(self) -> None:
        """Leave out of the speed what was not training (a validation)."""
        self._since, self._pictures = time.monotonic(), 0

    def advance(self, epoch: int, loss: float, pictures: int) -> None:
        """One step done, of that epoch (from 0)."""
        self._pictures += pictures
        elapsed = max(time.monotonic() - self._since, 1e-9)
        self._bar.set_description_str(f"epoch {epoch + 1}/{self._epochs}", refresh=False)
        self._bar.set_postfix_str(f"loss {loss:.3f}, {self._pictures / elapsed:.0f} pictures/s", refresh=False)
        self._bar.update(1)

    def close(self) -> None:
        """Leave the bar standing as it is."""
        self._bar.close()
