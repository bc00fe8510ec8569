"""Connections that are lost, refused, silent or slow, over real sockets."""

import asyncio
import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from engine import parts
from tests.feeds.bad_frames import bad_frames
from tests.feeds.exchange_server import (
    Script,
    acknowledge,
    asynchronous,
    connecting,
    feeding,
    silent,
    until,
)
from tests.feeds.parsers import trade

NAMES = parts.names("feeds.exchanges")


def sends(use: str, *ids: int, then: Callable[[ServerConnection], Any] | None = None) -> Script:
    """Acknowledge, send these trades, then do what is given or wait."""

    async def script(socket: ServerConnection) -> None:
        await acknowledge(use, socket)
        for trade_id in ids:
            await socket.send(trade(use, trade_id), text=True)
        await (then(socket) if then else socket.wait_closed())

    return script


def closes(code: int) -> Callable[[ServerConnection], Any]:
    async def close(socket: ServerConnection) -> None:
        if code == 1006:
            socket.transport.abort()
        else:
            await socket.close(code, "for the test")

    return close


@pytest.mark.parametrize("code", [1001, 1006, 1008, 1012, 1013])
@asynchronous
async def test_lost_connection_is_opened_again(code: int) -> None:
    async with feeding("kraken", sends("kraken", 1, then=closes(code)), sends("kraken", 2)) as running:
        await until(lambda: running.ids == [1, 2])
        assert running.lost("closed") == 1
        assert [row["missing"] for row in running.rows] == [0, 0]


@pytest.mark.parametrize("use", NAMES)
@asynchronous
async def test_gap_between_two_connections_shows_by_the_ids(use: str) -> None:
    async with feeding(use, sends(use, 1, 2, then=closes(1001)), sends(use, 2, 6)) as running:
        await until(lambda: running.ids == [1, 2, 6])
        assert [row["missing"] for row in running.rows] == [0, 0, 3]
        assert running.counted("missing_total") == 3
        assert running.counted("repeated_total") == 1
        assert {row["exchange"] for row in running.rows} == {running.name}


@pytest.mark.parametrize("use", NAMES)
@asynchronous
async def test_silent_socket_is_left(use: str) -> None:
    async with feeding(use, sends(use, 1, then=silent), sends(use, 2), connection__silence_ms=200) as running:
        await until(lambda: running.ids == [1, 2])
        assert running.lost("silent") >= 1


@pytest.mark.parametrize("use", ["binance", "coinbase"])
@asynchronous
async def test_quiet_socket_that_answers_pings_is_kept(use: str) -> None:
    seen = 0

    async def quiet(socket: ServerConnection) -> None:
        nonlocal seen
        seen += 1
        await acknowledge(use, socket)
        await asyncio.sleep(3.0)
        await socket.send(trade(use, 1), text=True)
        await socket.wait_closed()

    async with feeding(use, quiet, connection__silence_ms=500) as running:
        await until(lambda: running.ids == [1])
    assert seen == 1


@asynchronous
async def test_kraken_is_pinged_in_its_own_way_even_where_it_is_not_silent() -> None:
    heard: list[Any] = []

    async def busy(socket: ServerConnection) -> None:
        await acknowledge("kraken", socket)
        while True:
            try:
                async with asyncio.timeout(0.02):
                    heard.append(json.loads(await socket.recv()))
            except TimeoutError:
                await socket.send('{"channel":"heartbeat"}')

    async with feeding("kraken", busy, connection__silence_ms=200) as running:
        await until(lambda: {"method": "ping"} in heard)
        assert running.lost("silent") == 0


@asynchronous
async def test_subscription_that_nobody_acknowledges_is_asked_for_again(caplog: pytest.LogCaptureFixture) -> None:
    def mute(socket: ServerConnection) -> Any:
        return socket.wait_closed()

    async with feeding("coinbase", mute, sends("coinbase", 1), connection__open_timeout_ms=1_000) as running:
        assert not running.live
        await until(lambda: running.ids == [1])
        assert running.lost("not_acknowledged") >= 1
    assert "BTC-USD" in next(vars(record)["detail"] for record in caplog.records if record.message == "feed lost")


@asynchronous
async def test_answer_that_waits_behind_a_blocked_bus_is_no_missing_answer() -> None:
    bus = threading.Event()

    async def trades_first(socket: ServerConnection) -> None:
        for trade_id in range(50):
            await socket.send(trade("kraken", trade_id), text=True)
        await acknowledge("kraken", socket)
        await socket.wait_closed()

    sets = {"feeds__rows_max": 5, "connection__open_timeout_ms": 100}
    async with feeding("kraken", trades_first, publish=lambda _: bus.wait(), **sets) as running:
        try:
            await until(lambda: running.counted("ticks_total") >= 10)
            await asyncio.sleep(0.5)
        finally:
            bus.set()
        await until(lambda: running.live)
        assert running.lost("not_acknowledged") == 0


