"""A law fails if too few of its examples reach what it asserts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.laws import reached, reaches

digits = st.integers(0, 9)


def law(asserts: Callable[[int], None], **least: int) -> Callable[..., None]:
    @reaches(**least)
    @settings(max_examples=100, database=None, derandomize=True)
    @given(digits)
    def every_digit(digit: int) -> None:
        asserts(digit)

    return every_digit


def even(digit: int) -> None:
    if digit % 2 == 0:
        reached("even")


def test_a_law_that_its_examples_reach_often_enough_holds() -> None:
    law(even, even=20)()


def test_a_law_that_no_example_reaches_fails_whatever_its_share() -> None:
    with pytest.raises(AssertionError, match="too few examples reach"):
        law(lambda _: None, above_nine=0)()


def test_a_law_that_too_few_examples_reach_fails_and_states_the_share() -> None:
    with pytest.raises(AssertionError, match=r"\['even'\].* of \d+"):
        law(even, even=90)()


def test_an_example_that_reaches_a_case_twice_counts_once() -> None:
    def twice(digit: int) -> None:
        even(digit)
        even(digit)

    with pytest.raises(AssertionError, match="too few"):
        law(twice, even=90)()


def test_an_example_that_the_law_gives_up_counts_in_neither() -> None:
    def only_even(digit: int) -> None:
        even(digit)
        assume(digit % 2 == 0)

    law(only_even, even=100)()


def test_a_case_whose_share_is_not_stated_is_an_error() -> None:
    with pytest.raises(AssertionError, match="no share"):
        law(lambda _: reached("even"))()
    with pytest.raises(AssertionError, match="outside a law"):
        reached("even")


def test_a_law_that_is_broken_fails_for_that_and_starts_anew_each_time() -> None:
    def below_nine(digit: int) -> None:
        even(digit)
        assert digit < 9, "nine"

    broken = law(below_nine, even=1)
    for _ in range(2):
        with pytest.raises(AssertionError, match="nine"):
            broken()
