import pytest

from feeds.simulator.assets import asset, canonical


@pytest.mark.parametrize(
    ("venues_own", "ours"),
    [
        ("BTCUSDT", "BTC-USDT"),
        ("ETHBTC", "ETH-BTC"),
        ("USDCUSDT", "USDC-USDT"),
        ("TUSDUSDT", "TUSD-USDT"),
        ("BTCBUSD", "BTC-BUSD"),
        ("BTC/USD", "BTC-USD"),
        ("BTC-USD", "BTC-USD"),
        ("ETHUSD_PERP", "ETH-USD_PERP"),
        ("FI_BCHUSD_210730", "FI_BCH-USD_210730"),
        ("USDT", "USDT"),
        ("NONSENSE", "NONSENSE"),
        ("", ""),
    ],
)
def test_venues_names_become_base_and_quote(venues_own: str, ours: str) -> None:
    assert canonical(venues_own) == ours


def test_well_known_prices_are_plausible() -> None:
    assert 10_000 < asset("BTC-USDT").price < 1_000_000
    assert asset("ETH-BTC").price == asset("ETH-USD").price / asset("BTC-USD").price
    assert asset("BTC-EUR").price < asset("BTC-USD").price


def test_unknown_names_always_start_at_the_same_price() -> None:
    assert asset("NONSENSE-USDT") == asset("NONSENSE-USDT")
    assert asset("NONSENSE-USDT").price != asset("OTHER-USDT").price


@pytest.mark.parametrize("symbol", ["BTC-USDT", "XRP-USDT", "ETH-BTC", "NONSENSE-USDT", "BTC-IDR", "", "-", "😀-BTC"])
def test_every_symbol_can_be_quoted(symbol: str) -> None:
    quoted = asset(symbol)
    assert quoted.price > 0
    assert round(quoted.price, quoted.price_places) > 0
    assert 0 <= quoted.size_places <= 8
