-- One round of judging: under the boundaries found so far, where are the boundaries, and what becomes of each row?
-- Everything a row is judged by lies before it in the log, so each round settles at least one row more, and what a
-- round does not move is what the rules say, taken row by row.
CREATE OR REPLACE TABLE judged AS
WITH stretches AS (
    SELECT
        ordering, "partition", key, seq, trade_id, x, unit, capped, anew, epoch,
        count_if(anew) OVER of_key AS life,
        count_if(anew OR epoch) OVER of_key AS stretch
    FROM judged
    WINDOW of_key AS (PARTITION BY ordering, key ORDER BY seq ROWS UNBOUNDED PRECEDING)
),
ids AS (
    -- A duplicate is never above the latest id, so the latest id is the largest of the stretch.
    SELECT *, max(trade_id) OVER (PARTITION BY ordering, key, stretch ORDER BY seq ROWS UNBOUNDED PRECEDING) AS id
    FROM stretches
),
repeats AS (
    SELECT
        *,
        id_before - trade_id > 1000000 AS ids_fell,
        NOT anew AND coalesce(id_before - trade_id BETWEEN 0 AND 1000000, false) AS is_duplicate
    FROM (SELECT *, lag(id::HUGEINT) OVER (PARTITION BY ordering, key ORDER BY seq) AS id_before FROM ids)
),
clocks AS (
    -- A late row is never above the latest time, so the latest time is the largest of the life.
    SELECT
        *,
        max(capped) FILTER (NOT is_duplicate) OVER (
            PARTITION BY ordering, "partition" ORDER BY seq ROWS UNBOUNDED PRECEDING
        ) AS clock,
        max(capped) FILTER (NOT is_duplicate) OVER (
            PARTITION BY ordering, key, life ORDER BY seq ROWS UNBOUNDED PRECEDING
        ) AS latest
    FROM repeats
),
before AS (
    SELECT
        *,
        lag(clock) OVER (PARTITION BY ordering, "partition" ORDER BY seq) AS clock_before,
        lag(latest) OVER (PARTITION BY ordering, key ORDER BY seq) AS latest_before
    FROM clocks
),
verdicts AS (
    SELECT
        *,
        NOT is_duplicate AND (anew OR coalesce(capped >= latest_before - late_us, true)) AS is_accepted
    FROM before
    JOIN orderings USING (ordering)
),
later AS (
    -- The log clock never goes back: at the last accepted row it stood highest.
    SELECT
        *,
        coalesce(clock_before - max(clock) FILTER (is_accepted) OVER (
            PARTITION BY ordering, key ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) > horizon_us, false) AS anew_now
    FROM verdicts
),
found AS (
    SELECT *, NOT anew_now AND coalesce(ids_fell, false) AS epoch_now FROM later
)
SELECT
    ordering, "partition", key, life, seq, trade_id, x, unit, capped, is_accepted, clock, latest,
    anew_now AS anew,
    epoch_now AS epoch,
    found.anew <> anew_now OR found.epoch <> epoch_now AS moved
FROM found;
