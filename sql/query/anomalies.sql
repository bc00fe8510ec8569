-- The newest state of each anomaly.
CREATE VIEW anomalies AS
SELECT * EXCLUDE (newest)
FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY "partition", "offset", "row", exchange, symbol, detector ORDER BY revision DESC
        ) = 1 AS newest
    FROM anomaly_states
)
WHERE newest;
