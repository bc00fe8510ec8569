-- The newest state of an anomaly, and where in the log its peak lies: the newest opening or peak was brought about there.
SELECT anomalies.*, peak_offset, peak_row
FROM anomalies
JOIN (
    SELECT id, arg_max(at_offset, revision) AS peak_offset, arg_max(at_row, revision) AS peak_row
    FROM anomaly_states
    WHERE state <> 'closed'
    GROUP BY id
) USING (id)
WHERE id = $id
