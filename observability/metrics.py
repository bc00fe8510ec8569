"""Every metric of TickStream, one table: names, units and labels.

Two registries, one for each metrics port: FEEDS (9091) and ENGINE (9250).
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from observability.latencies import Latencies

FEEDS = CollectorRegistry()
ENGINE = CollectorRegistry()

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

LATENCY_MS = (
    *(1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 175, 200, 250, 300, 400),
    *(500, 750, 1_000, 1_500, 2_000, 2_500, 3_000, 5_000, 10_000, 30_000, 60_000),
)

# --- feeds: one row of labels for each exchange
ticks_received = Counter("tickstream_feeds_ticks", "Trades read from an exchange.", ["exchange"], registry=FEEDS)
frames_received = Counter("tickstream_feeds_frames", "Frames received from an exchange.", ["exchange"], registry=FEEDS)
frame_bytes = Counter("tickstream_feeds_frame_bytes", "Bytes of frames received.", ["exchange"], registry=FEEDS)
frames_malformed = Counter(
    "tickstream_feeds_frames_malformed",
    "Frames, or trades in them, that could not be read and were set aside.",
    ["exchange", "reason"],
    registry=FEEDS,
)
frames_control = Counter(
    "tickstream_feeds_frames_control",
    "Frames that carry no trades: acknowledgements, heartbeats, other channels.",
    ["exchange", "kind"],
    registry=FEEDS,
)
frames_dropped = Counter(
    "tickstream_feeds_frames_dropped", "Frames lost because they were not read in time.", ["exchange"], registry=FEEDS
)
reconnects = Counter("tickstream_feeds_reconnects", "Connections lost.", ["exchange", "reason"], registry=FEEDS)
connections_live = Gauge("tickstream_feeds_connections_live", "Connections subscribed.", ["exchange"], registry=FEEDS)
ticks_missing = Counter("tickstream_feeds_missing", "Trades missing by their ids.", ["exchange"], registry=FEEDS)
ticks_repeated = Counter("tickstream_feeds_repeated", "Trades received again.", ["exchange"], registry=FEEDS)
ticks_unseen = Gauge(
    "tickstream_feeds_unseen", "Trades the exchange has announced that have not come.", ["exchange"], registry=FEEDS
)
batches_published = Counter("tickstream_feeds_batches", "Record batches published.", ["exchange"], registry=FEEDS)
publish_seconds = Histogram(
    "tickstream_feeds_publish_seconds",
    "From a batch's first tick received to the batch published.",
    ["exchange"],
    buckets=SECONDS,
    registry=FEEDS,
)
receipt_lag_seconds = Histogram(
    "tickstream_feeds_receipt_lag_seconds",
    "From a trade at the exchange to its receipt; below zero where the clocks differ counts as zero.",
    ["exchange"],
    buckets=SECONDS,
    registry=FEEDS,
)
last_tick_timestamp = Gauge(
    "tickstream_feeds_last_tick_timestamp_seconds", "When the last trade was received.", ["exchange"], registry=FEEDS
)

# --- engine
engine_ticks = Counter(
    "tickstream_engine_ticks",
    "Ticks taken out of the log, by what became of them; `read` counts all, one tick may count as more than one thing.",
    ["reason"],
    registry=ENGINE,
)
flags = Counter("tickstream_engine_flags", "Ticks flagged.", ["detector"], registry=ENGINE)
anomalies = Counter(
    "tickstream_engine_anomalies",
    "Anomalies opened, risen to a new peak, closed.",
    ["detector", "state"],
    registry=ENGINE,
)
messages_rejected = Counter("tickstream_engine_rejected", "Messages that could not be read.", registry=ENGINE)
keys_live = Gauge("tickstream_engine_keys", "Keys remembered.", registry=ENGINE)
window_ticks = Gauge("tickstream_engine_window_ticks", "Ticks held for the longest window.", registry=ENGINE)
loop_turned = Gauge("tickstream_loop_turned_timestamp_seconds", "When the loop last turned.", registry=ENGINE)
loop_lag_seconds = Gauge("tickstream_loop_lag_seconds", "Now less the newest scored trade's time.", registry=ENGINE)
loop_backlog_seconds = Gauge(
    "tickstream_loop_backlog_seconds", "How long the oldest tick of the last batch lay in the log.", registry=ENGINE
)
source_up = Gauge("tickstream_source_up", "Whether the log answered the last time.", registry=ENGINE)
loop_stage_seconds = Histogram(
    "tickstream_loop_stage_seconds", "Time of the loop's stages.", ["stage"], buckets=SECONDS, registry=ENGINE
)
lag_messages = Gauge(
    "tickstream_engine_lag_messages", "Messages in the log not yet drained.", ["partition"], registry=ENGINE
)
sink_up = Gauge("tickstream_sink_up", "Whether the sink took the last write.", ["sink"], registry=ENGINE)
sink_rows = Counter("tickstream_sink_rows", "Rows of scores and anomalies written.", ["sink"], registry=ENGINE)
sink_retries = Counter("tickstream_sink_retries", "Writes tried again.", ["sink"], registry=ENGINE)
sink_seconds = Histogram(
    "tickstream_sink_write_seconds", "Time of a write, retries included.", ["sink"], buckets=SECONDS, registry=ENGINE
)
latency = Latencies(
    "tickstream_latency_seconds",
    "Time of a tick to each stage from the one before, and from its receipt to its score and to its last commit.",
    tuple(milliseconds / 1000 for milliseconds in LATENCY_MS),
    ("received", "appended", "drained", "scored", "committed", "received_to_scored", "received_to_committed"),
)
ENGINE.register(latency)
for _stage in ("drain", "step", "submit"):
    loop_stage_seconds.labels(_stage)
for _reason in ("read", "scored", "duplicate", "late", "ahead", "unreadable", "out_of_range", "imprecise"):
    engine_ticks.labels(_reason)
