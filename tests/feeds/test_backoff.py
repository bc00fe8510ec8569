"""How long to wait before the next try."""

from engine.errors import Disconnected
from feeds.backoff import Backoff
from feeds.losses import Throttled

LOST = Disconnected("closed")
DRAWS = 400


def longest(tries: int) -> float:
    """The longest of many waits after so many losses: near the ceiling."""
    waits = []
    for _ in range(DRAWS):
        backoff = Backoff(0.5, 30.0)
        waits.append([backoff.wait_s(LOST) for _ in range(tries)][-1])
    assert min(waits) >= 0.0
    assert min(waits) < 0.1 * max(waits)  # Full jitter begins at nothing.
    return max(waits)


def test_ceiling_doubles_up_to_its_bound() -> None:
    for tries, ceiling_s in ((1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (100, 30.0)):
        assert 0.9 * ceiling_s < longest(tries) <= ceiling_s


def test_reset_begins_again() -> None:
    backoff = Backoff(0.5, 30.0)
    for _ in range(20):
        backoff.wait_s(LOST)
    backoff.reset()
    assert backoff.wait_s(LOST) <= 0.5


def test_who_throttles_is_left_alone_for_longer() -> None:
    waits = [Backoff(0.5, 30.0).wait_s(Throttled("HTTP 429")) for _ in range(DRAWS)]
    assert min(waits) >= 30.0
    assert max(waits) <= 60.0


def test_wait_that_is_asked_for_is_kept() -> None:
    assert Backoff(0.5, 30.0).wait_s(Throttled("HTTP 429", retry_after_s=600.0)) == 600.0
