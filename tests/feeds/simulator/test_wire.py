import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.simulator import wire


@pytest.mark.parametrize(
    ("value", "text", "padded"),
    [
        (89690.38, "89690.38", "89690.38000000"),
        (0.00006, "0.00006", "0.00006000"),
        (1e-8, "0.00000001", "0.00000001"),
        (5.0, "5", "5.00000000"),
        (740.0, "740", "740.00000000"),
        (1e16, "10000000000000000", "10000000000000000.00000000"),
        (1.23e-10, "0.000000000123", "0.000000000123"),
        (0.0, "0", "0.00000000"),
    ],
)
def test_numbers_have_no_exponent_and_padding_only_where_asked_for(value: float, text: str, padded: str) -> None:
    assert wire.decimal(value) == text
    assert wire.decimal(value, 8) == padded
    assert bytes(wire.number(value)) == text.encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_reads_back_unchanged(value: float) -> None:
    for text in (wire.decimal(value), wire.decimal(value, 8)):
        assert math.copysign(float(text), value) == value
        assert "e" not in text
        assert text.count(".") <= 1


def test_times_have_six_digits_and_a_zone() -> None:
    assert wire.iso(1_787_628_957_198_335) == "2026-08-25T03:35:57.198335Z"
    assert wire.iso(1_700_000_000_000_000) == "2023-11-14T22:13:20.000000Z"


@pytest.mark.parametrize("frame", ["", "{", "[]", "1", '"text"', b"\xff\xfe", "[" * 100_000, '{"a":"\\ud800"}x'])
def test_what_is_no_object_is_no_request(frame: str | bytes) -> None:
    assert wire.request(frame) is None


def test_booleans_and_long_numbers_are_no_ids() -> None:
    assert [wire.is_int64(value) for value in (1, -(2**63), 2**63 - 1)] == [True, True, True]
    assert [wire.is_int64(value) for value in (2**63, True, "1", 1.0, None)] == [False] * 5
