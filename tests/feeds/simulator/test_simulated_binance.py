import json
from typing import Any

import pytest

from feeds.simulator.market import Trade
from feeds.simulator.venues import Hangup, Listing
from feeds.simulator.venues.binance import Binance
from tests.feeds.simulator.talking import GOLDEN, START_US

LISTING = Listing(["BTC-USDT", "ETH-USDT"])
FRAME = {
    "e": "trade",
    "E": 1767387168238,
    "s": "BTCUSDT",
    "t": 5729884604,
    "p": "89690.38000000",
    "q": "0.00006000",
    "T": 1767387168237,
    "m": True,
    "M": True,
}


def asked(session: Binance, request: Any, at_us: int = START_US) -> dict[str, Any]:
    text = request if isinstance(request, str) else json.dumps(request)
    [frame] = session.received(text, at_us)
    answer: dict[str, Any] = json.loads(frame)
    return answer


def test_trade_frame_has_the_documented_fields_in_their_order() -> None:
    [frame] = Binance("/ws/btcusdt@trade", LISTING).traded([GOLDEN])
    assert frame == json.dumps(FRAME, separators=(",", ":")).encode()


def test_stream_endpoint_wraps_and_counts_microseconds_where_asked_to() -> None:
    session = Binance("/stream?streams=btcusdt@trade/ethusdt@trade&timeUnit=MICROSECOND", LISTING)
    [frame] = session.traded([GOLDEN])
    data = FRAME | {"E": 1767387168238411, "T": 1767387168237411}
    assert frame == json.dumps({"stream": "btcusdt@trade", "data": data}, separators=(",", ":")).encode()
    assert session.listening == {"BTC-USDT", "ETH-USDT"}


def test_buyer_is_the_maker_where_the_aggressor_sells() -> None:
    session = Binance("/ws/btcusdt@trade", LISTING)
    frames = session.traded([GOLDEN._replace(side="buy"), GOLDEN._replace(side="sell")])
    assert [json.loads(frame)["m"] for frame in frames] == [False, True]


def test_percent_encoded_addresses_are_read() -> None:
    assert Binance("/ws/btcusdt%40trade", LISTING).listening == {"BTC-USDT"}
    assert Binance("/stream?streams=btcusdt%40trade%2Fethusdt%40trade", LISTING).listening == {"BTC-USDT", "ETH-USDT"}


@pytest.mark.parametrize("target", ["/", "/wss", "//[", "/ws?timeUnit=SECOND", "/stream/btcusdt@trade", "/api/v3/time"])
def test_nothing_is_served_elsewhere(target: str) -> None:
    with pytest.raises(LookupError):
        Binance(target, LISTING)


def test_subscriptions_come_and_go_with_acknowledgements() -> None:
    session = Binance("/ws", LISTING)
    streams = ["btcusdt@trade", "ethusdt@trade"]
    assert asked(session, {"method": "SUBSCRIBE", "params": streams, "id": 1}) == {"result": None, "id": 1}
    assert asked(session, {"method": "LIST_SUBSCRIPTIONS", "id": "a1"}) == {"result": streams, "id": "a1"}
    assert asked(session, {"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": None}) == {
        "result": None,
        "id": None,
    }
    assert session.listening == {"ETH-USDT"}
    assert session.traded([GOLDEN]) == []


def test_unknown_and_upper_case_symbols_are_accepted_in_silence() -> None:
    session = Binance("/ws", LISTING)
    request = {"method": "SUBSCRIBE", "params": ["nonsense@trade", "BTCUSDT@trade"], "id": 1}
    assert asked(session, request) == {"result": None, "id": 1}
    assert session.listening == set()
    assert session.traded([GOLDEN]) == []


def test_wrapping_is_switched_by_a_property() -> None:
    session = Binance("/ws/btcusdt@trade", LISTING)
    assert asked(session, {"method": "GET_PROPERTY", "params": ["combined"], "id": 2}) == {"result": False, "id": 2}
    asked(session, {"method": "SET_PROPERTY", "params": ["combined", True], "id": 3})
    assert asked(session, {"method": "GET_PROPERTY", "params": ["combined"], "id": 4}) == {"result": True, "id": 4}
    assert json.loads(session.traded([GOLDEN])[0])["stream"] == "btcusdt@trade"


@pytest.mark.parametrize(
    ("request_", "code", "part"),
    [
        ("{nonsense", 3, "Invalid JSON"),
        ("[" * 100_000, 3, "Invalid JSON"),
        ({"id": 1}, 2, "missing field `method`"),
        ({"method": "SUBSCRIB", "id": 1}, 2, "unknown variant `SUBSCRIB`, expected one of `SUBSCRIBE`"),
        ({"method": ["x"], "id": 1}, 2, "unknown variant"),
        ({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 2**70}, 2, "request ID"),
        ({"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": {"a": 1}}, 2, "request ID"),
        ({"method": "SUBSCRIBE", "id": 1}, 2, "missing field `params`"),
        ({"method": "SUBSCRIBE", "params": "btcusdt@trade", "id": 1}, 2, "missing field `params`"),
        ({"method": "SET_PROPERTY", "params": ["nonsense", True], "id": 1}, 0, "Unknown property"),
        ({"method": "SET_PROPERTY", "params": [["combined"], True], "id": 1}, 0, "Unknown property"),
        ({"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 1}, 1, "expected Boolean"),
    ],
)
def test_bad_requests_are_told_apart_by_code(request_: Any, code: int, part: str) -> None:
    answer = asked(Binance("/ws", LISTING), request_)
    assert answer["code"] == code
    assert part in answer["msg"]


def test_an_ill_formed_stream_gets_the_nested_error() -> None:
    request = {"method": "SUBSCRIBE", "params": ["btcusdt@trade", 5], "id": 2}
    expected = {"error": {"code": 2, "msg": "Invalid request: invalid stream"}, "id": 2}
    assert asked(Binance("/ws", LISTING), request) == expected


def test_sixth_frame_within_a_second_ends_the_connection() -> None:
    session = Binance("/ws", LISTING)
    request = {"method": "LIST_SUBSCRIPTIONS", "id": 1}
    for n in range(5):
        asked(session, request, START_US + n)
    asked(session, request, START_US + 1_000_000)
    with pytest.raises(Hangup) as caught:
        asked(session, request, START_US + 1_000_000)
    assert (caught.value.code, caught.value.reason) == (1008, "Too many requests")


def test_a_hostile_symbol_cannot_break_the_frame() -> None:
    symbol = 'A"}\\<b>😀-USD'
    session = Binance("/ws", Listing([symbol]))
    asked(session, {"method": "SUBSCRIBE", "params": ['a"}\\<b>😀usd@trade'], "id": 1})
    [frame] = session.traded([Trade("binance", symbol, START_US, 1, 1.0, 1.0, "buy")])
    assert json.loads(frame)["s"] == 'A"}\\<B>😀USD'
