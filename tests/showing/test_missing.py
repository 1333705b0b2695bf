from __future__ import annotations

import pytest

from qcode.showing.missing import told

PATHS = ("main.py", "shop/price.py", "shop/stock.py", "shop/__init__.py", "README.md")


@pytest.mark.parametrize(
    "failing, said",
    [
        (
            "ModuleNotFoundError: No module named 'shop.prices'",
            ["There is no module shop.prices. There is shop/price.py."],
        ),
        (
            "ModuleNotFoundError: No module named 'shop.basket'",
            ["There is no module shop.basket. There is shop/price.py and shop/stock.py."],
        ),
        (
            "ModuleNotFoundError: No module named 'mian'",
            ["There is no module mian. There is main.py."],
        ),
        ("ModuleNotFoundError: No module named 'numpy'", []),  # no matter of the project
        ("ModuleNotFoundError: No module named 'numpy.linalg'", []),
        (
            "ImportError: cannot import name 'left' from 'shop.price' (/x/shop/price.py)",
            ["shop/price.py does not define left; shop/stock.py does."],
        ),
        ("ImportError: cannot import name 'right' from 'shop.price' (/x/shop/price.py)", []),
        ("ImportError: cannot import name 'price' from 'shop.price' (/x/shop/price.py)", []),
        ("KeyError: 'shop.prices'", []),
    ],
)  # fmt: skip
def test_what_an_import_did_not_find(failing: str, said: list[str]) -> None:
    names = {"shop/price.py": ["price"], "shop/stock.py": ["left"]}

    assert told(failing, PATHS, names) == said


def test_the_same_name_is_told_once() -> None:
    failing = "No module named 'shop.prices'\n" * 3

    assert len(told(failing, PATHS, {})) == 1


def test_modules_below_a_source_folder_are_found() -> None:
    [said] = told("No module named 'shop.prices'", ("src/shop/price.py",), {})

    assert said.endswith("There is src/shop/price.py.")
