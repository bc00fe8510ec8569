import itertools
import json
from typing import Any

import pytest

from feeds.simulator.market import Trade
from feeds.simulator.venues import Hangup, Listing, Timing
from feeds.simulator.venues.coinbase import Coinbase
from tests.feeds.simulator.talking import START_US

MATCH = Trade("coinbase", "BTC-USD", 1_787_628_957_198_335, 1_081_862_675, 80_691.53, 1e-8, "buy")
DOCUMENTED = (  # exchange protocols, Coinbase Exchange, a captured match
    '{"type":"match","trade_id":1081862675,"maker_order_id":"f07e510f-4edf-469d-b844-4f670f1e93f1",'
    '"taker_order_id":"e6f50944-3e2a-439e-ae49-308300ba8296","side":"sell","size":"0.00000001","price":"80691.53",'
    '"product_id":"BTC-USD","sequence":134905860111,"time":"2026-08-25T03:35:57.198335Z"}'
)
BOTH = ["BTC-USD", "ETH-USD"]


def session(*recorded: Trade) -> Coinbase:
    listing = Listing(BOTH)
    for trade in recorded:
        listing.record(trade)
    return Coinbase(listing, Timing(), START_US)


def asked(coinbase: Coinbase, request: Any) -> list[dict[str, Any]]:
    text = request if isinstance(request, str) else json.dumps(request)
    return [json.loads(frame) for frame in coinbase.received(text, START_US)]


def subscribed(*recorded: Trade) -> Coinbase:
    coinbase = session(*recorded)
    asked(coinbase, {"type": "subscribe", "product_ids": BOTH, "channels": ["matches", "heartbeat"]})
    return coinbase


def test_match_frame_is_the_documented_one() -> None:
    [frame] = subscribed().traded([MATCH])
    ours, documented = json.loads(frame), json.loads(DOCUMENTED)
    assert list(ours) == list(documented)
    assert {name: type(value) for name, value in ours.items()} == {n: type(v) for n, v in documented.items()}
    free = {"maker_order_id", "taker_order_id", "sequence"}
    assert {n: v for n, v in ours.items() if n not in free} == {n: v for n, v in documented.items() if n not in free}
    assert b" " not in frame


@pytest.mark.parametrize(("aggressor", "maker"), [("buy", "sell"), ("sell", "buy")])
def test_side_is_the_makers(aggressor: Any, maker: str) -> None:
    [frame] = subscribed().traded([MATCH._replace(side=aggressor)])
    assert json.loads(frame)["side"] == maker


def test_fills_of_one_aggressor_share_its_order_and_differ_in_the_makers() -> None:
    frames = subscribed().traded([MATCH, MATCH._replace(trade_id=MATCH.trade_id + 1)])
    first, second = (json.loads(frame) for frame in frames)
    assert first["taker_order_id"] == second["taker_order_id"]
    assert first["maker_order_id"] != second["maker_order_id"]


def test_sequence_rises_by_10_to_300_a_trade() -> None:
    trades = [MATCH._replace(trade_id=MATCH.trade_id + n) for n in range(1_000)]
    sequences = [json.loads(frame)["sequence"] for frame in subscribed().traded(trades)]
    steps = [after - before for before, after in itertools.pairwise(sequences)]
    assert min(steps) >= 10
    assert max(steps) <= 300
    assert len(set(steps)) > 100


def test_subscribe_is_answered_by_the_whole_set_and_each_products_last_match() -> None:
    coinbase = session(MATCH._replace(trade_id=MATCH.trade_id - 1), MATCH)
    first = asked(coinbase, {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]})
    assert first[0] == {"type": "subscriptions", "channels": [{"name": "matches", "product_ids": ["BTC-USD"]}]}
    assert [(frame["type"], frame["trade_id"]) for frame in first[1:]] == [("last_match", MATCH.trade_id)]
    again = asked(coinbase, {"type": "subscribe", "product_ids": BOTH, "channels": ["matches", "heartbeat"]})
    assert again == [
        {
            "type": "subscriptions",
            "channels": [{"name": "matches", "product_ids": BOTH}, {"name": "heartbeat", "product_ids": BOTH}],
        }
    ]


