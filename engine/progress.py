"""How far the fold has come in one partition, and how that is put into a cursor and taken up again (DESIGN 7)."""

import msgspec
from msgspec import Struct

from engine.columns import NEVER
from engine.episodes import Trail
from engine.errors import Misconfigured
from engine.order import PartitionOrder

SNAPSHOTS_MAX = 64
_FORMAT = 2


class Snapshot(Struct, frozen=True, array_like=True):
    """The order state of a partition as it stood before message `offset`, encoded."""

    offset: int
    order: msgspec.Raw


class Saved(Struct, frozen=True, array_like=True):
    """A cursor's state: a snapshot older than every window of up to `window_ms_max`, and the trails at `next`."""

    format: int
    window_ms_max: int
    snapshot: Snapshot
    trails: list[Trail]


class Snapshots:
    """The order states kept of one partition, oldest first; the first is older than every row in its windows."""

    def __init__(self, first: Snapshot) -> None:
        self._kept = [first]

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def oldest(self) -> Snapshot:
        """The one to go on from after a restart."""
        return self._kept[0]

    def keep(self, offset: int, order: PartitionOrder, oldest_offset: int | None) -> None:
        """Add the newest; let go of those that a newer one, old enough, makes needless.

        `oldest_offset` is the lowest offset with a row in a window, None where windows are empty.
        """
        self._kept.append(snapshot(offset, order))
        enough = offset if oldest_offset is None else oldest_offset
        while len(self._kept) > 1 and self._kept[1].offset <= enough:
            del self._kept[0]
        if len(self._kept) > SNAPSHOTS_MAX:
            gaps = [after.offset - before.offset for before, after in zip(self._kept, self._kept[2:], strict=False)]
            del self._kept[1 + gaps.index(min(gaps))]  # What is left is spread evenly over the windows.


def snapshot(offset: int, order: PartitionOrder | None = None) -> Snapshot:
    """An order state, encoded; that of an empty log where none is given."""
    state = PartitionOrder(NEVER, ()) if order is None else order
    return Snapshot(offset, msgspec.Raw(msgspec.msgpack.encode(state)))


def encode(window_ms_max: int, oldest: Snapshot, trails: list[Trail]) -> bytes:
    """The text of a cursor's state."""
    return msgspec.msgpack.encode(Saved(_FORMAT, window_ms_max, oldest, trails))


def decode(state: bytes) -> tuple[Saved, PartitionOrder]:
    """A cursor's state and the order state in it. Raises Misconfigured where it is not one that can be read."""
    try:
        saved = msgspec.msgpack.decode(state, type=Saved)
        if saved.format != _FORMAT:
            raise msgspec.ValidationError(f"its format is {saved.format}, this version reads {_FORMAT}")
        return saved, msgspec.msgpack.decode(saved.snapshot.order, type=PartitionOrder)
    except msgspec.MsgspecError as error:
        raise Misconfigured(
            f"a cursor's state cannot be read ({error}); start with a new prefix or data.dir"
        ) from error
