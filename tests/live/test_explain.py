"""`tickstream explain` as a person would use it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.live.commands import Command, ran, told
from tests.storage.recorded import SPIKE, Recorded, changed, recorded

FOUND = recorded(SPIKE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    FOUND.write(tmp_path / "data")
    return tmp_path


def explained(folder: Path, *arguments: str) -> Command:
    return ran(folder / "explain", "explain", f"--data={folder / 'data'}", *arguments)


def first_anomaly(folder: Path) -> dict[str, Any]:
    """As a person finds it."""
    question = "SELECT * FROM anomalies WHERE isfinite(z) ORDER BY id LIMIT 1"
    asked = ran(folder / "query", "query", f"--data={folder / 'data'}", "--json", question)
    found: dict[str, Any] = json.loads(asked.out)
    return found


def test_a_card_is_told_in_lines(folder: Path) -> None:
    of = first_anomaly(folder)
    command = explained(folder, of["id"])
    assert command.process.returncode == 0, command.err
    lines = [line.split() for line in command.out.splitlines()]
    assert lines[0] == [of["id"]]
    for name in ("n", "s", "q", "mean", "std", "z"):
        assert any(line[:2] == [name, str(of[name])] for line in lines)
    assert ["score", str(of["score"]), "abs(z)", "/", "1.5"] in lines
    assert "equal to what is stored, to the bit" in command.out
    assert sum(line.endswith("  peak") for line in command.out.splitlines()) == 1
    assert "without tick " in command.out
    assert "other exchanges, " in command.out


@pytest.mark.parametrize(("ticks_max", "gaps"), [(1, [3, 6, 6]), (3, [1, 6, 4])])
def test_lines_tell_how_many_ticks_are_left_out(folder: Path, ticks_max: int, gaps: list[int]) -> None:
    command = explained(folder, first_anomaly(folder)["id"], f"--ticks={ticks_max}")
    shown = [int(line.split()[0]) for line in command.out.splitlines() if "2024-" in line and line.split()[0].isdigit()]
    left_out = [int(line.split()[1]) for line in command.out.splitlines() if "⋮" in line]
    assert left_out == gaps
    assert len(shown) + sum(left_out) == shown[-1]


def test_a_card_is_told_as_one_object(folder: Path) -> None:
    of = first_anomaly(folder)
    command = explained(folder, of["id"], "--json", "--ticks=2")
    card = told(command)
    assert {name: card["anomaly"][name] for name in ("id", "s", "q", "z")} == {n: of[n] for n in ("id", "s", "q", "z")}
    assert (card["steps"]["score"], card["rule"]["sql"], card["differences"]) == (of["score"], "abs(z) / 1.5", [])
    assert card["ticks"][-1]["marks"] == ["peak"]


def test_an_infinite_z_is_null_in_json(folder: Path) -> None:
    question = "SELECT id FROM anomalies WHERE isinf(z) LIMIT 1"
    asked = ran(folder / "query", "query", f"--data={folder / 'data'}", "--json", question)
    command = explained(folder, told(asked)["id"], "--json")
    card = json.loads(command.out, parse_constant=pytest.fail)
    assert (card["steps"]["z"], card["steps"]["var"], card["differences"]) == (None, 0.0, [])


def test_a_flipped_bit_of_a_stored_z_is_told_and_ends_in_1(tmp_path: Path) -> None:
    FOUND.write(tmp_path / "data")
    of = first_anomaly(tmp_path)
    altered = FOUND.anomalies
    for state, z in enumerate(altered["z"].to_list()):
        if z == of["z"]:
            altered = changed(altered, state, "z", float.fromhex(flipped(z)))
    Recorded(FOUND.ticks, FOUND.scores, altered, FOUND.rules).write(tmp_path / "flipped" / "data")
    command = explained(tmp_path / "flipped", of["id"])
    assert command.process.returncode == 1
    assert f"DIFFERS: z is stored as {float.fromhex(flipped(of['z']))}, should be {of['z']}" in command.out
    assert "equal to what is stored" not in command.out


def flipped(value: float) -> str:
    """The hexadecimal form with its lowest bit the other way round."""
    head, exponent = value.hex().split("p")
    return f"{head[:-1]}{int(head[-1], 16) ^ 1:x}p{exponent}"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nonsense"], 78, "nonsense: is the ID of no anomaly"),
        (["0:9:9:binance:BTC-USDT:spike"], 78, "is the ID of no anomaly"),
        (["x", "--data=/nowhere"], 78, "/nowhere: there is no such folder"),
        (["x", "--ticks=-1"], 2, "--ticks"),
        ([], 2, "ID"),
    ],
)
def test_what_a_user_can_cause_is_said_in_a_line(folder: Path, arguments: list[str], code: int, said: str) -> None:
    command = explained(folder, *arguments)
    assert command.process.returncode == code, command.err
    assert said in command.err
    assert "Traceback" not in command.err


def test_a_rule_whose_settings_are_altered_is_told(folder: Path) -> None:
    of = first_anomaly(folder)
    path = folder / "data" / "rules" / f"{of['rules']}.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"settings": 5}), "utf-8")
    command = explained(folder, of["id"])
    assert command.process.returncode == 1, command.err
    assert f"DIFFERS: rules is stored as {of['rules']}" in command.out


def test_a_missing_rule_is_said_in_a_line(folder: Path) -> None:
    of = first_anomaly(folder)
    (folder / "data" / "rules" / f"{of['rules']}.json").unlink()
    command = explained(folder, of["id"])
    assert command.process.returncode == 78
    assert "the rule of this anomaly is not there" in command.err
    assert "Traceback" not in command.err
