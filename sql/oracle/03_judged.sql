-- Rows that are not set aside, for each set of order settings, before any boundary is known.
-- A row of a key is a boundary where the key starts anew (`anew`) or its ids enter a new epoch (`epoch`).
CREATE TABLE judged AS
WITH keys AS (
    SELECT *, row_number() OVER () AS key
    FROM (SELECT DISTINCT "partition", exchange, symbol FROM log)
    WHERE strlen(exchange) BETWEEN 1 AND 64 AND NOT regexp_matches(exchange, '[\x00-\x20\x7F]') -- In bytes.
        AND strlen(symbol) BETWEEN 1 AND 64 AND NOT regexp_matches(symbol, '[\x00-\x20\x7F]')
)
SELECT
    ordering, "partition", key, seq, trade_id,
    round(price * unit)::BIGINT AS x,
    unit,
    least(ts_event, ts_received + future_us) AS capped, -- Of a null and a time, least() is the time.
    false AS anew,
    false AS epoch
FROM log
JOIN keys USING ("partition", exchange, symbol)
CROSS JOIN orderings
CROSS JOIN LATERAL (SELECT ('1e' || coalesce(price_decimals_of[symbol], price_decimals))::DOUBLE AS unit)
WHERE ts_event BETWEEN 0 AND 9007199254740991 AND coalesce(ts_received, 0) BETWEEN 0 AND 9007199254740991 -- Below 2^53.
    AND abs(round(price * unit)) < pow(2, 50); -- NaN is above every number.
