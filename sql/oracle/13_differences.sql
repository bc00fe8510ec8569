-- Where the stored rows of a table and those that should be there differ; each value as it is stored and as it should be.
INSERT INTO differences
WITH compared AS (
    SELECT
        {identity},
        CASE WHEN stored.here IS NULL THEN 'missing' WHEN wanted.here IS NULL THEN 'extra' ELSE 'differs' END AS kind,
        list_filter([{integers}], lambda told: told IS NOT NULL AND kind = 'differs') AS integers,
        list_filter([{floats}], lambda told: told IS NOT NULL AND kind = 'differs') AS floats
    FROM (SELECT true AS here, * FROM {table}) AS wanted
    FULL JOIN (SELECT true AS here, * FROM stored_{table}) AS stored USING ({identity})
    WHERE wanted.here IS NULL OR stored.here IS NULL OR {differs}
),
repeated AS (
    SELECT {identity}, unnest(range(count(*) - 1)) FROM stored_{table} GROUP BY {identity} HAVING count(*) > 1
)
SELECT '{table}', {place}, kind, integers, floats FROM compared
UNION ALL
SELECT '{table}', {place}, 'extra', [], [] FROM repeated;
