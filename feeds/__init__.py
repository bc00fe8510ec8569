"""From an exchange's WebSocket to Arrow record batches, in asyncio.

In reading order: `exchanges/` says what goes over the wire, without I/O, on the checks of `fields.py`. `connection.py`
keeps an exchange connected: `session.py` is one open socket, `frames.py` the queue behind it, `losses.py` why it ended,
`backoff.py` how long to wait then. `gaps.py` counts what is missing by trade id, `columns.py` turns ticks into a record
batch, `outbox.py` lets it go on rows or milliseconds, `feed.py` runs every exchange end to end, `facts.py` counts, and
`rarely.py` keeps the log short. `simulator/` is the exchanges' other side.
"""
