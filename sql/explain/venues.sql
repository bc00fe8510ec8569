-- What the other exchanges had last paid for the symbol, before the peak in the log.
WITH peak AS (
    SELECT seq, exchange, symbol, t, log.price
    FROM accepted
    JOIN log USING (seq)
    WHERE log."offset" = $offset AND log."row" = $row
)
SELECT
    log.exchange,
    arg_max(log.price, seq) AS price,
    (any_value(peak.t) - arg_max(accepted.t, seq)) / 1e6 AS age_s,
    (arg_max(log.price, seq) - any_value(peak.price)) / nullif(any_value(peak.price), 0) * 1e4 AS difference_bps
FROM accepted
JOIN log USING (seq)
JOIN peak ON log.symbol = peak.symbol AND log.exchange <> peak.exchange AND seq < peak.seq
GROUP BY log.exchange
ORDER BY log.exchange
