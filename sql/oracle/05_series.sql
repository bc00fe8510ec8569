-- What decision 4 measures, as whole units of each row; null where it is unknown. Only what is asked is computed.
CREATE VIEW series AS
WITH sized AS (
    SELECT
        ordering, key, life, seq, place, t, x AS price, unit AS price_unit, unit AS change_unit,
        ('1e' || coalesce(size_decimals_of[symbol], size_decimals))::DOUBLE AS size_unit,
        size_unit AS signed_unit,
        1e2::DOUBLE AS notional_unit,
        units(log.size * size_unit) AS size,
        units(log.price * log.size * notional_unit) AS notional,
        side,
        x - lag(x) OVER (PARTITION BY ordering, key, life ORDER BY place) AS step
    FROM accepted
    JOIN log USING (seq)
    JOIN orderings USING (ordering)
)
SELECT
    * EXCLUDE (side, step),
    CASE side WHEN 'buy' THEN size WHEN 'sell' THEN -size END AS signed,
    CASE WHEN abs(step) < pow(2, 50) THEN step END AS change
FROM sized;

-- The row's own values as an expression sees them, beside `price` and `size`, which are those of the tick.
CREATE VIEW own AS
SELECT
    ordering, seq,
    signed / signed_unit AS signed,
    notional / notional_unit AS notional,
    change / change_unit AS change
FROM series;
