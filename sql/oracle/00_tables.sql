-- What is handed in: ticks as they lie in their files, how far each partition is to be read, the rules.
SET TimeZone = 'UTC';

CREATE TABLE ticks (
    "partition" INTEGER, "offset" BIGINT, "row" BIGINT, exchange VARCHAR, symbol VARCHAR,
    ts_event TIMESTAMPTZ, ts_received TIMESTAMPTZ, trade_id BIGINT, price DOUBLE, size DOUBLE, side VARCHAR,
    missing BIGINT
);

-- The columns that a tick file may have; one that it lacks is null.
CREATE VIEW blank AS
SELECT *, NULL::BIGINT AS ts FROM ticks WHERE false;

CREATE TABLE cursors ("partition" INTEGER, next_offset BIGINT);

-- `known_as` is the digest by which rows name a document, `digest` the one that its text has.
CREATE TABLE rules (
    rule INTEGER, known_as VARCHAR, digest VARCHAR, ordering INTEGER, detector VARCHAR, window_us BIGINT,
    inclusive BOOLEAN, count_min BIGINT, move_bps_min DOUBLE, quiet_us BIGINT, longest_us BIGINT, cooldown_us BIGINT,
    warm_up_us BIGINT, flags_alone BOOLEAN
);

-- The rules of one run share these; where they were changed between runs, the log is judged once for each.
CREATE TABLE orderings (
    ordering INTEGER, horizon_us BIGINT, future_us BIGINT, late_us BIGINT,
    price_decimals INTEGER, price_decimals_of MAP(VARCHAR, INTEGER),
    size_decimals INTEGER, size_decimals_of MAP(VARCHAR, INTEGER)
);

-- For which messages of a partition a rule holds.
CREATE TABLE in_force (rule INTEGER, "partition" INTEGER, offset_from BIGINT, offset_until BIGINT);

-- `place` counts the accepted rows of a life of a key; the last three are kept of flagged rows.
CREATE TABLE scored (
    rule INTEGER, ordering INTEGER, key BIGINT, life BIGINT, place BIGINT, seq BIGINT, clock BIGINT, t BIGINT,
    n BIGINT, mean DOUBLE, std DOUBLE, z DOUBLE, score DOUBLE, flagged BOOLEAN, coverage DOUBLE,
    first_place BIGINT, s HUGEINT, q HUGEINT
);

-- What a comparison with stored rows finds; a value told is a column with what is stored and what should be.
CREATE TABLE differences (
    "table" VARCHAR, "partition" INTEGER, "offset" BIGINT, "row" INTEGER, exchange VARCHAR, symbol VARCHAR,
    detector VARCHAR, revision INTEGER, difference VARCHAR,
    integers STRUCT("column" VARCHAR, stored VARCHAR, wanted VARCHAR)[],
    floats STRUCT("column" VARCHAR, stored VARCHAR, wanted VARCHAR)[]
);
