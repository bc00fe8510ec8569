"""The machine's clocks."""

import time

from engine.clock import SystemClock


def test_wall_clock_counts_microseconds_since_1970() -> None:
    before, now_us, after = time.time(), SystemClock().now_us(), time.time()
    assert int(before * 1e6) <= now_us <= after * 1e6 + 1


def test_seconds_never_go_back_and_sleeping_lets_them_pass() -> None:
    clock = SystemClock()
    began = clock.monotonic()
    clock.sleep(0.001)
    assert clock.monotonic() >= began + 0.001
