"""One venue: who is connected, and what it has lately traded."""

from collections.abc import Awaitable, Sequence
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from engine.ports import Clock
from feeds.simulator.client import Client
from feeds.simulator.market import Trade
from feeds.simulator.venues import Listing, Session, Timing
from feeds.simulator.venues.binance import Binance
from feeds.simulator.venues.coinbase import Coinbase
from feeds.simulator.venues.kraken import Kraken


class Venue:
    """Answers clients, and tells them of trades."""

    def __init__(self, name: str, symbols: Sequence[str], clock: Clock, timing: Timing) -> None:
        self.name = name
        self._listing = Listing(symbols)
        self._clock = clock
        self._timing = timing
        self._clients: set[Client] = set()

    @property
    def listening(self) -> frozenset[str]:
        """The symbols that any client listens to."""
        return frozenset(symbol for client in self._clients for symbol in client.session.listening)

    def tell(self, trades: Sequence[Trade]) -> list[Awaitable[None]]:
        """Record trades and give each client's delivery, to be awaited.

        Who hears what is settled at once: a client that subscribes meanwhile gets these trades in its snapshot only.
        """
        for trade in trades:
            self._listing.record(trade)
        return [client.deliver(trades) for client in self._clients]

    def caught_up(self) -> list[Awaitable[None]]:
        """For each client, to be awaited: that it has received what it was told."""
        return [client.caught_up() for client in self._clients]

    async def attend(self, connection: ServerConnection) -> None:
        """Serve one connection to its end."""
        assert connection.request is not None
        client = Client(connection, self._session(connection.request.path), self._clock, self._timing)
        self._clients.add(client)
        try:
            await client.converse(pings=self.name == "binance")
        finally:
            self._clients.discard(client)

    def refuse(self, connection: ServerConnection, request: Request) -> Response | None:
        """An HTTP error where nothing is served."""
        try:
            self._session(request.path)
        except LookupError:
            return connection.respond(HTTPStatus.NOT_FOUND, "No such endpoint\n")
        return None

    def _session(self, target: str) -> Session:
        now_us = self._clock.now_us()
        match self.name, target.partition("?")[0]:
            case "binance", _:
                return Binance(target, self._listing)
            case "coinbase", _:
                return Coinbase(self._listing, self._timing, now_us)
            case "kraken", "/v2":
                return Kraken(self._listing, self._timing, now_us)
        raise LookupError(target)
