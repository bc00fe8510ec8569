-- Results, cursors and rules. Types are exactly those of engine/schema.py: COPY checks widths, not types.
-- No unique keys on results: exactly once comes from the cursor that moves in the same transaction (DESIGN 7).

CREATE TABLE tickstream.scores (
  "partition" int4        NOT NULL,
  "offset"    int8        NOT NULL,
  "row"       int4        NOT NULL,
  exchange    text        NOT NULL,
  symbol      text        NOT NULL,
  ts_event    timestamptz NOT NULL,
  trade_id    int8,
  price       float8      NOT NULL,
  size        float8,
  detector    text        NOT NULL,
  n           int8        NOT NULL,
  mean        float8,
  std         float8,
  z           float8,
  score       float8,
  flagged     bool        NOT NULL,
  coverage    float8,
  rules       text        NOT NULL,
  revision    int4        NOT NULL,
  ts_scored   timestamptz NOT NULL
);
CREATE INDEX scores_symbol_ts_event ON tickstream.scores (symbol, ts_event DESC);

COMMENT ON TABLE  tickstream.scores             IS 'One row for each scored tick and detector.';
COMMENT ON COLUMN tickstream.scores."partition" IS 'Partition of the log that the tick came from.';
COMMENT ON COLUMN tickstream.scores."offset"    IS 'Offset of its message in the partition.';
COMMENT ON COLUMN tickstream.scores."row"       IS 'Row of the message, from 0.';
COMMENT ON COLUMN tickstream.scores.exchange    IS 'Exchange the trade was made on.';
COMMENT ON COLUMN tickstream.scores.symbol      IS 'What was traded, BASE-QUOTE.';
COMMENT ON COLUMN tickstream.scores.ts_event    IS 'Time of the trade as the exchange gave it, to the microsecond.';
COMMENT ON COLUMN tickstream.scores.trade_id    IS 'The exchange''s own number of the trade.';
COMMENT ON COLUMN tickstream.scores.price       IS 'Price in quote units.';
COMMENT ON COLUMN tickstream.scores.size        IS 'Size in base units.';
COMMENT ON COLUMN tickstream.scores.detector    IS 'Name of the detector in the settings.';
COMMENT ON COLUMN tickstream.scores.n           IS 'Ticks in the baseline.';
COMMENT ON COLUMN tickstream.scores.mean        IS 'Mean price of the baseline in quote units.';
COMMENT ON COLUMN tickstream.scores.std         IS 'Standard deviation of the baseline''s prices in quote units.';
COMMENT ON COLUMN tickstream.scores.z           IS 'Distance from the mean in standard deviations.';
COMMENT ON COLUMN tickstream.scores.score       IS 'Size of z against the detector''s threshold: 1.0 is the edge.';
COMMENT ON COLUMN tickstream.scores.flagged     IS 'Whether the tick is beyond the edge.';
COMMENT ON COLUMN tickstream.scores.coverage    IS 'Part of the window''s trades that were seen, 0 to 1.';
COMMENT ON COLUMN tickstream.scores.rules       IS 'Digest of the rule that made this row: tickstream.rules.';
COMMENT ON COLUMN tickstream.scores.revision    IS '0 live, higher by a backfill.';
COMMENT ON COLUMN tickstream.scores.ts_scored   IS 'When the engine scored it.';

CREATE TABLE tickstream.anomaly_states (
  exchange      text        NOT NULL,
  symbol        text        NOT NULL,
  detector      text        NOT NULL,
  "partition"   int4        NOT NULL,
  "offset"      int8        NOT NULL,
  "row"         int4        NOT NULL,
  revision      int4        NOT NULL,
  state         text        NOT NULL,
  at_offset     int8        NOT NULL,
  at_row        int4        NOT NULL,
  ts_onset      timestamptz NOT NULL,
  ts_peak       timestamptz NOT NULL,
  ts_end        timestamptz NOT NULL,
  direction     text        NOT NULL,
  ticks_flagged int8        NOT NULL,
  z             float8,
  score         float8      NOT NULL,
  price         float8      NOT NULL,
  n             int8        NOT NULL,
  mean          float8,
  std           float8,
  s             text        NOT NULL,
  q             text        NOT NULL,
  first_offset  int8,
  first_row     int4,
  last_offset   int8,
  last_row      int4,
  move_bps      float8,
  scope         text        NOT NULL,
  severity      text        NOT NULL,
  rules         text        NOT NULL,
  ts_received   timestamptz,
  ts_appended   timestamptz,
  ts_drained    timestamptz,
  ts_scored     timestamptz NOT NULL
);
CREATE INDEX anomaly_states_ts_onset ON tickstream.anomaly_states (ts_onset DESC);

