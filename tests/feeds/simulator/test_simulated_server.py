import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from engine.errors import Misconfigured
from feeds.simulator.market import Trade
from feeds.simulator.model import Model
from feeds.simulator.server import serving
from feeds.simulator.tape import Tape
from feeds.simulator.venues import Timing
from tests.feeds.simulator.talking import (
    BINANCE_SUBSCRIBE,
    BUILT_IN,
    COINBASE_SUBSCRIBE,
    KRAKEN_SUBSCRIBE,
    Script,
    WallClock,
    client,
    heard,
    heard_until,
    simulator,
    tape_file,
)
from tests.shared import shared

CLOCK = WallClock()
MODEL = Model(simulator(ticks_per_second=2_000.0), BUILT_IN.feeds.symbols)
QUICK = Timing(beat_ms=20, ping_ms=20, pong_ms=50, subscribe_ms=50, idle_ms=50, slow_ms=200, heard_ms=50)


def test_each_venue_answers_and_trades_in_its_own_format() -> None:
    async def main() -> None:
        async with serving(simulator(), MODEL, CLOCK) as simulated:
            async with client(simulated.urls["binance"] + "/ws", BINANCE_SUBSCRIBE) as binance:
                assert await heard(binance, 1) == [{"result": None, "id": 1}]
                assert (await heard_until(binance, "e", "trade"))["s"] == "BTCUSDT"
            async with client(simulated.urls["coinbase"], COINBASE_SUBSCRIBE) as coinbase:
                assert (await heard(coinbase, 1))[0]["type"] == "subscriptions"
                assert (await heard_until(coinbase, "type", "match"))["product_id"] == "BTC-USDT"
                assert (await heard_until(coinbase, "type", "heartbeat"))["last_trade_id"] > 0
            async with client(simulated.urls["kraken"], KRAKEN_SUBSCRIBE) as kraken:
                status, done = await heard(kraken, 2)
                assert (status["channel"], done["success"]) == ("status", True)
                assert (await heard_until(kraken, "channel", "trade"))["data"][0]["symbol"] == "BTC/USDT"
            assert not simulated.finished.is_set()

    asyncio.run(main())


def test_compression_may_be_negotiated() -> None:
    async def main() -> None:
        async with (
            serving(simulator(), MODEL, CLOCK) as simulated,
            connect(simulated.urls["coinbase"], compression="deflate") as connection,
        ):
            await connection.send(msgspec.json.encode(COINBASE_SUBSCRIBE).decode())
            assert (await heard_until(connection, "type", "match"))["product_id"] == "BTC-USDT"

    asyncio.run(main())


def test_one_trade_reaches_each_listener_once_in_order_after_the_acknowledgement() -> None:
    trades = [Trade("kraken", "BTC-USDT", 1_000 * n, n, 1.0 + n, 1.0, "buy") for n in range(1_000)]

    async def main() -> None:
        async with (
            serving(simulator(), Script(*trades), CLOCK) as simulated,
            client(simulated.urls["kraken"], KRAKEN_SUBSCRIBE) as first,
        ):
            await simulated.finished.wait()
            frames = await heard(first, 2)
            ids: list[int] = []
            while len(ids) < len(trades):
                [frame] = await heard(first, 1)
                ids += [row["trade_id"] for row in frame["data"]]
            assert [frame.get("success") for frame in frames] == [None, True]
            assert ids == list(range(1_000))

            async with client(simulated.urls["kraken"], KRAKEN_SUBSCRIBE) as late:
                snapshot = await heard_until(late, "type", "snapshot")
            assert [row["trade_id"] for row in snapshot["data"]] == list(range(950, 1_000))

    asyncio.run(main())


async def _received(url: str, subscribe: dict[str, Any], rows: int) -> list[dict[str, Any]]:
    """So many trades of a Binance client."""
    trades: list[dict[str, Any]] = []
    async with client(url, subscribe) as connection:
        while len(trades) < rows:
            frame = msgspec.json.decode(await connection.recv())
            if "e" in frame:
                trades.append(frame)
    return trades


