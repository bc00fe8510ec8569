"""From a name in the settings to a part: `use = "zscore"` is the class in engine/detectors/zscore.py."""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

import msgspec

from engine.errors import Misconfigured
from engine.settings import did_you_mean


def names(folder: str) -> tuple[str, ...]:
    """The parts that an open folder, such as `engine.detectors`, holds."""
    found = pkgutil.iter_modules(importlib.import_module(folder).__path__)
    return tuple(sorted(module.name for module in found if not module.name.startswith("_")))


def load(folder: str, section: Mapping[str, Any], path: str) -> Any:
    """The part that the section's `use` names, holding the section's other keys.

    `path` is the section's place in the settings; every problem is raised as Misconfigured under it.
    """
    use = section.get("use")
    known = names(folder)
    if not isinstance(use, str) or use not in known:
        hint = did_you_mean(str(use), known) if isinstance(use, str) else ""
        raise Misconfigured(f"{path}.use: must be one of {', '.join(known)}{hint}")
    kind = importlib.import_module(f"{folder}.{use}").part
    values = {key: value for key, value in section.items() if key != "use"}
    fields = [field.name for field in msgspec.structs.fields(kind)]
    unknown = [f"{path}.{key}: no such setting{did_you_mean(key, fields)}" for key in values if key not in fields]
    if unknown:
        raise Misconfigured(*unknown)
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at `$")
        raise Misconfigured(f"{path}{at.rstrip('`')}: {what[:1].lower()}{what[1:]}") from error
