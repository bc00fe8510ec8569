-- The log with its rows numbered by their place; times in us. Where cursors are told, only what lies below them.
CREATE TABLE log AS
SELECT
    row_number() OVER places AS seq,
    * EXCLUDE (next_offset) REPLACE (epoch_us(ts_event) AS ts_event, epoch_us(ts_received) AS ts_received),
    coalesce(("partition", "offset", "row") = lag(("partition", "offset", "row")) OVER places, false) AS is_repeated
FROM ticks
LEFT JOIN cursors USING ("partition")
WHERE NOT $is_cut OR "offset" < next_offset
WINDOW places AS (ORDER BY "partition", "offset", "row");

