"""The commands of DESIGN 10. Each imports what it needs when it is called; nobody imports this."""

import errno
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from engine import settings
from engine.errors import Misconfigured, Superseded, TickStreamError, Unavailable

UNAVAILABLE, DISK, PERMISSION, MISCONFIGURED = 69, 74, 77, 78
"""Exit codes, as sysexits.h has them; 1: the check found a difference, 2: wrong usage."""

_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Find anomalies in market prices as they happen, and prove every score by a replay.",
    epilog="First steps: `tickstream run`, then `tickstream replay --data data`.",
)

Config = Annotated[Path | None, typer.Option("--config", help="A settings file (TOML).", metavar="FILE")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting, as loop.drain_ms=50; may be repeated.", metavar="KEY=VALUE"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DataDir = Annotated[Path | None, typer.Option("--data", help="The dataset's folder [default: data.dir].")]
Tape = Annotated[Path | None, typer.Option("--tape", help="A Parquet file of trades to play.")]
Rate = Annotated[float | None, typer.Option("--rate", help="How much faster than it happened.")]


def main() -> None:
    """Run a command. What a user can cause comes out as one line for each problem and an exit code, not as a trace."""
    try:
        app()
    except Misconfigured as error:
        _leave(MISCONFIGURED, *error.problems)
    except (Unavailable, Superseded) as error:
        _leave(UNAVAILABLE, str(error))
    except TickStreamError as error:
        _leave(1, str(error))
    except PermissionError as error:
        _leave(PERMISSION, f"{error.filename}: permission denied; give the user of this process access")
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        _leave(DISK, f"{error.filename}: {error.strerror}; make room or choose another disk")


def _leave(code: int, *problems: str) -> None:
    for problem in problems:
        sys.stderr.write(f"tickstream: {problem}\n")
    sys.exit(code)


def _loaded(config: Path | None, sets: list[str] | None, **flags: object) -> settings.Loaded:
    """The settings with those flags that were given, and logging set up by them."""
    from observability import logs

    given = [
        f"{name.replace('__', '.')}={json.dumps(str(value))}" for name, value in flags.items() if value is not None
    ]
    loaded = settings.load(config, [*(sets or []), *given])
    logs.set_up(loaded.settings.logs.level, loaded.settings.logs.format)
    return loaded


@app.command()
def run(
    live: Annotated[bool, typer.Option("--live", help="Connect to the real exchanges.")] = False,
    tape: Tape = None,
    rate: Rate = None,
    data: DataDir = None,
    seconds: Annotated[
        float | None, typer.Option("--for", min=0, max=1e9, help="Stop by itself after so many seconds.")
    ] = None,
    config: Config = None,
    sets: Sets = None,
) -> None:
    """Run everything in one process: exchanges (simulated ones without --live), engine, dataset."""
    from engine.commands import run as command

    loaded = _loaded(config, [*(sets or []), *_rate(rate)], data__dir=data)
    typer.echo(command.run(loaded.settings, live=live, tape=tape, seconds=seconds), err=True)


def _rate(rate: float | None) -> list[str]:
    return [] if rate is None else [f"simulator.rate={float(rate)}"]


@app.command()
def feed(config: Config = None, sets: Sets = None) -> None:
    """Publish the exchanges' trades to Kafka."""
    from engine.commands import processes

    processes.feed(_loaded(config, sets).settings)


@app.command()
def engine(config: Config = None, sets: Sets = None) -> None:
    """Score what lies on Kafka and write to the sinks."""
    from engine.commands import processes

    typer.echo(processes.engine(_loaded(config, sets).settings), err=True)


@app.command()
def simulate(tape: Tape = None, rate: Rate = None, config: Config = None, sets: Sets = None) -> None:
    """Serve the three exchanges on local ports; prints their addresses as settings."""
    from engine.commands import simulate as command

    command.simulate(_loaded(config, [*(sets or []), *_rate(rate)]).settings, tape)


@app.command()
def score(
    files: Annotated[list[Path], typer.Argument(help="Tick files, in the order of the log.", metavar="FILE…")],
    out: Annotated[Path, typer.Option("--out", help="Where the scores go; anomalies go to OUT.anomalies.parquet.")],
    batch_rows: Annotated[int, typer.Option("--batch-rows", min=1, help="Ticks in a step.")] = 100_000,
    as_json: AsJson = False,
    config: Config = None,
    sets: Sets = None,
) -> None:
    """Run the engine's own step over tick files."""
    import msgspec

    from engine.commands import score as command

    done = command.score(_loaded(config, sets).settings, files, out, batch_rows)
    told = msgspec.json.encode(done).decode()
    typer.echo(told if as_json else f"{done.rows:,} rows in {done.seconds:.2f} s, {done.ticks_per_second:,.0f} ticks/s")


@app.command()
def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(help="A folder of labelled pump events, or NAB's.", metavar="DIR", exists=True, file_okay=False),
    ],
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the curve, as .svg or .png.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
    config: Config = None,
    sets: Sets = None,
) -> None:
    """Measure the detectors on labelled series: recall, false alerts, delay, over all edges."""
    from engine.commands import evaluate as command

    loaded = _loaded(config, sets)
    if plot is not None:
        from engine.evaluation import picture

        picture.check(plot)
    report = command.evaluate(loaded.settings, folder)
    if plot is not None:
        picture.draw(report, plot)
    typer.echo(command.as_json(report) if as_json else command.as_text(report))


