-- What the engine should have stored, in the columns of SCORE and ANOMALY that a run can repeat.
CREATE VIEW scores AS
SELECT
    "partition", "offset", "row", exchange, symbol, make_timestamptz(ts_event) AS ts_event, trade_id, price, size,
    detector, n, mean, std, z, score, flagged, coverage, digest AS rules, 0 AS revision
FROM scored
JOIN log USING (seq)
JOIN rules USING (rule)
WHERE flagged OR NOT flags_alone;

CREATE VIEW anomalies AS
WITH places AS (
    SELECT ordering, key, life, place, "offset", "row" FROM accepted JOIN (SELECT seq, "row" FROM log) USING (seq)
)
SELECT
    peak.exchange, peak.symbol, peak.detector,
    peak."partition", first_row."offset", first_row."row",
    row_number() OVER (PARTITION BY states.chain, first_flag ORDER BY at_seq) - 1 AS revision,
    state, at_row."offset" AS at_offset, at_row."row" AS at_row,
    make_timestamptz(first.t) AS ts_onset, make_timestamptz(peak.t) AS ts_peak, make_timestamptz(last.t) AS ts_end,
    CASE WHEN peak.up THEN 'up' ELSE 'down' END AS direction,
    end_flag - first_flag + 1 AS ticks_flagged,
    peak.z, peak.score, peak.price, peak.n, peak.mean, peak.std, peak.s::VARCHAR AS s, peak.q::VARCHAR AS q,
    oldest."offset" AS first_offset, oldest."row" AS first_row,
    newest."offset" AS last_offset, newest."row" AS last_row,
    number_or_null((peak.price - peak.mean) / peak.mean * 10000.0) AS move_bps,
    CASE WHEN is_market THEN 'market' ELSE 'venue' END AS scope,
    CASE WHEN peak.score < 2 THEN 'notice' WHEN peak.score < 4 THEN 'warning' ELSE 'critical' END AS severity,
    rules.digest AS rules
FROM states
JOIN flags AS first ON first.chain = states.chain AND first.flag = first_flag
JOIN flags AS peak ON peak.chain = states.chain AND peak.flag = peak_flag
JOIN flags AS last ON last.chain = states.chain AND last.flag = end_flag
JOIN log AS first_row ON first_row.seq = first.seq
JOIN log AS at_row ON at_row.seq = at_seq
JOIN rules ON rules.rule = states.rule
LEFT JOIN places AS oldest
    ON (oldest.ordering, oldest.key, oldest.life, oldest.place)
    = (peak.ordering, peak.key, peak.life, peak.first_place)
    AND peak.first_place < peak.place + peak.inclusive::BIGINT
LEFT JOIN places AS newest
    ON (newest.ordering, newest.key, newest.life, newest.place)
    = (peak.ordering, peak.key, peak.life, peak.place - 1 + peak.inclusive::BIGINT)
    AND peak.first_place < peak.place + peak.inclusive::BIGINT;
