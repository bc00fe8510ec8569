-- Flagged rows, numbered along their chain: those of a key and detector. Few, beside the log.
-- `market_seq` is the row by which another exchange had moved the same way within the window: the nearest flag of
-- another exchange on either side decides, and it stands at the edge of the run of flags of one exchange.
CREATE TABLE flags AS
WITH chained AS (
    SELECT
        scored.*, rules.* EXCLUDE (rule, ordering),
        "partition", exchange, symbol, price,
        coalesce(price > mean, false) AS up,
        row_number() OVER (PARTITION BY detector, "partition", exchange, symbol ORDER BY seq) AS flag,
        exchange IS DISTINCT FROM lag(exchange) OVER side AS turns
    FROM scored
    JOIN rules USING (rule)
    JOIN log USING (seq)
    WHERE flagged AND mean IS NOT NULL -- Without a mean there is no move and no direction.
    WINDOW side AS (PARTITION BY detector, "partition", symbol, up ORDER BY seq)
),
runs AS (
    SELECT *, count_if(turns) OVER (PARTITION BY detector, "partition", symbol, up ORDER BY seq) AS run
    FROM chained
),
edges AS (
    SELECT
        detector, "partition", symbol, up, run,
        lag(max(clock)) OVER side AS clock_before,
        lead(min(clock)) OVER side AS clock_after,
        lead(min(seq)) OVER side AS seq_after
    FROM runs
    GROUP BY detector, "partition", symbol, up, run
    WINDOW side AS (PARTITION BY detector, "partition", symbol, up ORDER BY run)
)
SELECT
    * EXCLUDE (turns, run, clock_before, clock_after, seq_after),
    dense_rank() OVER (ORDER BY detector, "partition", exchange, symbol) AS chain,
    CASE
        WHEN clock - clock_before <= window_us THEN seq
        WHEN clock_after - clock <= window_us THEN seq_after
    END AS market_seq
FROM runs
JOIN edges USING (detector, "partition", symbol, up, run);