def test_channels_may_name_their_own_products() -> None:
    request = {"type": "subscribe", "channels": [{"name": "matches", "product_ids": ["ETH-USD"]}]}
    assert asked(session(), request)[0]["channels"] == [{"name": "matches", "product_ids": ["ETH-USD"]}]


def test_unsubscribe_without_products_takes_the_whole_channel() -> None:
    coinbase = subscribed()
    one = asked(coinbase, {"type": "unsubscribe", "product_ids": ["ETH-USD"], "channels": ["heartbeat"]})
    assert one[0]["channels"][1] == {"name": "heartbeat", "product_ids": ["BTC-USD"]}
    whole = asked(coinbase, {"type": "unsubscribe", "channels": ["matches"]})
    assert whole == [{"type": "subscriptions", "channels": [{"name": "heartbeat", "product_ids": ["BTC-USD"]}]}]
    assert coinbase.traded([MATCH]) == []


def test_one_unknown_product_rejects_the_whole_subscribe() -> None:
    coinbase = session()
    request = {"type": "subscribe", "product_ids": ["BTC-USD", "GIBBERISH-USD"], "channels": ["matches"]}
    reason = "GIBBERISH-USD is not a valid product"
    assert asked(coinbase, request) == [{"type": "error", "message": "Failed to subscribe", "reason": reason}]
    assert coinbase.listening == set()


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"type": "subscribe", "product_ids": BOTH}, "No channels provided"),
        (
            {"type": "subscribe", "channels": ["heartbeat"]},
            "You need to specify at least one product ID for channel heartbeat",
        ),
        ({"type": "subscribe", "product_ids": BOTH, "channels": ["level2"]}, "level2 channel requires authentication"),
        ({"type": "subscribe", "product_ids": BOTH, "channels": ["nonsense"]}, "nonsense is not a valid channel"),
        ({"type": "subscribe", "product_ids": BOTH, "channels": [[1]]}, "list is not a valid channel"),
        ({"type": "subscribe", "product_ids": [[1]], "channels": ["matches"]}, "list is not a valid product"),
        ({"type": "subscribe", "product_ids": 5, "channels": ["matches"]}, "int is not a valid product"),
    ],
)
def test_a_bad_subscribe_is_told_why(request_: Any, reason: str) -> None:
    assert asked(session(), request_) == [{"type": "error", "message": "Failed to subscribe", "reason": reason}]


@pytest.mark.parametrize("request_", ["", "{", "[1]", {"type": "nonsense"}, {"type": ["subscribe"]}, {}])
def test_what_is_no_request_is_an_error_and_no_end(request_: Any) -> None:
    assert asked(session(), request_)[0]["type"] == "error"


def test_heartbeats_tell_the_last_trade_of_each_product() -> None:
    frames = [json.loads(frame) for frame in subscribed(MATCH).beat(START_US)]
    assert [list(frame) for frame in frames] == [["type", "sequence", "last_trade_id", "product_id", "time"]] * 2
    assert [(frame["product_id"], frame["last_trade_id"]) for frame in frames] == [
        ("BTC-USD", MATCH.trade_id),
        ("ETH-USD", 0),
    ]
    assert frames[0]["sequence"] > json.loads(subscribed().traded([MATCH])[0])["sequence"]
    assert frames[0]["time"] == "2023-11-14T22:13:20.000000Z"


def test_silence_for_five_seconds_ends_the_connection_unless_subscribed() -> None:
    assert session().beat(START_US + 4_999_999) == []
    with pytest.raises(Hangup):
        session().beat(START_US + 5_000_000)
    assert len(subscribed().beat(START_US + 60_000_000)) == 2
