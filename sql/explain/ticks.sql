-- The ticks of the peak's key up to the peak, as far back as any window of the rule, and one more for the first change.
-- They stand at the times they were scored at and without ids: judged again they are what they were.
WITH peak AS (
    SELECT key, life, place, t
    FROM accepted
    JOIN log USING (seq)
    WHERE log."offset" = $offset AND log."row" = $row
)
SELECT
    log."partition", log."offset", log."row", exchange, symbol, make_timestamptz(accepted.t) AS ts_event,
    log.price, log.size, side, log.missing
FROM accepted
JOIN peak ON accepted.key = peak.key AND accepted.life = peak.life AND accepted.place <= peak.place
JOIN log USING (seq)
QUALIFY accepted.place >= max(accepted.place) FILTER (accepted.t <= peak.t - $span_us) OVER () IS NOT FALSE
ORDER BY accepted.place