@app.command()
def capture(
    out: Annotated[Path, typer.Option("--out", help="The folder for tick files; a capture there goes on.")],
    to_end: Annotated[bool, typer.Option("--to-end", help="Stop at the end that the topic has now.")] = False,
    config: Config = None,
    sets: Sets = None,
) -> None:
    """Write the tick topic into tick files, until stopped."""
    from engine.commands import capture as command

    rows = command.capture(_loaded(config, sets).settings, out, to_end=to_end)
    typer.echo(f"{rows:,} ticks taken into {out}", err=True)


@app.command()
def replay(
    ticks: Annotated[list[Path] | None, typer.Option("--ticks", help="Tick files or a capture's folder.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="An embedded dataset.")] = None,
    scores: Annotated[list[Path] | None, typer.Option("--scores", help="Files that `score` wrote.")] = None,
    dsn: Annotated[str | None, typer.Option("--dsn", help="A PostgreSQL or TimescaleDB database.")] = None,
    topic: Annotated[bool, typer.Option("--topic", help="The topics of scores and anomalies.")] = False,
    as_json: AsJson = False,
    config: Config = None,
    sets: Sets = None,
) -> None:
    """Recompute every score and anomaly in DuckDB and compare with what was stored."""
    from engine.commands import replay as command

    loaded = _loaded(config, sets)
    report = command.replay(loaded.settings, ticks or [], data=data, scores=scores or [], dsn=dsn, topic=topic)
    typer.echo(command.as_json(report) if as_json else command.as_text(report))
    raise typer.Exit(report.exit_code)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="SQL over the views ticks, scores, anomalies, anomaly_states.")],
    data: DataDir = None,
    as_json: AsJson = False,
    config: Config = None,
    sets: Sets = None,
) -> None:
    """Ask DuckDB about a dataset."""
    from engine.commands import query as command

    command.query(Path(_loaded(config, sets, data__dir=data).settings.data.dir), sql, as_json=as_json)


@app.command()
def explain(
    anomaly: Annotated[str, typer.Argument(help="The anomaly's `id` in the view anomalies.", metavar="ID")],
    data: DataDir = None,
    ticks: Annotated[int, typer.Option("--ticks", min=0, help="How many first and last ticks of the window.")] = 5,
    as_json: AsJson = False,
    config: Config = None,
    sets: Sets = None,
) -> None:
    """Tell why an anomaly was raised: its rule, the arithmetic, the ticks."""
    from engine.commands import explain as command

    told = command.explain(Path(_loaded(config, sets, data__dir=data).settings.data.dir), anomaly, ticks)
    typer.echo(command.as_json(told) if as_json else command.as_text(told))
    raise typer.Exit(command.exit_code(told))


@app.command()
def migrate(
    dsn: Annotated[str | None, typer.Option("--dsn", help="The database [default: that of sinks.timescale].")] = None,
    config: Config = None,
    sets: Sets = None,
) -> None:
    """Make or update the database's schema."""
    from engine.commands import database

    applied = database.migrate(_loaded(config, sets).settings, dsn)
    typer.echo("\n".join(f"applied {name}" for name in applied) or "nothing to do: the schema is up to date")


@app.command()
def doctor(as_json: AsJson = False, config: Config = None, sets: Sets = None) -> None:
    """Look for what is wrong with this set-up, and say how to mend it."""
    from engine.commands import doctor as command

    findings = command.examine(_loaded(config, sets))
    typer.echo(command.as_json(findings) if as_json else command.as_text(findings))
    raise typer.Exit(command.exit_code(findings))


@app.command(name="settings")
def show_settings(as_json: AsJson = False, config: Config = None, sets: Sets = None) -> None:
    """Print every setting, its value and where it comes from."""
    rows = settings.shown(_loaded(config, sets))
    if as_json:
        typer.echo(json.dumps({name: {"value": value, "origin": origin} for name, value, origin in rows}))
        return
    width = max(len(name) for name, _, _ in rows)
    for name, value, origin in rows:
        typer.echo(f"{name:{width}}  {json.dumps(value)}  ({origin})")


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(installed("tickstream"))


if __name__ == "__main__":
    main()