@asynchronous
async def test_waits_grow_only_while_connections_do_not_last(caplog: pytest.LogCaptureFixture) -> None:
    opened: list[ServerConnection] = []

    async def waits(socket: ServerConnection) -> None:
        opened.append(socket)
        await acknowledge("kraken", socket)
        await socket.wait_closed()

    sets = {"connection__stable_ms": 0, "connection__backoff_max_ms": 1_000_000}
    async with feeding("kraken", waits, **sets) as running:
        for times in range(1, 9):
            await until(lambda: running.live)
            await opened[-1].close()
            await until(lambda: running.lost("closed") == times)  # noqa: B023 - asked at once
    # A millisecond's ceiling each time, where eight doublings would allow for 128.
    assert max(vars(record)["wait_s"] for record in caplog.records) <= 0.001


@pytest.mark.parametrize("use", NAMES)
@asynchronous
async def test_only_coinbase_is_asked_to_compress(use: str) -> None:
    offered: list[bool] = []

    async def looks(socket: ServerConnection) -> None:
        offered.append(bool(socket.protocol.extensions))
        await socket.wait_closed()

    async with feeding(use, looks):
        await until(lambda: offered)
    assert offered == [use == "coinbase"]


@asynchronous
async def test_feed_is_live_while_everything_is_acknowledged() -> None:
    go = asyncio.Event()

    async def waits(socket: ServerConnection) -> None:
        await go.wait()
        await sends("kraken", 1, then=lambda _: silent(socket))(socket)

    async with feeding("kraken", waits, connection__silence_ms=500) as running:
        assert not running.live
        go.set()
        await until(lambda: running.live)
        await until(lambda: not running.live)


@asynchronous
async def test_symbol_that_kraken_refuses_does_not_keep_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def refuses_eth(socket: ServerConnection) -> None:
        request = json.loads(await socket.recv())
        assert request["params"]["symbol"] == ["ETH/USD", "BTC/USD"]
        refusal = {"error": "Currency pair not supported ETH/USD", "success": False, "symbol": "ETH/USD"}
        await socket.send(json.dumps({"method": "subscribe"} | refusal))
        await socket.send(json.dumps({"method": "subscribe", "result": {"symbol": "BTC/USD"}, "success": True}))
        await socket.send(trade("kraken", 1), text=True)
        await socket.wait_closed()

    async with feeding("kraken", refuses_eth, symbols=("ETH-USD", "BTC-USD")) as running:
        await until(lambda: running.live and running.ids == [1])
    refused = [vars(record)["symbol"] for record in caplog.records if record.message == "symbol refused"]
    assert refused == ["ETH-USD"]


@asynchronous
async def test_coinbase_is_asked_again_without_the_product_it_refuses() -> None:
    async def refuses_eth(socket: ServerConnection) -> None:
        assert set(json.loads(await socket.recv())["product_ids"]) == {"BTC-USD", "ETH-USD"}
        reason = "ETH-USD is not a valid product"
        await socket.send(json.dumps({"type": "error", "message": "Failed to subscribe", "reason": reason}))
        assert await acknowledge("coinbase", socket) == ["BTC-USD"]
        await socket.send(trade("coinbase", 1), text=True)
        await socket.wait_closed()

    async with feeding("coinbase", refuses_eth, symbols=("ETH-USD", "BTC-USD")) as running:
        await until(lambda: running.live and running.ids == [1])
        assert running.counted("frames_control_total", kind="refused") == 1


@asynchronous
async def test_exchange_that_refuses_every_symbol_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    opened = 0

    async def refuses(socket: ServerConnection) -> None:
        nonlocal opened
        opened += 1
        refusal = {"error": "Currency pair not supported BTC/USD", "success": False, "symbol": "BTC/USD"}
        await socket.send(json.dumps({"method": "subscribe"} | refusal))
        await socket.wait_closed()

    async with feeding("kraken", refuses) as running:
        await until(lambda: any(record.message == "feed given up" for record in caplog.records))
        assert running.lost("refused") == 1
    assert opened == 1


@asynchronous
async def test_error_in_answer_to_the_subscription_is_a_loss() -> None:
    async def refuses(socket: ServerConnection) -> None:
        await socket.send('{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":0}')
        await socket.wait_closed()

    async with feeding("binance", refuses, sends("binance", 1)) as running:
        await until(lambda: running.ids == [1])
        assert running.lost("refused") == 1


