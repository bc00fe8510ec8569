-- The rows that each episode writes: its opening, its peaks, its end. `peak_flag` and `end_flag` are the peak and the
-- last flag at that time, `at_seq` the row of the log that brought the state about, `rule` the one that held there.
CREATE TABLE states AS
WITH members AS (
    SELECT chain, first_flag, last_flag, flag, rule, seq, score, market_seq
    FROM flags
    JOIN episodes USING (chain)
    WHERE flag BETWEEN first_flag AND last_flag
),
risen AS (
    SELECT
        *,
        min(market_seq) OVER (PARTITION BY chain, first_flag ORDER BY flag ROWS UNBOUNDED PRECEDING) <= seq AS is_market,
        score > max(score) OVER (
            PARTITION BY chain, first_flag ORDER BY flag ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS is_peak
    FROM members
),
highest AS (
    SELECT chain, first_flag, max(flag) FILTER (flag = first_flag OR is_peak) AS peak_flag, min(market_seq) AS market_seq
    FROM risen
    GROUP BY chain, first_flag
),
limits AS (
    SELECT
        last.ordering, last."partition", last.detector, highest.*, last.flag AS end_flag,
        least(last.clock + last.quiet_us, first.clock + first.longest_us) AS clock_limit
    FROM episodes
    JOIN highest USING (chain, first_flag)
    JOIN flags AS first ON first.chain = episodes.chain AND first.flag = first_flag
    JOIN flags AS last ON last.chain = episodes.chain AND last.flag = last_flag
),
moments AS (
    -- Only accepted rows move the log clock.
    SELECT ordering, "partition", clock, min(seq) AS seq, arg_min("offset", seq) AS "offset" FROM accepted GROUP BY ALL
),
closings AS (
    SELECT limits.*, moments.seq, moments."offset"
    FROM limits
    ASOF JOIN moments
        ON limits.ordering = moments.ordering
        AND limits."partition" = moments."partition"
        AND limits.clock_limit < moments.clock
)
SELECT
    rule, chain, first_flag, flag AS peak_flag, flag AS end_flag, seq AS at_seq,
    CASE WHEN flag = first_flag THEN 'open' ELSE 'peak' END AS state,
    coalesce(is_market, false) AS is_market
FROM risen
WHERE flag = first_flag OR is_peak
UNION ALL
SELECT
    rule, chain, first_flag, peak_flag, end_flag, seq AS at_seq,
    'closed' AS state,
    coalesce(market_seq < seq, false) AS is_market
FROM closings
JOIN rules USING (detector)
JOIN in_force USING (rule, "partition")
WHERE "offset" >= offset_from AND "offset" < offset_until;
