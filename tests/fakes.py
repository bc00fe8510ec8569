"""Small real things that tests use in place of clocks and faults."""

START_US = 1_723_161_255_000_000


class FakeClock:
    """A clock that stands still until it is moved; sleeping moves it."""

    def __init__(self, now_us: int = START_US) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        return self._now_us

    def monotonic(self) -> float:
        return self._now_us / 1e6

    def sleep(self, seconds: float) -> None:
        self._now_us += round(seconds * 1e6)
