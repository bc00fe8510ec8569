"""Defaults exist only in defaults.toml, and there completely."""

import tomllib
from typing import Any

import msgspec
import pytest
from msgspec import NODEFAULT, Struct

from engine import parts, settings
from engine.detectors.zscore import ZScore
from storage.recipes import sinks
from tests.house.rooms import ROOT

DEFAULTS: dict[str, Any] = tomllib.loads((ROOT / "engine" / "defaults.toml").read_text("utf-8"))
FOLDERS = {"exchanges": "feeds.exchanges", "sinks": "storage.sinks"}


def tables(kind: type[Struct], at: dict[str, Any], path: str = "") -> list[tuple[str, type[Struct], dict[str, Any]]]:
    """Each table of the settings with its type and its built-in values."""
    below = [
        found
        for field in msgspec.structs.fields(kind)
        if isinstance(field.type, type) and issubclass(field.type, Struct)
        for found in tables(field.type, at[field.name], f"{path}.{field.name}")
    ]
    return [(path.removeprefix("."), kind, at), *below]


TABLES = tables(settings.Settings, DEFAULTS)


def test_defaults_are_settings_by_themselves() -> None:
    assert settings.load(environ={}).tree == DEFAULTS


@pytest.mark.parametrize(("path", "kind", "values"), TABLES, ids=[path or "all" for path, _, _ in TABLES])
def test_every_setting_has_its_default_in_the_file_and_nowhere_else(
    path: str, kind: type[Struct], values: dict[str, Any]
) -> None:
    fields = msgspec.structs.fields(kind)
    assert {field.name for field in fields} == values.keys(), path
    assert [field.name for field in fields if field.default is not NODEFAULT] == []


def test_the_built_in_detector_is_spelled_out_as_its_class_has_it() -> None:
    spike = DEFAULTS["detectors"]["spike"]
    part = parts.load("engine.detectors", spike, "detectors.spike")
    assert part == ZScore(window_ms=60_000, threshold=2.5, alert=False)
    assert spike.keys() - {"use"} == msgspec.structs.asdict(part).keys()


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_built_in_section_names_a_part(folder: str) -> None:
    assert {section["use"] for section in DEFAULTS[folder].values()} == set(parts.names(FOLDERS[folder]))


def test_the_sinks_of_both_ways_to_run_can_be_made() -> None:
    loaded = settings.load(environ={}).settings
    chosen = (*loaded.run.sinks, *loaded.engine.sinks)
    assert sinks(chosen, loaded).keys() == DEFAULTS["sinks"].keys()