COMMENT ON TABLE  tickstream.anomaly_states               IS 'Every state of every anomaly, only ever added to: it opened, it reached a new peak, it closed.';
COMMENT ON COLUMN tickstream.anomaly_states.exchange      IS 'Exchange of the flagged ticks.';
COMMENT ON COLUMN tickstream.anomaly_states.symbol        IS 'What was traded, BASE-QUOTE.';
COMMENT ON COLUMN tickstream.anomaly_states.detector      IS 'Name of the detector in the settings.';
COMMENT ON COLUMN tickstream.anomaly_states."partition"   IS 'Partition of the log.';
COMMENT ON COLUMN tickstream.anomaly_states."offset"      IS 'Message of the first flagged tick.';
COMMENT ON COLUMN tickstream.anomaly_states."row"         IS 'Its row in the message, from 0.';
COMMENT ON COLUMN tickstream.anomaly_states.revision      IS 'Number of the state within its anomaly, from 0.';
COMMENT ON COLUMN tickstream.anomaly_states.state         IS 'open, peak or closed.';
COMMENT ON COLUMN tickstream.anomaly_states.at_offset     IS 'Message of the tick that brought this state about.';
COMMENT ON COLUMN tickstream.anomaly_states.at_row        IS 'Its row in the message, from 0.';
COMMENT ON COLUMN tickstream.anomaly_states.ts_onset      IS 'Event time of the first flagged tick.';
COMMENT ON COLUMN tickstream.anomaly_states.ts_peak       IS 'Event time of the peak.';
COMMENT ON COLUMN tickstream.anomaly_states.ts_end        IS 'Event time of the last flagged tick so far.';
COMMENT ON COLUMN tickstream.anomaly_states.direction     IS 'up or down, at the peak.';
COMMENT ON COLUMN tickstream.anomaly_states.ticks_flagged IS 'Flagged ticks so far.';
COMMENT ON COLUMN tickstream.anomaly_states.z             IS 'Distance of the peak from its mean in standard deviations.';
COMMENT ON COLUMN tickstream.anomaly_states.score         IS 'Score of the peak: 1.0 is the edge.';
COMMENT ON COLUMN tickstream.anomaly_states.price         IS 'Price of the peak in quote units.';
COMMENT ON COLUMN tickstream.anomaly_states.n             IS 'Ticks in the peak''s baseline.';
COMMENT ON COLUMN tickstream.anomaly_states.mean          IS 'Mean price of the peak''s baseline in quote units.';
COMMENT ON COLUMN tickstream.anomaly_states.std           IS 'Standard deviation of that baseline''s prices in quote units.';
COMMENT ON COLUMN tickstream.anomaly_states.s             IS 'Sum of (x - peak) over the baseline, a whole number of price units.';
COMMENT ON COLUMN tickstream.anomaly_states.q             IS 'Sum of (x - peak)^2 over the baseline, a whole number of squared price units.';
COMMENT ON COLUMN tickstream.anomaly_states.first_offset  IS 'Message of the baseline''s first tick.';
COMMENT ON COLUMN tickstream.anomaly_states.first_row     IS 'Its row in the message, from 0.';
COMMENT ON COLUMN tickstream.anomaly_states.last_offset   IS 'Message of the baseline''s last tick.';
COMMENT ON COLUMN tickstream.anomaly_states.last_row      IS 'Its row in the message, from 0.';
COMMENT ON COLUMN tickstream.anomaly_states.move_bps      IS 'Move of the peak against its mean in basis points.';
COMMENT ON COLUMN tickstream.anomaly_states.scope         IS 'venue, or market where another exchange moved the same way.';
COMMENT ON COLUMN tickstream.anomaly_states.severity      IS 'notice, warning or critical.';
COMMENT ON COLUMN tickstream.anomaly_states.rules         IS 'Digest of the rule that made this row: tickstream.rules.';
COMMENT ON COLUMN tickstream.anomaly_states.ts_received   IS 'When the feed received the tick that opened it.';
COMMENT ON COLUMN tickstream.anomaly_states.ts_appended   IS 'When that tick entered the log.';
COMMENT ON COLUMN tickstream.anomaly_states.ts_drained    IS 'When the engine took that tick out of the log.';
COMMENT ON COLUMN tickstream.anomaly_states.ts_scored     IS 'When the engine made this row.';

CREATE VIEW tickstream.anomalies AS
  SELECT DISTINCT ON ("partition", "offset", "row", exchange, symbol, detector) *
  FROM tickstream.anomaly_states
  ORDER BY "partition", "offset", "row", exchange, symbol, detector, revision DESC;

COMMENT ON VIEW tickstream.anomalies IS 'The newest state of each anomaly; columns as in tickstream.anomaly_states.';

CREATE TABLE tickstream.progress (
  "partition"  int4        PRIMARY KEY,
  next_offset  int8        NOT NULL,
  state        bytea       NOT NULL,
  committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

COMMENT ON TABLE  tickstream.progress              IS 'How far the results go in each partition of the log; moves in the transaction that adds the rows.';
COMMENT ON COLUMN tickstream.progress."partition"  IS 'Partition of the log.';
COMMENT ON COLUMN tickstream.progress.next_offset  IS 'First message whose results are not here yet.';
COMMENT ON COLUMN tickstream.progress.state        IS 'What the engine needs to go on from there.';
COMMENT ON COLUMN tickstream.progress.committed_at IS 'When the newest rows were committed.';

CREATE TABLE tickstream.rules (
  digest   text PRIMARY KEY,
  settings text NOT NULL
);

COMMENT ON TABLE  tickstream.rules          IS 'The rules that rows were made by, whole, so that a replay can follow them.';
COMMENT ON COLUMN tickstream.rules.digest   IS 'BLAKE2b digest of the settings, 8 bytes in hex.';
COMMENT ON COLUMN tickstream.rules.settings IS 'The settings as JSON, to the byte.';

CREATE TABLE tickstream.rejected (
  "partition" int4        NOT NULL,
  "offset"    int8        NOT NULL,
  reason      text        NOT NULL,
  payload     bytea       NOT NULL,
  rejected_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

COMMENT ON TABLE  tickstream.rejected             IS 'Messages that could not be read, and rows that PostgreSQL cannot hold.';
COMMENT ON COLUMN tickstream.rejected."partition" IS 'Partition of the log.';
COMMENT ON COLUMN tickstream.rejected."offset"    IS 'Offset of the message.';
COMMENT ON COLUMN tickstream.rejected.reason      IS 'Why it was set aside.';
COMMENT ON COLUMN tickstream.rejected.payload     IS 'Its bytes, or the rows as an Arrow IPC stream.';
COMMENT ON COLUMN tickstream.rejected.rejected_at IS 'When it was set aside.';
