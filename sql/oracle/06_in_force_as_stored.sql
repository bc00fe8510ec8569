-- Rules change between messages. Stored rows tell where: from the first message at which a detector names another rule
-- than before, or is there for the first time. In between, what one message names holds for all, so that a row that is
-- missing there is found. A detector without any row in a partition is expected in all of it.
INSERT INTO in_force
WITH named AS (
    SELECT "partition", stored_scores.detector, "offset", rule, count(*) AS rows_named
    FROM stored_scores
    JOIN rules ON rules.known_as = stored_scores.rules AND rules.detector = stored_scores.detector
    GROUP BY ALL
),
messages AS (
    SELECT "partition", detector, "offset", arg_max(rule, rows_named) AS rule, sum(rows_named) AS rows_named
    FROM named
    GROUP BY ALL
),
turns AS (
    SELECT DISTINCT "partition", "offset"
    FROM (SELECT *, lag(rule) OVER (PARTITION BY "partition", detector ORDER BY "offset") AS rule_before FROM messages)
    WHERE rule IS DISTINCT FROM rule_before
),
stretches AS (
    SELECT
        "partition",
        CASE WHEN lag("offset") OVER along IS NULL THEN 0 ELSE "offset" END AS offset_from,
        lead("offset", 1, 9223372036854775807) OVER along AS offset_until
    FROM turns
    WINDOW along AS (PARTITION BY "partition" ORDER BY "offset")
),
usual AS (
    SELECT detector, arg_max(rule, (coalesce(rows_named, 0), rule)) AS rule
    FROM rules
    LEFT JOIN (SELECT rule, sum(rows_named) AS rows_named FROM messages GROUP BY rule) USING (rule)
    GROUP BY detector
)
SELECT DISTINCT rule, "partition", offset_from, offset_until
FROM messages
JOIN stretches USING ("partition")
WHERE "offset" >= offset_from AND "offset" < offset_until
UNION ALL
SELECT rule, "partition", 0, 9223372036854775807
FROM usual
CROSS JOIN (SELECT DISTINCT "partition" FROM log)
ANTI JOIN messages USING (detector, "partition");
