"""Which addresses a task may call."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vera_orchestrator.errors import InvalidValue, NotAllowed
from vera_orchestrator.http.addresses import check_address, check_written_address, endpoint, endpoints, is_public

PRIVATE_V4 = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
]


@pytest.mark.parametrize("address", PRIVATE_V4)
def test_an_address_that_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PRIVATE_V4)
def test_no_ipv6_form_of_such_an_address_is_public(address: str) -> None:
    number = int(IPv4Address(address))
    forms = {
        "mapped": IPv6Address((0xFFFF << 32) | number),
        "6to4": IPv6Address((0x2002 << 112) | (number << 80) | 1),
        "NAT64": IPv6Address((0x64FF9B << 96) | number),
        "local NAT64": IPv6Address((0x64FF9B << 96) | (1 << 80) | number),
        "compatible": IPv6Address(number),
    }
    assert {name for name, form in forms.items() if is_public(str(form))} == set()


@pytest.mark.parametrize(
    "address", ["::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1"]
)
def test_an_ipv6_address_that_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"]
)
def test_an_address_of_the_public_internet_may_be_called(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "0x7f000001", "1.1.1.1:80", "[::1]"])
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_like_the_one_it_stands_for(address: IPv4Address) -> None:
    assert is_public(f"::ffff:{address}") == is_public(str(address))


def test_a_refusal_names_the_endpoint_the_address_and_the_setting() -> None:
    with pytest.raises(NotAllowed) as caught:
        check_address("intranet.test", 8080, "10.1.2.3")
    assert str(caught.value) == (
        "intranet.test:8080 leads to 10.1.2.3, which is not a public address. "
        "Add intranet.test:8080 to http_allow (VERA_HTTP_ALLOW) if tasks may call it."
    )


def test_an_allowed_endpoint_is_allowed_with_its_port_only() -> None:
    allowed = endpoints(["127.0.0.1:8080"])
    check_address("127.0.0.1", 8080, "127.0.0.1", allowed)
    with pytest.raises(NotAllowed, match=r"127\.0\.0\.1:8081 is not a public address"):
        check_address("127.0.0.1", 8081, "127.0.0.1", allowed)


def test_an_allowed_address_does_not_allow_a_name_that_leads_to_it() -> None:
    with pytest.raises(NotAllowed):
        check_address("evil.test", 8080, "127.0.0.1", endpoints(["127.0.0.1:8080"]))


def test_an_allowed_name_is_compared_without_case_and_final_dot() -> None:
    check_address("INTRANET.test.", 80, "10.0.0.1", endpoints(["Intranet.Test:80"]))


def test_an_ipv6_endpoint_stands_in_brackets() -> None:
    assert endpoint("[::1]:8080") == ("::1", 8080)
    with pytest.raises(NotAllowed, match=r"Add \[::1\]:9 to http_allow"):
        check_address("::1", 9, "::1", endpoints(["[::1]:8080"]))


@pytest.mark.parametrize(
    "entry", ["", "host", "host:", ":80", "host:x", "host:99999", "u@host:80", "host:80/p", "::1:80"]
)
def test_an_entry_that_is_not_host_and_port_is_refused_by_name(entry: str) -> None:
    with pytest.raises(InvalidValue, match="http_allow"):
        endpoint(entry)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "https://192.168.0.1/", "http://[::ffff:10.0.0.1]:8080/", "http://localhost:9/"]
)
def test_an_address_in_a_url_is_checked_as_it_is_written(url: str) -> None:
    with pytest.raises(NotAllowed, match="http_allow"):
        check_written_address(url, endpoints(["127.0.0.1:8080"]))


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/", "https://LOCALHOST./", "https://1.1.1.1/", "http://[2606:4700::1]/", "http://intranet/"],
)
def test_public_and_allowed_addresses_and_names_pass_as_they_are_written(url: str) -> None:
    check_written_address(url, endpoints(["127.0.0.1:8080", "localhost:443"]))
