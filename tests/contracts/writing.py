"""A program that writes to a sink until the end, going on from the sink's own cursor, to be killed in between.

`python -m tests.contracts.writing <sink> <recipe as JSON> <end>` prints the next offset after each write.
"""

import importlib
import sys

import msgspec

from tests.storage.sinks.made import findings

STEP = 7


def main(use: str, recipe: str, end: int) -> None:
    part = importlib.import_module(f"storage.sinks.{use}").part
    with msgspec.json.decode(recipe, type=part).open() as sink:
        at = {partition: cursor.next_offset for partition, cursor in sink.cursors().items()}
        done = min(at.get(0, 0), at.get(1, 0))
        while done < end:
            done = min(done + STEP, end)
            # Each time from further back, as after a restart.
            sink.write(findings({partition: (max(0, done - 2 * STEP), done) for partition in (0, 1)}))
            sys.stdout.write(f"{done}\n")
            sys.stdout.flush()
        sink.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
