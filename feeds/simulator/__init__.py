"""The exchanges' other side: three venues on local ports that speak in their own wire formats.

In reading order:

- market.py: Trade and Market, what a venue reports and where it comes from
- assets.py: names, starting prices, tick and lot sizes
- prices.py: correlated log prices with volatility clusters and jumps
- desk.py: one symbol at one venue, its quote and the orders that hit it
- model.py: the market model, all desks on one set of prices
- tape.py: a recorded market, played again
- wire.py: numbers, times and JSON as they go over the wire
- venues/: one file, one venue's wire format; no I/O
- client.py: one client's connection to a venue
- venue.py: one venue, its clients and its last trades
- player.py: each trade told when it is due
- server.py: the sockets; `serving()` is what others call

A fault belongs between a market's trades and `Venue.tell`, or into a client's frames.
"""
