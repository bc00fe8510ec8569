"""The commands of DESIGN 10 that wire several rooms. engine/cli.py reads their options and is imported by nobody.

In reading order:

- run.py: everything in one process
- processes.py: `feed` and `engine`, the two processes of a cluster
- simulate.py: the simulated exchanges alone
- score.py: the engine's own step over tick files
- evaluate.py: how good the detectors are on labelled series
- capture.py: a topic into tick files
- replay.py: the proof, and how its outcome is told
- query.py: a person's SQL over a data directory
- explain.py: why an anomaly was raised, as a card
- database.py: the database's address and its schema
- doctor.py: what is wrong with a set-up and how to mend it
- wiring.py: parts made from settings
- feeding.py: the feeds' event loop in a thread
- status.py: the status line and the summary
- stopping.py: signals
"""
