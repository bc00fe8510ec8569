-- Every rule holds for the whole log.
INSERT INTO in_force
SELECT rule, "partition", 0, 9223372036854775807
FROM rules
CROSS JOIN (SELECT DISTINCT "partition" FROM log);
