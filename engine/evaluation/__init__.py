"""How good a set of detectors is, measured on labelled series by the engine's own step.

In reading order:

- report.py: what is told in the end
- scored.py: a series through the step; what of it could be flagged, and what was
- curve.py: the episodes that another edge would have opened, from stored scores
- pump_files.py, pumps.py: labelled pumps on disk; which were found, how soon, and how many alerts were false
- nab_files.py, nab.py: the Numenta Anomaly Benchmark on disk; how it scores detections
- benchmark.py: detectors against that benchmark
- picture.py: the curve as SVG or PNG
"""