@asynchronous
async def test_announced_shutdown_is_acted_upon_at_once() -> None:
    async def announces(socket: ServerConnection) -> None:
        await socket.send('{"e":"serverShutdown","E":1770123456789}')
        await socket.wait_closed()

    async with feeding("binance", sends("binance", 1, then=announces), sends("binance", 2)) as running:
        await until(lambda: running.ids == [1, 2])
        assert running.lost("closing") == 1


def answers(*statuses: int, **headers: str) -> Callable[[ServerConnection, Request], Response | None]:
    left = list(statuses)

    def answer(socket: ServerConnection, _request: Request) -> Response | None:
        if not left:
            return None
        response = socket.respond(HTTPStatus(left.pop(0)), "no\n")
        response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return response

    return answer


@asynchronous
async def test_exchange_that_does_not_serve_this_place_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async with feeding("binance", sends("binance", 1), process_request=answers(451)) as running:
        await until(lambda: any(record.message == "feed given up" for record in caplog.records))
        assert running.lost("blocked") == 1
        assert running.ids == []


@pytest.mark.parametrize(("status", "reason"), [(403, "throttled"), (429, "throttled"), (503, "handshake")])
@asynchronous
async def test_refused_upgrade_is_tried_again(status: int, reason: str) -> None:
    async with feeding("kraken", sends("kraken", 1), process_request=answers(status, status)) as running:
        await until(lambda: running.ids == [1])
        assert running.lost(reason) == 2


@asynchronous
async def test_wait_that_the_exchange_asks_for_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    async with feeding("kraken", sends("kraken", 1), process_request=answers(429, Retry_After="77")) as running:
        await until(lambda: running.lost("throttled") == 1)
    assert [vars(record)["wait_s"] for record in caplog.records] == [77.0]


@pytest.mark.parametrize(
    ("url", "reason"),
    [("ws://127.0.0.1:1", "unreachable"), ("ws://exchange.invalid", "name"), ("ws://127.0.0.1:99999", "address")],
)
@asynchronous
async def test_address_that_cannot_be_opened_is_told_from_others(url: str, reason: str) -> None:
    async with connecting("kraken", url) as running:
        await until(lambda: running.lost(reason) >= 1)


@pytest.mark.parametrize("proxy", ["ftp://proxy.example:8080", "http://user@proxy.example", "socks5://proxy.example"])
def test_proxy_that_cannot_be_used_gives_the_exchange_up_and_is_told(
    proxy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("https_proxy", proxy)

    @asynchronous
    async def test() -> None:
        async with connecting("kraken", "wss://exchange.invalid") as running:
            await until(lambda: running.lost("proxy") == 1)

    test()
    assert [record.message for record in caplog.records] == ["feed given up"]
    assert "proxy" in vars(caplog.records[0])["detail"]


@asynchronous
async def test_server_without_encryption_is_no_secure_exchange() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connecting("kraken", f"wss://127.0.0.1:{port}") as running:
            await until(lambda: running.lost("tls") >= 1)


@pytest.mark.parametrize("use", NAMES)
@asynchronous
async def test_frame_over_the_limit_costs_the_connection_and_no_more(use: str) -> None:
    # Compressed where the exchange compresses: a few kilobytes on the wire.
    script = sends(use, 1, then=lambda socket: socket.send("0" * 5_000_000))
    async with feeding(use, script, sends(use, 2), connection__frame_bytes_max=1_048_576) as running:
        await until(lambda: running.ids == [1, 2])
        assert running.lost("too_big") == 1


@pytest.mark.parametrize("use", NAMES)
@asynchronous
async def test_bad_frames_are_counted_and_the_next_good_one_comes_through(use: str) -> None:
    bad = list(bad_frames(use))
    opened = 0

    async def script(socket: ServerConnection) -> None:
        nonlocal opened
        opened += 1
        await acknowledge(use, socket)
        for frame in bad:
            await socket.send(frame.frame, text=frame.what != "binary")
        await socket.send(trade(use, 8), text=True)
        await socket.wait_closed()

    async with feeding(use, script) as running:
        await until(lambda: 8 in running.ids)
        assert running.ids == [7, 8]
        assert running.counted("frames_total") == len(bad) + 2
        for reason in {frame.reason for frame in bad} - {None}:
            expected = sum(frame.reason == reason for frame in bad)
            assert running.counted("frames_malformed_total", reason=str(reason)) == expected
    assert opened == 1
