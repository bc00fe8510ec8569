-- From the whole numbers that an anomaly carries to its z, step by step, in the order of operations of the design.
WITH whole AS (
    SELECT
        ('1e' || coalesce(price_decimals_of[$symbol], price_decimals))::DOUBLE AS unit,
        round($price * unit)::BIGINT AS x,
        $n::BIGINT AS n,
        two_words($s::HUGEINT) AS s_float,
        two_words($q::HUGEINT) AS q_float,
        count_min
    FROM rules
    JOIN orderings USING (ordering)
),
spread AS (
    SELECT
        *,
        s_float / nullif(n, 0) AS m,
        q_float - s_float * m AS around,
        root_of_variance(n, q_float, around) AS root
    FROM whole
)
SELECT
    x, unit, n, $s AS s, $q AS q, m,
    CASE WHEN root = 0 THEN 0 WHEN n >= 2 THEN around / (n - 1) END AS var,
    (x + m) / unit AS mean,
    root / unit AS std,
    CASE WHEN n >= count_min THEN number_or_null(-m / root) END AS z
FROM spread
