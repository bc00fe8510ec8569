"""Six errors, each named for who acts on it. Anything else is a bug: let it crash."""


class TickStreamError(Exception):
    """What a person or the surrounding system can cause and mend."""


class Misconfigured(TickStreamError):
    """The settings cannot be used: refuse to start and name every problem by its path."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class MalformedFrame(TickStreamError):
    """A frame from an exchange that cannot be read: count it under `reason`, keep a sample, go on."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Disconnected(TickStreamError):
    """The connection to an exchange is gone: connect again, with back-off and jitter."""

    def __init__(self, reason: str, detail: str = "", *, permanent: bool = False) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.permanent = permanent


class Rejected(TickStreamError):
    """A message of the bus that cannot be read: park its bytes with the `reason`, go on."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Unavailable(TickStreamError):
    """A service does not answer: the same batch again, with back-off; the loop waits."""

    def __init__(self, service: str, detail: str = "") -> None:
        super().__init__(f"{service}: {detail}" if detail else service)
        self.service = service


class Superseded(TickStreamError):
    """Another engine has moved this sink's cursor: this one has lost its partition and must not write."""