def test_a_recorded_tape_arrives_row_by_row_at_every_client() -> None:
    path = shared("data/tapes/norm/binance_spot_btcusdt_20240808-09.parquet")
    rows = pl.read_parquet(path)
    assert len(rows) == 19_904

    async def main() -> list[list[dict[str, Any]]]:
        async with serving(simulator(), Tape(path, rate=1_000.0), CLOCK) as simulated:
            url = f"{simulated.urls['binance']}/ws"
            both = [_received(f"{url}{unit}", BINANCE_SUBSCRIBE, 19_904) for unit in ("", "?timeUnit=MICROSECOND")]
            received = await asyncio.gather(*both)
            await simulated.finished.wait()
            return received

    for received, unit_us in zip(asyncio.run(main()), (1_000, 1), strict=True):
        assert [trade["t"] for trade in received] == rows["trade_id"].to_list()
        assert [trade["T"] * unit_us for trade in received] == rows["ts"].to_list()
        assert [float(trade["p"]) for trade in received] == rows["price"].to_list()
        assert [float(trade["q"]) for trade in received] == rows["size"].to_list()
        assert ["sell" if trade["m"] else "buy" for trade in received] == rows["side"].to_list()


def test_a_tape_of_three_venues_is_played_whole_at_each(tmp_path: Path) -> None:
    count = 3_000
    path = tape_file(
        tmp_path / "tape.parquet",
        ts=[1_700_000_000_000_123 + n for n in range(count)],
        exchange=["binance", "coinbase", "kraken"] * (count // 3),
        symbol=["BTCUSDT", "BTC-USDT", "BTC/USDT"] * (count // 3),
        price=[0.1 + n for n in range(count)],
        size=[1e-8] * count,
        side=["buy"] * count,
        trade_id=list(range(count)),
    )

    async def main() -> dict[str, list[int]]:
        ids: dict[str, list[int]] = {"binance": [], "coinbase": [], "kraken": []}
        async with (
            serving(simulator(), Tape(path, rate=1.0), CLOCK) as simulated,
            client(simulated.urls["binance"] + "/ws", BINANCE_SUBSCRIBE) as binance,
            client(simulated.urls["coinbase"], COINBASE_SUBSCRIBE) as coinbase,
            client(simulated.urls["kraken"], KRAKEN_SUBSCRIBE) as kraken,
        ):
            while len(ids["binance"]) < count // 3:
                ids["binance"].append((await heard_until(binance, "e", "trade"))["t"])
            while len(ids["coinbase"]) < count // 3:
                ids["coinbase"].append((await heard_until(coinbase, "type", "match"))["trade_id"])
            while len(ids["kraken"]) < count // 3:
                ids["kraken"] += [row["trade_id"] for row in (await heard_until(kraken, "channel", "trade"))["data"]]
            await simulated.finished.wait()
        return ids

    assert asyncio.run(main()) == {
        "binance": list(range(0, count, 3)),
        "coinbase": list(range(1, count, 3)),
        "kraken": list(range(2, count, 3)),
    }


def test_a_tape_waits_until_everything_on_it_is_listened_to() -> None:
    trades = [Trade("binance", f"{base}-USDT", 1_000_000, 1, 1.0, 1.0, "buy") for base in ("BTC", "ETH")]
    other = {"method": "SUBSCRIBE", "params": ["ethusdt@trade"], "id": 2}

    async def main() -> None:
        async with (
            serving(simulator(), Script(*trades), CLOCK) as simulated,
            client(simulated.urls["binance"] + "/ws", BINANCE_SUBSCRIBE) as connection,
        ):
            assert await heard(connection, 1) == [{"result": None, "id": 1}]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.recv(), 0.1)
            assert not simulated.finished.is_set()
            await connection.send(msgspec.json.encode(other).decode())
            assert [frame.get("s") for frame in await heard(connection, 3)] == [None, "BTCUSDT", "ETHUSDT"]

    asyncio.run(main())


def test_a_tape_that_nobody_listens_to_starts_after_a_while_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        tape = Script(Trade("binance", "BTC-USDT", 1_000_000, 1, 1.0, 1.0, "buy"))
        async with serving(simulator(), tape, CLOCK, QUICK) as simulated:
            await simulated.finished.wait()

    with caplog.at_level("WARNING", "feeds.simulator.player"):
        asyncio.run(main())
    assert [record.message for record in caplog.records] == ["tape starts unheard"]


LONG = [Trade("binance", "BTC-USDT", 1_000_000, n, 1.0, 1.0, "buy") for n in range(150_000)]  # 20 MB of frames


def test_a_slow_client_is_waited_for_and_misses_nothing() -> None:
    async def main() -> None:
        async with serving(simulator(), Script(*LONG), CLOCK) as simulated:
            url = simulated.urls["binance"] + "/ws"
            async with connect(url, max_queue=1, compression=None, ping_interval=None) as connection:
                await connection.send(msgspec.json.encode(BINANCE_SUBSCRIBE).decode())
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(simulated.finished.wait(), 1.0)
                ids = [msgspec.json.decode(await connection.recv()).get("t") for _ in range(len(LONG) + 1)]
            assert ids == [None, *range(len(LONG))]

    asyncio.run(main())


def test_a_client_that_never_reads_does_not_stop_the_others() -> None:
    async def main() -> None:
        async with serving(simulator(), Script(*LONG), CLOCK, Timing(slow_ms=200)) as simulated:
            url = simulated.urls["binance"] + "/ws"
            async with (
                connect(url, max_queue=1, compression=None, ping_interval=None, close_timeout=0.1) as deaf,
                client(url) as connection,
            ):
                await deaf.send(msgspec.json.encode(BINANCE_SUBSCRIBE).decode())
                await deaf.recv()
                await connection.send(msgspec.json.encode(BINANCE_SUBSCRIBE).decode())
                ids: list[Any] = []
                while not ids or ids[-1] != len(LONG) - 1:
                    ids.append(msgspec.json.decode(await connection.recv()).get("t"))
                await simulated.finished.wait()
            heard_ids = [each for each in ids if each is not None]
            assert heard_ids == list(range(heard_ids[0], len(LONG)))

    asyncio.run(main())


class Wire:
    """A client that sees control frames, and answers pings only when told to."""

    def __init__(self, url: str) -> None:
        self._uri = parse_uri(url)
        self._protocol = ClientProtocol(self._uri)
        self.frames: list[Frame] = []

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._uri.host, self._uri.port)
        self._protocol.send_request(self._protocol.connect())
        self.flush()

    def flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._writer.write(data)

    async def until(self, opcode: Opcode, *, answering: bool) -> Frame:
        while True:
            for event in self._protocol.events_received():
                if isinstance(event, Frame) and event.opcode is opcode:
                    return event
            data = await self._reader.read(65_536)
            assert data, "closed without a word"
            self._protocol.receive_data(data)
            if answering:
                self.flush()

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


