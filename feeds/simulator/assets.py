"""What is traded: names, starting prices, tick and lot sizes."""

import re
import zlib
from math import floor, log10
from typing import NamedTuple

_MONEY = {"USD": 1.0, "USDT": 1.0, "USDC": 1.0, "FDUSD": 1.0, "TUSD": 1.0, "BUSD": 1.0, "DAI": 1.0}
_FIAT = {"EUR": 1.1, "GBP": 1.3, "JPY": 0.0065, "TRY": 0.025, "BRL": 0.18, "AUD": 0.66, "IDR": 0.00006}
_COINS = {
    "BTC": 64_000.0,
    "ETH": 3_400.0,
    "BNB": 580.0,
    "SOL": 150.0,
    "LTC": 85.0,
    "AVAX": 28.0,
    "LINK": 14.0,
    "DOT": 6.2,
    "XRP": 0.62,
    "ADA": 0.45,
    "DOGE": 0.12,
    "TRX": 0.13,
}
_WORTH_USD = _MONEY | _FIAT | _COINS

_QUOTES = (*_MONEY, *_FIAT, "BTC", "ETH", "BNB", "TRX")
_JOINED = re.compile(rf"^([^-/]+?)({'|'.join(_QUOTES)})(_[^-/]+)?$")
_PRICE_DIGITS = 6
_PLACES_MAX = 8


class Asset(NamedTuple):
    """How a symbol is quoted: where its price starts, and how many decimal places prices and sizes have."""

    price: float
    price_places: int
    size_places: int
    worth_usd: float


def asset(symbol: str) -> Asset:
    """Plausible for well-known names, else derived from the name; always the same for the same name."""
    base, _, quote = symbol.partition("-")
    worth_usd = _worth_usd(base)
    price = worth_usd / _worth_usd(quote or "USD")
    return Asset(
        price, _places(_PRICE_DIGITS - 1 - floor(log10(price))), _places(1 + floor(log10(worth_usd))), worth_usd
    )


def canonical(symbol: str) -> str:
    """BASE-QUOTE from a venue's own name: BTCUSDT, BTC/USD, ETHUSD_PERP. What has no known quote stays as it is."""
    joined = _JOINED.match(symbol)
    if joined is None:
        return symbol.replace("/", "-")
    base, quote, contract = joined.groups(default="")
    return f"{base}-{quote}{contract}"


def _worth_usd(name: str) -> float:
    fraction = zlib.crc32(name.encode()) / 2**32
    derived: float = 10.0 ** (4.0 * fraction - 2.0)
    return _WORTH_USD.get(name, derived)


def _places(wanted: int) -> int:
    return min(max(wanted, 0), _PLACES_MAX)
