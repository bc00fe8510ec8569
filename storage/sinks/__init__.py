"""Where findings go: one file, one destination, known by its file name (`use = "timescale"`).

A sink is a frozen recipe (engine.ports.Sink) read from its section `[sinks.<name>]`. A field named after another table
of the settings (`bus`, `data`) is given that table whole (storage/recipes.py). `open()` connects, checks that rows will
fit and gives a `Writing`, which puts rows and cursor down in one transaction (DESIGN 7). Raises Unavailable where the
destination does not answer, Misconfigured where it cannot take our rows. tests/contracts/test_sinks.py holds every file
here to it.

- parquet.py: the embedded dataset, Parquet files under `data/`
- timescale.py: PostgreSQL or TimescaleDB, by COPY of Arrow
- kafka.py: the topics `scores`, `anomalies` and `rejected`, by transactions
"""
