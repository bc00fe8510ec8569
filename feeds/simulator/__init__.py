"""The exchanges' other side: three venues on local ports that speak in their own wire formats.

In reading order:

- market.py: Trade and Market, what a venue reports and where it comes from
- assets.py: names, starting prices, tick and lot sizes
- prices.py: correlated log prices with volatility clusters and jumps
- model.py: the market model, orders on those prices at three venues
- tape.py: a recorded market, played again
- wire.py: numbers, times and JSON as they go over the wire
- venues/: one file, one venue's wire format; no I/O
- client.py: one client's connection to a venue
- server.py: the sockets, and the market played to whoever listens

Faults have their place between a market's trades and `Session.traded`.
"""
