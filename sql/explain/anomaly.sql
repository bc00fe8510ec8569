-- The newest state of an anomaly, and where in the log its peak lies: the newest opening or peak was brought about there.
-- The rule is that of the peak; by the time the anomaly closed it may have been changed.
SELECT anomalies.* REPLACE (peak_rules AS rules), peak_offset, peak_row
FROM anomalies
JOIN (
    SELECT
        id,
        arg_max(at_offset, revision) AS peak_offset,
        arg_max(at_row, revision) AS peak_row,
        arg_max(rules, revision) AS peak_rules
    FROM anomaly_states
    WHERE state <> 'closed'
    GROUP BY id
) USING (id)
WHERE id = $id
