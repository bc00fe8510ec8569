"""Everything that remembers: the log, the results, the tick files, and the proof over them.

The log of ticks, in this order:

- ipc.py, conform.py: rows <-> the bytes of a message; columns from outside made into ours
- bus/: publish and drain, in memory or on Kafka
- tick_files.py, log_order.py, recording.py: tick files read as a log
- capture.py: a log into tick files

Results:

- sinks/: one file, one destination; recipes.py makes them from the settings
- exactly_once.py, postgres.py, migrations.py, progress.py, rejected.py: what the sinks rest on
- files.py, dataset.py: Parquet files that are never half written, and which of them count

The proof and questions:

- oracle.py, expressions.py, scans.py: every score computed again by DuckDB, from files that it reads itself
- stored.py, replay.py: what the sinks stored, and the comparison
- query.py: the same files for a person's SQL
- explained.py, peak.py, baseline.py: why an anomaly was raised, from the same files
"""
