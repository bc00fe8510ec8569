-- Every state of each anomaly, under an ID in one word that a person can copy: partition:offset:row:exchange:symbol:detector.
-- Names are percent-encoded, so that a colon separates and nothing else.
CREATE VIEW anomaly_states AS
SELECT
    concat_ws(
        ':', "partition", "offset", "row", url_encode(exchange), url_encode(symbol), url_encode(detector)
    ) AS id,
    *
FROM states_without_id;

-- The newest state of each anomaly.
CREATE VIEW anomalies AS
SELECT * EXCLUDE (newest)
FROM (
    SELECT *, row_number() OVER (PARTITION BY id ORDER BY revision DESC) = 1 AS newest FROM anomaly_states
)
WHERE newest;
