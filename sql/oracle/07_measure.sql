-- The statistics of one series over one span for one rule, in the order of operations of decision 4. Integers until
-- they are made float64. Only those that are asked are computed; one table at a time takes the memory of one.
CREATE OR REPLACE TEMP TABLE "measured_{number}" AS
WITH bounded AS (
    SELECT
        *,
        "{series}" AS v,
        coalesce(v, 0) AS x,
        "{series}_unit" AS unit,
        inclusive::BIGINT AS own,
        count(*) OVER (
            PARTITION BY key, life ORDER BY t RANGE BETWEEN UNBOUNDED PRECEDING AND {span_ms} * 1000::BIGINT PRECEDING
        ) AS gone
    FROM series
    JOIN rules USING (ordering)
    WHERE rule = {rule}
),
summed AS (
    SELECT
        seq, t, x, v, unit, size_unit, count_min,
        count(*) OVER baseline AS ticks,
        count(v) OVER baseline AS n,
        coalesce(sum(v) OVER baseline, 0) AS total,
        coalesce(sum(v::HUGEINT * v) OVER baseline, 0) AS squares,
        min(v) OVER baseline AS lowest,
        max(v) OVER baseline AS highest,
        first_value(v) OVER baseline AS oldest,
        last_value(v) OVER baseline AS newest,
        first_value(t) OVER baseline AS oldest_t,
        sum(size) OVER baseline AS total_size,
        sum(notional) OVER baseline AS total_notional
    FROM bounded
    -- By their places, for of rows of one time only the earlier ones count.
    WINDOW baseline AS (
        PARTITION BY key, life ORDER BY place ROWS BETWEEN place - 1 - gone PRECEDING AND 1 - own PRECEDING
    )
),
shifted AS (
    SELECT
        *,
        two_words(total - n * x::HUGEINT) AS s,
        two_words(squares - 2 * x * total + n * x::HUGEINT * x) AS q
    FROM summed
),
spread AS (
    SELECT *, s / nullif(n, 0) AS m, root_of_variance(n, q, q - s * m) AS root FROM shifted
),
statistics AS (
    SELECT
        seq, n,
        (x + m) / unit AS mean,
        root / unit AS std,
        CASE WHEN v IS NOT NULL AND n >= count_min THEN number_or_null(-m / root) END AS z,
        two_words(total) / unit AS sum,
        lowest / unit AS min,
        highest / unit AS max,
        (highest - lowest) / unit AS range,
        oldest / unit AS first,
        newest / unit AS last,
        (two_words(total_notional) / 1e2) / (two_words(nullif(total_size, 0)) / size_unit) AS vwap,
        ticks / ({span_ms} / 1e3) AS rate,
        (t - oldest_t) / 1e6 AS age
    FROM spread
)
SELECT seq, {statistics} FROM statistics;
