"""Parts made from settings."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version

from engine import parts
from engine.detectors import Detector
from engine.errors import Misconfigured
from engine.rules import Rules, rules_of
from engine.settings import Settings
from engine.step import State
from observability import health


def rules_from(settings: Settings) -> Rules:
    """The detectors of the settings under their order. Raises Misconfigured with every problem found."""
    detectors: dict[str, Detector] = {}
    problems: list[str] = []
    for name, section in settings.detectors.items():
        try:
            detectors[name] = parts.load("engine.detectors", section, f"detectors.{name}")
        except Misconfigured as error:
            problems.extend(error.problems)
    if problems:
        raise Misconfigured(*problems)
    return rules_of(
        detectors,
        future_ms=settings.order.future_ms,
        late_ms=settings.order.late_ms,
        price_decimals=settings.windows.price_decimals,
        price_decimals_of=settings.windows.price_decimals_of,
        size_decimals=settings.windows.size_decimals,
        size_decimals_of=settings.windows.size_decimals_of,
    )


def state_from(settings: Settings) -> State:
    """A fresh state of the core."""
    return State(rules_from(settings), settings.loop.snapshot_ms)


@contextmanager
def health_of(
    settings: Settings, port_name: str, registry: health.Registry, live: health.Checks, ready: health.Checks
) -> Iterator[None]:
    """Serve a process's health on the port that `metrics.<port_name>` names. Raises Misconfigured where it is taken."""
    port: int = getattr(settings.metrics, port_name)
    with ExitStack() as stack:
        try:
            stack.enter_context(
                health.serving(settings.metrics.host, port, registry, live, ready, version("tickstream"))
            )
        except health.PortTaken as error:
            raise Misconfigured(f"metrics.{port_name}: {error}; set another, or 0 for any") from error
        yield
