"""Which hosts the rules let through, and how they have to be spelled."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qcode.sandbox.hosts import Rule, address_refused, decide, parse


def _allowed(host: str, port: int, *rules: str) -> bool:
    return not decide(host, port, [parse(rule) for rule in rules]).refused


@pytest.mark.parametrize(
    "host, port, rule",
    [
        ("example.com", 443, "example.com"),
        ("example.com", 80, "example.com"),
        ("EXAMPLE.com", 443, "example.com"),
        ("example.com.", 443, "Example.COM."),
        ("example.com", 8443, "example.com:8443"),
        ("a.example.com", 443, "*.example.com"),
        ("a.b.example.com", 443, "*.example.com"),
        ("xn--bcher-kva.example", 443, "xn--bcher-kva.example"),
        ("localhost", 8000, "localhost:8000"),
        ("127.0.0.1", 80, "127.0.0.1"),
        ("127.0.0.1", 8000, "127.0.0.1:8000"),
    ],
)
def test_what_a_rule_names_is_allowed(host: str, port: int, rule: str) -> None:
    assert _allowed(host, port, rule)


@pytest.mark.parametrize(
    "host, port, rule",
    [
        ("example.com", 8443, "example.com"),
        ("example.com", 443, "example.com:8443"),
        ("a.example.com", 443, "example.com"),
        ("example.com", 443, "*.example.com"),
        ("evilexample.com", 443, "example.com"),
        ("evilexample.com", 443, "*.example.com"),
        ("example.com.evil.test", 443, "example.com"),
        ("example.com.evil.test", 443, "*.example.com"),
        ("example.com..", 443, "example.com"),
        (".example.com", 443, "*.example.com"),
        ("a..example.com", 443, "*.example.com"),
        ("-a.example.com", 443, "*.example.com"),
        ("127.0.0.1", 8000, "127.0.0.1"),
        ("127.0.0.1.", 80, "127.0.0.1"),
        ("127.1", 80, "127.0.0.1"),
        ("2130706433", 80, "127.0.0.1"),
        ("0x7f.1", 80, "127.0.0.1"),
        ("0x7f000001", 80, "127.0.0.1"),
        ("0177.0.0.1", 80, "127.0.0.1"),
        ("127.0.0.01", 80, "127.0.0.1"),
        ("10.example.0x1", 80, "*.example.0x1x"),
        ("example.com", 0, "example.com"),
        ("example.com", 65979, "example.com"),
    ],
)
def test_what_only_looks_like_it_is_refused(host: str, port: int, rule: str) -> None:
    assert not _allowed(host, port, rule)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "127.0.0.1\0.example.com",
        "example.com\0",
        "example.com\n",
        "user@example.com",
        "example.com@evil.test",
        "127.0.0.1#.example.com",
        "127.0.0.1%23.example.com",
        "example.com:443",
        "[::1]",
        "::1",
        "a b.example.com",
        "ex\u00e4mple.com",
        "\uff45xample.com",
        "example\u3002com",
        "exampl\u0435.com",
        "a_b.example.com",
        "a" * 64 + ".example.com",
        "a." * 126 + "com",
    ],
)
def test_other_spellings_are_refused_before_anything_else(host: str) -> None:
    assert decide(host, 443, [Rule("example.com"), Rule("example.com", below=True)]).refused


def test_no_rules_allow_nothing() -> None:
    for host in ("example.com", "localhost", "127.0.0.1"):
        assert decide(host, 443, []).refused


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "*.com",
        "*.*.com",
        "a.*.com",
        "*example.com",
        "https://example.com",
        "example.com/path",
        "example.com:",
        "example.com:0",
        "example.com:65536",
        "example.com:http",
        "[::1]",
        "::1",
        "2130706433",
        "0x7f.1",
        "127.1",
        "256.0.0.1",
        "127.0.0.01",
        "*.0.0.1",
        "ex\u00e4mple.com",
    ],
)
def test_what_is_no_rule_is_answered_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="`" + re.escape(text)):
        parse(text)


_NAME = st.from_regex(
    r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]([a-z0-9-]{0,8}[a-z0-9])?){1,3}", fullmatch=True
)


@given(_NAME, _NAME)
def test_a_name_is_allowed_by_its_own_rule_alone(listed: str, other: str) -> None:
    rules = [parse(listed)]
    assert not decide(listed.upper() + ".", 443, rules).refused
    assert bool(decide(other, 443, rules).refused) == (other != listed)


@given(st.text(max_size=20), _NAME)
@example("evil.test#.", "example.com")
def test_what_is_allowed_below_a_domain_is_below_it(prefix: str, domain: str) -> None:
    verdict = decide(prefix + domain, 443, [Rule(domain, below=True)])
    if not verdict.refused:
        assert re.fullmatch(r"[a-z0-9.-]+", verdict.host)
        assert verdict.host.split(".")[-len(domain.split(".")) :] == domain.split(".")
        assert verdict.host == (prefix + domain).lower()


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{}", "0x{:x}", "0{:o}", "1.{}", "a.b.{}"]))
def test_no_number_is_taken_for_a_name(number: int, form: str) -> None:
    host = form.format(number)
    assert decide(host, 443, [Rule(host.partition(".")[2] or "b", below=True)]).refused


PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101"]
PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "::", "::1", "fe80::1",
    "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "fec0::1", "fe80::1%eth0", "", "no address",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_dialled(address: str) -> None:
    assert not address_refused(address, "example.com", 443, [parse("example.com")])


@pytest.mark.parametrize("address", PRIVATE)
def test_the_networks_own_addresses_are_not_dialled_for_a_name(address: str) -> None:
    assert address_refused(address, "example.com", 443, [parse("example.com")])


def test_an_own_address_is_dialled_where_it_is_listed_itself() -> None:
    rules = [parse("example.com:8000"), parse("127.0.0.1:8000")]
    assert not address_refused("127.0.0.1", "example.com", 8000, rules)
    assert address_refused("127.0.0.1", "example.com", 8001, rules)
    assert address_refused("127.0.0.2", "example.com", 8000, rules)


def test_localhost_is_the_loopback_and_no_other_address() -> None:
    rules = [parse("localhost:8000")]
    assert not address_refused("127.0.0.1", "localhost", 8000, rules)
    assert not address_refused("::1", "localhost", 8000, rules)
    assert address_refused("10.0.0.1", "localhost", 8000, rules)
