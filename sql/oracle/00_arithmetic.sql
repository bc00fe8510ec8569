-- From whole numbers to float64, in the order of operations of the design.

-- A float64 product half away from zero; null where that is no number below 2^50 in magnitude. NaN is above every number.
CREATE MACRO units(product) AS CASE WHEN abs(round(product)) < pow(2, 50) THEN round(product)::BIGINT END;

-- The cast takes a magnitude as high word x 2^64 + low word; of a negative number it does not.
CREATE MACRO two_words(whole) AS sign(whole) * abs(whole)::DOUBLE;

-- The root of the variance of n values that lie around their mean by `around` = q - s m; 0 where rounding leaves that much.
CREATE MACRO root_of_variance(n, q, around) AS CASE
    WHEN n < 2 THEN NULL
    WHEN around <= q * pow(2.0, -48) THEN 0.0::DOUBLE
    ELSE sqrt(around / (n - 1))
END;

CREATE MACRO number_or_null(value) AS CASE WHEN NOT isnan(value) THEN value END;