def test_binance_pings_with_the_time_and_goes_on_while_it_is_answered() -> None:
    async def main() -> None:
        async with serving(simulator(), MODEL, CLOCK, QUICK) as simulated:
            wire = Wire(simulated.urls["binance"] + "/ws")
            await wire.open()
            pings = [await wire.until(Opcode.PING, answering=True) for _ in range(5)]
            sent_ms = [int(bytes(ping.data)) for ping in pings]
            assert sent_ms == sorted(sent_ms)
            assert sent_ms[0] > 1_700_000_000_000
            await wire.close()

    asyncio.run(main())


def test_binance_hangs_up_on_a_client_that_does_not_answer_its_ping() -> None:
    async def main() -> None:
        async with serving(simulator(), MODEL, CLOCK, QUICK) as simulated:
            wire = Wire(simulated.urls["binance"] + "/ws")
            await wire.open()
            await wire.until(Opcode.PING, answering=False)
            close = await wire.until(Opcode.CLOSE, answering=False)
            assert bytes(close.data) == (1008).to_bytes(2) + b"Pong timeout"
            await wire.close()

    asyncio.run(main())


async def _close_of(url: str, *requests: dict[str, Any]) -> tuple[int, str]:
    async with client(url, *requests) as connection:
        with suppress(ConnectionClosed):
            while True:
                await connection.recv()
        assert connection.close_code is not None
        return connection.close_code, connection.close_reason or ""


