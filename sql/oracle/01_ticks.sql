-- Ticks of files; a file that tells no places is a message of partition 0, numbered in the order given (DESIGN 10).
INSERT INTO ticks
SELECT
    coalesce("partition", 0), coalesce("offset", number), coalesce("row", file_row_number), exchange, symbol,
    coalesce(ts_event, make_timestamptz(ts)), ts_received, trade_id, price, size, side, missing
FROM (FROM blank UNION ALL BY NAME FROM rows)
JOIN files USING (filename);
