-- Scores of one rule. Integers until `s` and `q`; from there in float64, in the order of operations of the design.
INSERT INTO scored
WITH asked AS (
    SELECT accepted.*, rules.* EXCLUDE (ordering, detector, known_as, digest), t - window_us AS since, born
    FROM accepted
    JOIN (SELECT ordering, key, life, t AS born FROM accepted WHERE place = 1) USING (ordering, key, life)
    JOIN rules USING (ordering)
    JOIN in_force USING (rule, "partition")
    WHERE rule = $rule AND "offset" >= offset_from AND "offset" < offset_until
),
gone AS (
    SELECT key, life, t AS until, place, sum_x, sum_xx, sum_missing
    FROM accepted
    JOIN rules USING (ordering)
    WHERE last_at_t AND rule = $rule
),
baselines AS (
    SELECT
        asked.* EXCLUDE (sum_x, sum_xx, sum_missing),
        coalesce(gone.place, 0) + 1 AS first_place,
        asked.place - first_place AS prior,
        asked.sum_x - x - coalesce(gone.sum_x, 0) AS sum_x,
        asked.sum_xx - x::HUGEINT * x - coalesce(gone.sum_xx, 0) AS sum_xx,
        asked.sum_missing - coalesce(gone.sum_missing, 0) AS holes
    FROM asked
    ASOF LEFT JOIN gone
        ON asked.key = gone.key AND asked.life = gone.life AND asked.since >= gone.until
),
shifted AS (
    SELECT
        *,
        prior + inclusive::BIGINT AS n,
        sum_x - prior * x::HUGEINT AS s,
        sum_xx - 2 * x * sum_x + prior * x::HUGEINT * x AS q,
        two_words(s) AS s_float,
        two_words(q) AS q_float
    FROM baselines
),
spread AS (
    SELECT *, s_float / nullif(n, 0) AS m, root_of_variance(n, q_float, q_float - s_float * m) AS root FROM shifted
),
measured AS (
    SELECT
        * EXCLUDE (unit, m, root),
        (x + m) / unit AS mean,
        root / unit AS std,
        CASE WHEN n >= count_min THEN number_or_null(-m / root) END AS z
    FROM spread
),
named AS (
    SELECT measured.*{columns} FROM measured {joins}
),
ruled AS (
    SELECT *, ({expression})::DOUBLE AS raw FROM named
),
flags AS (
    SELECT
        *,
        CASE WHEN n >= count_min AND t - born >= warm_up_us THEN number_or_null(raw) END AS score,
        abs(price - mean) / abs(mean) * 10000.0 AS moved_bps,
        coalesce(
            score >= 1 AND (move_bps_min <= 0 OR (moved_bps >= move_bps_min AND NOT isnan(moved_bps))), false
        ) AS flagged
    FROM ruled
)
SELECT
    rule, ordering, key, life, place, seq, clock, t, n, mean, std, z, score, flagged,
    n / nullif(n + holes, 0) AS coverage,
    CASE WHEN flagged THEN first_place END AS first_place,
    CASE WHEN flagged THEN s END AS s,
    CASE WHEN flagged THEN q END AS q
FROM flags;
