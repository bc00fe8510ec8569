import json
from typing import Any

import pytest

from feeds.simulator.market import Trade
from feeds.simulator.venues import Hangup, Listing, Timing
from feeds.simulator.venues.kraken import Kraken
from tests.feeds.simulator.talking import START_US

TRADE = Trade("kraken", "BTC-USD", 1_723_491_510_575_191, 72_823_289, 59_121.8, 0.00022946, "sell")
DOCUMENTED = (  # exchange protocols, Kraken, a captured update
    b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":59121.8,"qty":0.00022946,'
    b'"ord_type":"market","trade_id":72823289,"timestamp":"2024-08-12T19:38:30.575191Z"}]}'
)
TIME = "2023-11-14T22:13:20.000000Z"


def session(*recorded: Trade) -> Kraken:
    listing = Listing(["BTC-USD", "ETH-USD"])
    for trade in recorded:
        listing.record(trade)
    return Kraken(listing, Timing(), START_US)


def asked(kraken: Kraken, request: Any) -> list[dict[str, Any]]:
    text = request if isinstance(request, str) else json.dumps(request)
    return [json.loads(frame) for frame in kraken.received(text, START_US)]


def subscribe(*symbols: Any, **params: Any) -> dict[str, Any]:
    return {"method": "subscribe", "params": {"channel": "trade", "symbol": symbols, **params}, "req_id": 7}


def subscribed(*recorded: Trade) -> Kraken:
    kraken = session(*recorded)
    asked(kraken, subscribe("BTC/USD"))
    return kraken


def test_update_frame_is_the_documented_one() -> None:
    assert subscribed().traded([TRADE]) == [DOCUMENTED]


def test_numbers_are_json_numbers_without_trailing_zeros() -> None:
    [frame] = subscribed().traded([TRADE._replace(price=740.0, size=1e-8)])
    assert b'"price":740,"qty":0.00000001,' in frame


def test_status_comes_first_with_an_id_beyond_a_signed_word() -> None:
    [status] = [json.loads(frame) for frame in session().opened()]
    assert status["data"][0].pop("connection_id") > 2**63
    assert status == {
        "channel": "status",
        "type": "update",
        "data": [{"api_version": "v2", "system": "online", "version": "2.0.0"}],
    }


def test_each_symbol_is_answered_by_itself_under_the_same_id() -> None:
    answers = asked(session(), subscribe("BTC/USD", "XBT/USD", "ETH/USD", snapshot=True))
    accepted = {"method": "subscribe", "result": {"channel": "trade", "snapshot": True, "symbol": "BTC/USD"}}
    times = {"time_in": TIME, "time_out": TIME}
    assert answers[0] == {**accepted, "success": True, **times, "req_id": 7}
    assert answers[1] == {
        "error": "Currency pair not supported XBT/USD",
        "method": "subscribe",
        "req_id": 7,
        "success": False,
        "symbol": "XBT/USD",
        **times,
    }
    assert (answers[2]["success"], answers[2]["result"]["symbol"]) == (True, "ETH/USD")
    assert list(answers[0]) == ["method", "result", "success", "time_in", "time_out", "req_id"]
    assert list(answers[1]) == ["error", "method", "req_id", "success", "symbol", "time_in", "time_out"]


def test_a_repeated_subscribe_is_refused() -> None:
    [answer] = asked(subscribed(), subscribe("BTC/USD"))
    assert (answer["error"], answer["success"], answer["symbol"]) == ("Already subscribed", False, "BTC/USD")


def test_snapshot_holds_the_last_fifty_trades_in_one_frame() -> None:
    recorded = [TRADE._replace(trade_id=n) for n in range(60)]
    answers = asked(session(*recorded), subscribe("BTC/USD", "ETH/USD", snapshot=True))
    assert [answer.get("type") for answer in answers] == [None, None, "snapshot"]
    assert [row["trade_id"] for row in answers[2]["data"]] == list(range(10, 60))


def test_there_is_no_snapshot_unless_asked_for() -> None:
    [answer] = asked(session(TRADE), subscribe("BTC/USD"))
    assert answer["result"]["snapshot"] is False


def test_unsubscribe_is_acknowledged_and_ends_the_trades() -> None:
    kraken = subscribed()
    answers = asked(kraken, {"method": "unsubscribe", "params": {"channel": "trade", "symbol": ["BTC/USD", "ETH/USD"]}})
    assert answers[0]["result"] == {"channel": "trade", "symbol": "BTC/USD"}
    assert "req_id" not in answers[0]
    assert answers[1]["success"] is False
    assert kraken.traded([TRADE]) == []


def test_fills_that_come_together_share_a_frame_by_symbol() -> None:
    kraken = session()
    asked(kraken, subscribe("BTC/USD", "ETH/USD"))
    other = TRADE._replace(symbol="ETH-USD")
    frames = [json.loads(frame) for frame in kraken.traded([TRADE, TRADE, other, TRADE])]
    assert [[row["symbol"] for row in frame["data"]] for frame in frames] == [
        ["BTC/USD", "BTC/USD"],
        ["ETH/USD"],
        ["BTC/USD"],
    ]


def test_pings_are_answered_with_their_id() -> None:
    assert asked(session(), {"method": "ping", "req_id": 101}) == [
        {"method": "pong", "req_id": 101, "time_in": TIME, "time_out": TIME}
    ]
    assert asked(session(), {"method": "ping"}) == [{"method": "pong", "time_in": TIME, "time_out": TIME}]


def test_heartbeats_come_only_to_subscribers_and_only_in_silence() -> None:
    assert session().beat(START_US) == []
    kraken = subscribed()
    assert kraken.beat(START_US) == []
    assert kraken.beat(START_US) == [b'{"channel":"heartbeat"}']
    kraken.traded([TRADE])
    assert kraken.beat(START_US) == []


def test_a_minute_without_a_word_ends_the_connection_unless_subscribed() -> None:
    kraken = session()
    assert kraken.beat(START_US + 59_999_999) == []
    with pytest.raises(Hangup):
        kraken.beat(START_US + 60_000_000)
    assert subscribed().beat(START_US + 600_000_000) == []


@pytest.mark.parametrize(
    "request_",
    [
        "",
        "{",
        "[1]",
        {},
        {"method": "nonsense"},
        {"method": ["subscribe"]},
        {"method": "subscribe"},
        {"method": "subscribe", "params": []},
        {"method": "subscribe", "params": {"channel": "ohlc", "symbol": ["BTC/USD"]}},
        {"method": "subscribe", "params": {"channel": "trade", "symbol": "BTC/USD"}},
        subscribe([1], snapshot=True),
        subscribe({"a": 2**70}),
        {**subscribe("XBT/USD"), "req_id": 2**70},
        {**subscribe("XBT/USD"), "req_id": "7"},
    ],
)
def test_bad_requests_are_answered_by_an_error(request_: Any) -> None:
    [answer] = asked(session(), request_)
    assert answer["success"] is False
    assert answer["error"]
