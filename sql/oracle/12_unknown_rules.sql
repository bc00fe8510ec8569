-- Detectors of stored rows of which no rules document is known, with the digests that their rows name.
SELECT detector, string_agg(DISTINCT rules, ', ' ORDER BY rules)
FROM stored_scores
WHERE detector NOT IN (SELECT detector FROM rules)
GROUP BY detector
ORDER BY detector;
