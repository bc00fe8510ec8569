"""Both services for development: `python -m tests.services` starts them and stops them at Ctrl-C."""

import signal
import sys
import threading

from tests.services import broker, postgres


def main() -> int:
    problems = [reason for reason in (broker.missing(), postgres.missing()) if reason]
    if problems:
        sys.stderr.write("\n".join(problems) + "\n")
        return 69
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    kafka, database = broker.Broker(), postgres.Postgres()
    try:
        kafka.start()
        database.start()
        sys.stdout.write(f"TICKSTREAM_BUS__KAFKA__BOOTSTRAP={kafka.bootstrap}\n")
        sys.stdout.write(f"TICKSTREAM_SINKS__TIMESCALE__DSN={database.dsn}\n")
        sys.stdout.flush()
        stopped.wait()
    finally:
        kafka.close()
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
