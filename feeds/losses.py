"""Why a connection to an exchange is not, or no longer, there."""

import socket
import ssl
from typing import Final, Literal, TypeAlias, get_args

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidProxy, InvalidStatus, ProxyError

from engine.errors import Disconnected

Reason: TypeAlias = Literal[
    "address", "name", "proxy", "tls", "unreachable", "timeout", "handshake", "throttled", "blocked", "closed",
    "too_big", "closing", "silent", "not_acknowledged", "refused",
]  # fmt: skip
REASONS: Final = get_args(Reason)

_BLOCKED: Final = 451
_THROTTLED: Final = frozenset({403, 418, 429})
_TOO_BIG: Final = 1009
_OPENING: Final[tuple[tuple[type[Exception], Reason], ...]] = (
    (ProxyError, "proxy"),
    (InvalidHandshake, "handshake"),
    (TimeoutError, "timeout"),
    (socket.gaierror, "name"),
    (ssl.SSLError, "tls"),
    (OSError, "unreachable"),
)


class Throttled(Disconnected):
    """The exchange has asked us to stay away for a while."""

    def __init__(self, detail: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__("throttled", detail)
        self.retry_after_s = retry_after_s


def not_opened(error: Exception) -> Disconnected:
    """The loss that an error at opening stands for; one that names no cause lies in the address itself."""
    if isinstance(error, InvalidStatus):
        return _turned_away(error)
    if isinstance(error, InvalidProxy | ImportError):
        return Disconnected("proxy", str(error), permanent=True)
    for kind, reason in _OPENING:
        if isinstance(error, kind):
            return Disconnected(reason, str(error))
    return Disconnected("address", str(error), permanent=True)


def _turned_away(error: InvalidStatus) -> Disconnected:
    code, headers = error.response.status_code, error.response.headers
    if code == _BLOCKED:
        return Disconnected("blocked", f"HTTP {code}: not served from here; set another url", permanent=True)
    if code in _THROTTLED:
        after = headers.get("Retry-After", "")
        return Throttled(f"HTTP {code}", retry_after_s=float(after) if after.isdecimal() else 0.0)
    return Disconnected("handshake", f"HTTP {code}")


def closed(error: ConnectionClosed) -> Disconnected:
    """The loss that a closed socket stands for."""
    if error.sent is not None and error.sent.code == _TOO_BIG:
        return Disconnected("too_big", "a frame is larger than connection.frame_bytes_max")
    return Disconnected("closed", str(error))
