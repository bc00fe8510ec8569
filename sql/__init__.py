"""SQL lives here, not in Python strings.

schema/ holds the migrations of the database in the order of their numbers, oracle/ the statements by which DuckDB
recomputes a recording (storage/oracle.py), query/ the views of a dataset (storage/query.py), explain/
the questions about one anomaly (storage/peak.py, storage/explained.py).
"""
