from __future__ import annotations

import pytest

from qcode.local.offers import Offer, choose, offers, parts, quantised, without_part

TWO = ("q/m-Q4_K_M-00001-of-00002.gguf", "q/m-Q4_K_M-00002-of-00002.gguf")


def test_parts_are_one_model_with_the_size_of_all() -> None:
    listing = {TWO[1]: 5, "m-Q8_0.gguf": 20, TWO[0]: 10, "unknown.gguf": None}

    assert offers(listing) == (
        Offer(("m-Q8_0.gguf",), 20),
        Offer(("unknown.gguf",), None),
        Offer(TWO, 15),
    )


def test_what_lacks_a_part_is_not_there() -> None:
    assert offers({TWO[0]: 10}) == offers({TWO[1]: 10}) == ()


def test_a_size_that_is_not_known_of_one_part_is_not_known_of_the_model() -> None:
    assert offers({TWO[0]: 10, TWO[1]: None}) == (Offer(TWO, None),)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("m-Q4_K_M.gguf", "Q4_K_M"),
        ("m-q4_k_m.gguf", "Q4_K_M"),
        ("Qwen3-Coder-30B-A3B-Instruct-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("BF16/m-BF16-00001-of-00002.gguf", "BF16"),
        ("m.IQ2_XXS.gguf", "IQ2_XXS"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("Q6_K/model.gguf", "Q6_K"),
        ("q3-model.gguf", "Q3"),
        ("model.gguf", ""),
    ],
)
def test_the_quantisation_is_read_off_the_name(name: str, expected: str) -> None:
    assert Offer((name,), None).quantisation == expected


@pytest.mark.parametrize(
    "choice, expected",
    [
        (None, "m-Q4_K_M.gguf"),
        ("q8_0", "m-Q8_0.gguf"),
        ("M-Q8_0.gguf", "m-Q8_0.gguf"),
        ("Q2_K", None),
        ("other.gguf", None),
    ],
)
def test_one_is_chosen_by_what_was_said(choice: str | None, expected: str | None) -> None:
    offered = offers({"m-Q8_0.gguf": 2, "m-Q4_K_M.gguf": 1, TWO[0]: 1, TWO[1]: 1})

    found = choose(offered, choice)

    assert (found.name if found else None) == expected


def test_a_part_stands_for_its_model() -> None:
    assert choose(offers({TWO[0]: 1, TWO[1]: 1}), TWO[1]) == Offer(TWO, 2)


def test_sixteen_bits_are_no_quantisation_and_one_piece_is_preferred() -> None:
    offered = offers({"m-BF16.gguf": 9, "m-Q4_K_M.gguf": 1, TWO[0]: 1, TWO[1]: 1, "x.gguf": 1})

    assert quantised(offered) == {"Q4_K_M": Offer(("m-Q4_K_M.gguf",), 1)}


def test_names_of_parts_follow_from_one_another() -> None:
    assert parts(TWO[1]) == TWO
    assert parts("m.gguf") == ("m.gguf",)
    assert without_part(TWO[0]) == "q/m-Q4_K_M.gguf"
