-- Rows missing, rows too many, values that differ and are no floats, floats whose bits differ.
SELECT
    count(*) FILTER (difference = 'missing'),
    count(*) FILTER (difference = 'extra'),
    coalesce(sum(len(integers)), 0)::BIGINT,
    coalesce(sum(len(floats)), 0)::BIGINT
FROM differences;
