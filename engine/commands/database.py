"""The database of `[sinks.timescale]`: its address and its schema."""

from engine.errors import Misconfigured
from engine.settings import Settings
from storage import migrations, postgres


def dsn_of(settings: Settings, given: str | None) -> str:
    """The address given, or that of the settings. Raises Misconfigured."""
    section = settings.sinks.get("timescale", {})
    dsn, dsn_file = (str(section.get(name, "")) for name in ("dsn", "dsn_file"))
    if given is not None:
        dsn, dsn_file = given, ""
    if not dsn and not dsn_file:
        raise Misconfigured("sinks.timescale.dsn: is not set; give the database's address there or with --dsn")
    return postgres.address(dsn, dsn_file, plaintext=bool(section.get("plaintext", False)), path="sinks.timescale")


def migrate(settings: Settings, given: str | None) -> tuple[str, ...]:
    """Bring the schema up to date; the names of what was applied."""
    return migrations.migrate(dsn_of(settings, given))
