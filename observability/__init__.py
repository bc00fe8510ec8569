"""What can be seen of a running TickStream. Imports nothing of the other rooms; they count and log through it.

In reading order:

- metrics.py: every metric, one table
- latencies.py: a histogram that takes whole columns
- health.py: /metrics, /livez, /readyz and /version over HTTP
- logs.py: events with fields on standard error
"""
