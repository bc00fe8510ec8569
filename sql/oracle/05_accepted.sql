-- Accepted rows with the running sums of their key: a window is the difference of two of them.
CREATE TABLE accepted AS
SELECT
    ordering, "partition", key, life, seq, x, unit, clock, latest AS t,
    "offset", price, size, greatest(missing, 0)::BIGINT AS missing,
    row_number() OVER running AS place,
    sum(x) OVER running AS sum_x,
    sum(x::HUGEINT * x) OVER running AS sum_xx,
    sum(greatest(missing, 0)) OVER running AS sum_missing,
    lead(latest) OVER (PARTITION BY ordering, key, life ORDER BY seq) IS DISTINCT FROM latest AS last_at_t,
FROM judged
JOIN (SELECT seq, "offset", price, size, missing FROM log) USING (seq)
WHERE is_accepted
WINDOW running AS (PARTITION BY ordering, key, life ORDER BY seq ROWS UNBOUNDED PRECEDING);
