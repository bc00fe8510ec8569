"""What is measured, and the gates: ratios to a baseline that runs beside it.

- ticks.py: the seeded workload
- rolling.py: the baseline, rolling expressions of Polars
- ring.py: another baseline, a ring of prices for each key in a compiled loop
- windows.py: what is measured of the core
- cpu.py: CPU time of two rivals in turn
- conftest.py: the machine and the figures, printed with every run
- test_step.py: what a micro-batch costs, stage by stage
- test_spans.py: gates of longer windows, more of them, more keys, and of exactness beside the plain ring
- test_windows.py: gates of windows and z against Polars over the whole log, and over tail and batch

README.md has the method and a run's figures. `make bench` runs it all.
"""