def test_venues_hang_up_when_they_have_had_enough() -> None:
    async def main() -> None:
        async with serving(simulator(), MODEL, CLOCK, QUICK) as simulated:
            urls = simulated.urls
            ask = {"method": "LIST_SUBSCRIPTIONS", "id": 1}
            assert await _close_of(urls["binance"] + "/ws", *[ask] * 6) == (1008, "Too many requests")
            assert await _close_of(urls["coinbase"]) == (1000, "No subscription")
            assert await _close_of(urls["kraken"]) == (1000, "Idle")

    asyncio.run(main())


def test_heartbeats_come_once_a_second_for_each_product_or_in_silence() -> None:
    quiet = Script(Trade("binance", "BTC-USDT", 1_000_000, 1, 1.0, 1.0, "buy"))

    async def main() -> None:
        async with serving(simulator(), quiet, CLOCK, Timing(beat_ms=20)) as simulated:
            async with client(simulated.urls["coinbase"], COINBASE_SUBSCRIBE) as coinbase:
                frames = await heard(coinbase, 4)
                assert Counter(frame["type"] for frame in frames) == {"subscriptions": 1, "heartbeat": 3}
            async with client(simulated.urls["kraken"], KRAKEN_SUBSCRIBE) as kraken:
                frames = await heard(kraken, 4)
                assert [frame.get("channel") for frame in frames] == ["status", None, "heartbeat", "heartbeat"]

    asyncio.run(main())


@pytest.mark.parametrize(("venue", "path"), [("binance", "/nowhere"), ("binance", "/ws?timeUnit=S"), ("kraken", "/v3")])
def test_other_paths_are_not_found(venue: str, path: str) -> None:
    async def main() -> None:
        async with serving(simulator(), MODEL, CLOCK) as simulated:
            with pytest.raises(InvalidStatus) as caught:
                async with connect(simulated.urls[venue].removesuffix("/v2") + path):
                    pass
            assert caught.value.response.status_code == 404

    asyncio.run(main())


def test_a_taken_port_is_named_by_its_setting() -> None:
    async def main() -> None:
        async with serving(simulator(), MODEL, CLOCK) as simulated:
            port = int(simulated.urls["coinbase"].rpartition(":")[2])
            with pytest.raises(Misconfigured) as caught:
                async with serving(simulator(port_coinbase=port), MODEL, CLOCK):
                    pass
            assert str(caught.value).startswith(f"simulator.port_coinbase: cannot listen on 127.0.0.1:{port} ")

    asyncio.run(main())


def test_leaving_closes_every_connection_with_a_word() -> None:
    async def main() -> None:
        async with serving(simulator(), MODEL, CLOCK) as simulated:
            connections = [
                await connect(url + path, ping_interval=None)
                for url, path in zip(simulated.urls.values(), ("/ws", "", ""), strict=True)
            ]
        for connection in connections:
            await connection.wait_closed()
            assert connection.close_code == 1001

    asyncio.run(main())


class Broken(Script):
    def trades(self, start_us: int) -> Iterator[tuple[int, Trade]]:
        yield from super().trades(start_us)
        raise ZeroDivisionError


def test_a_market_that_fails_ends_the_playing_and_is_not_hidden() -> None:
    async def main() -> None:
        market = Broken(Trade("binance", "BTC-USDT", 1_000_000, 1, 1.0, 1.0, "buy"))
        async with serving(simulator(), market, CLOCK, QUICK) as simulated:
            await simulated.finished.wait()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())


def test_a_host_without_an_address_is_refused() -> None:
    async def main() -> None:
        async with serving(simulator(host="nowhere.invalid"), MODEL, CLOCK):
            pass

    with pytest.raises(Misconfigured, match=r"simulator\.host"):
        asyncio.run(main())


def test_an_error_inside_reaches_the_caller_as_it_is() -> None:
    async def main() -> None:
        async with serving(simulator(), MODEL, CLOCK):
            raise Misconfigured("nothing to do with it")

    with pytest.raises(Misconfigured, match="nothing to do with it"):
        asyncio.run(main())
