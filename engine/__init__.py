"""From ticks to anomalies: the pure core, a fold over the log, then the shell that turns it.

The values and the doors:

- schema.py: every column, named and typed once; columns.py: columns of frames as arrays and back
- batch.py: what travels, ticks in, findings and cursors out
- ports.py: Source, Sink and Clock; errors.py: six errors, each named for who acts on it

The core knows no I/O, clock, log or metric. In the order of a tick:

- step.py: the whole fold
- order.py: late ticks, duplicates, a time that never goes back; keys.py: keys as numbers
- window.py: exact trailing windows; series.py: what is measured beside the price; kernel.py: the loop over ticks
- compiled.py: how that loop and the one of order.py are compiled
- detectors/: one file, one rule; rules.py: a rule with all that a replay needs
- expressions.py: the text of a rule and the names in it; statistics.py: what those names stand for
- scoring.py: rows of SCORE, and the flags among them
- episodes.py: flags into anomalies
- progress.py: all of it in a cursor, to go on from after a restart

The shell:

- settings.py, defaults.toml: every knob, once; parts.py: the file that a `use` names
- loop.py: drain, step, hand over, again and again; writer.py: the sinks' own thread, where writes are retried
- latency.py: how long a tick took; clock.py: the machine's clocks
- evaluation/: detectors measured on labelled series
- cli.py, commands/: the commands, which wire all rooms
"""
