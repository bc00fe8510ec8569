-- What each rule finds at the last tick.
SELECT known_as, n, s::VARCHAR AS s, q::VARCHAR AS q, mean, std, z, score
FROM scored
JOIN rules USING (rule)
QUALIFY seq = max(seq) OVER ()
