"""Parts and good frames for the tests of feeds."""

from collections.abc import Sequence
from datetime import UTC, datetime

from engine import parts
from feeds.exchanges import Exchange, Reading

URL = "ws://127.0.0.1:1"
SEEN_US = 1_790_000_000_000_000

SYMBOLS = {
    "binance": ("BTC-USDT", "ETH-BTC"),
    "coinbase": ("BTC-USD", "ETH-USD"),
    "kraken": ("BTC-USD", "ETH-USD"),
}


def part(name: str, symbols: Sequence[str] = (), url: str = URL) -> Exchange:
    section = {"use": name, "url": url, "symbols": list(symbols or SYMBOLS[name])}
    loaded: Exchange = parts.load("feeds.exchanges", section, f"exchanges.{name}")
    return loaded


def parse(exchange: Exchange, frame: str | bytes) -> Reading:
    return exchange.parse(frame.encode() if isinstance(frame, str) else frame, SEEN_US)


def trade(name: str, trade_id: int, price: float = 100.0, ts_us: int = 1_767_387_168_237_000) -> bytes:
    """A good frame with one trade of the exchange's first symbol."""
    when = datetime.fromtimestamp(ts_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    frames = {
        "binance": f'{{"e":"trade","E":{ts_us},"s":"BTCUSDT","t":{trade_id},"p":"{price:.8f}","q":"0.50000000",'
        f'"T":{ts_us},"m":true,"M":true}}',
        "coinbase": f'{{"type":"match","trade_id":{trade_id},"side":"sell","size":"0.5","price":"{price}",'
        f'"product_id":"BTC-USD","sequence":9,"time":"{when}"}}',
        "kraken": f'{{"channel":"trade","type":"update","data":[{{"symbol":"BTC/USD","side":"sell","price":{price},'
        f'"qty":0.5,"ord_type":"market","trade_id":{trade_id},"timestamp":"{when}"}}]}}',
    }
    return frames[name].encode()
