"""From `[sinks.<name>]` to a sink's recipe, with the tables that it shares with others."""

import importlib
from collections.abc import Mapping

import msgspec

from engine import parts
from engine.errors import Misconfigured
from engine.ports import Sink
from engine.settings import Settings, did_you_mean


def sinks(names: tuple[str, ...], settings: Settings) -> Mapping[str, Sink]:
    """The recipes of the sections `[sinks.<name>]`, in the order given. Raises Misconfigured."""
    unknown = [
        f"sinks.{name}: no such section{did_you_mean(name, settings.sinks)}"
        for name in names
        if name not in settings.sinks
    ]
    if unknown:
        raise Misconfigured(*unknown)
    return {name: _recipe(name, settings) for name in names}


def _recipe(name: str, settings: Settings) -> Sink:
    section = settings.sinks[name]
    shared = _shared(section.get("use"), settings)
    taken = [f"sinks.{name}.{key}: belongs to the table [{key}]" for key in section if key in shared]
    if taken:
        raise Misconfigured(*taken)
    sink: Sink = parts.load("storage.sinks", {**section, **shared}, f"sinks.{name}")
    return sink


def _shared(use: object, settings: Settings) -> dict[str, object]:
    """The tables of the settings that the sink's fields are named after; none where there is no such sink."""
    if use not in parts.names("storage.sinks"):
        return {}
    tables = msgspec.structs.asdict(settings)
    fields = msgspec.structs.fields(importlib.import_module(f"storage.sinks.{use}").part)
    return {field.name: tables[field.name] for field in fields if field.name in tables}
