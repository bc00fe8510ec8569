-- The first differences in the order of the log.
SELECT * EXCLUDE (integers, floats), integers || floats
FROM differences
ORDER BY "partition", "offset", "row", "table" DESC, exchange, symbol, detector, revision
LIMIT $rows_max;
