-- Episodes of each chain: the number of the first flag and of the last.
-- Flags are grouped by what each would do if it opened an episode; then the openings are walked, one a round and chain.
CREATE TABLE episodes AS
WITH RECURSIVE quiets AS (
    SELECT *, count_if(is_quiet) OVER (PARTITION BY chain ORDER BY flag ROWS UNBOUNDED PRECEDING) AS burst
    FROM (
        SELECT *, coalesce(clock - lag(clock) OVER (PARTITION BY chain ORDER BY flag) > quiet_us, false) AS is_quiet
        FROM flags
    )
),
reaches AS (
    SELECT
        chain, flag,
        max(flag) OVER (
            PARTITION BY chain, burst ORDER BY clock RANGE BETWEEN CURRENT ROW AND longest_us FOLLOWING
        ) AS last_flag,
        min(flag) OVER (
            PARTITION BY chain ORDER BY clock RANGE BETWEEN cooldown_us FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS cool_flag
    FROM quiets
),
links AS (
    SELECT
        first.chain, first.flag AS first_flag, first.last_flag,
        CASE WHEN last.cool_flag IS NOT NULL THEN greatest(last.cool_flag, last.flag + 1) END AS next_flag
    FROM reaches AS first
    JOIN reaches AS last ON first.chain = last.chain AND first.last_flag = last.flag
),
walk AS (
    SELECT * FROM links WHERE first_flag = 1
    UNION ALL
    SELECT links.* FROM walk JOIN links ON walk.chain = links.chain AND walk.next_flag = links.first_flag
)
SELECT chain, first_flag, last_flag FROM walk;
