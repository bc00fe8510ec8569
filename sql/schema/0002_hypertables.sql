-- Where TimescaleDB is there and may be used, results lie in chunks of time; elsewhere the same tables stay plain.

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
     AND current_setting('shared_preload_libraries') LIKE '%timescaledb%' THEN
    BEGIN
      CREATE EXTENSION IF NOT EXISTS timescaledb;
    EXCEPTION WHEN insufficient_privilege THEN
      RETURN;
    END;
  END IF;
  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
    -- A chunk should hold 3 to 10 million rows, and their number stay in the low hundreds.
    PERFORM create_hypertable('tickstream.scores', by_range('ts_event', INTERVAL '6 hours'),
                              create_default_indexes => false);
    PERFORM create_hypertable('tickstream.anomaly_states', by_range('ts_onset', INTERVAL '7 days'),
                              create_default_indexes => false);
  END IF;
END
$$;
