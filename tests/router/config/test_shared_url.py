"""`shared.url`: each form is read, and any other is told with what is wrong and how it is written."""

from __future__ import annotations

import pytest

from router.config.shared_url import read_shared_url


@pytest.mark.parametrize(
    ("url", "by", "hosts", "more"),
    [
        ("redis://cache", "server", (("cache", 6379),), {"tls": False, "db": 0}),
        ("REDIS://cache:1/2", "server", (("cache", 1),), {"db": 2}),
        ("rediss://me:p%2Fw@[::1]:7/", "server", (("::1", 7),), {"tls": True, "username": "me", "password": "p/w"}),
        ("redis://:a:b@cache", "server", (("cache", 6379),), {"username": None, "password": "a:b"}),
        ("redis://:a@b@cache", "server", (("cache", 6379),), {"password": "a@b"}),
        ("redis+sentinel://a,b:1/main", "sentinel", (("a", 26379), ("b", 1)), {"service": "main", "db": 0}),
        ("rediss+sentinel://a/main/3", "sentinel", (("a", 26379),), {"tls": True, "service": "main", "db": 3}),
        ("redis+cluster://a,[fe80::1]:7001", "cluster", (("a", 6379), ("fe80::1", 7001)), {}),
        ("rediss+cluster://u:p@a/0", "cluster", (("a", 6379),), {"tls": True, "username": "u"}),
        ("unix:///run/redis.sock?db=4", "socket", (), {"path": "/run/redis.sock", "db": 4}),
        ("unix://me:pw@/run/redis.sock", "socket", (), {"path": "/run/redis.sock", "password": "pw"}),
        ("rediss://a?ssl_check_hostname=false", "server", (("a", 6379),), {"options": {"ssl_check_hostname": False}}),
    ],
)
def test_all_forms(url: str, by: str, hosts: tuple, more: dict[str, object]) -> None:
    address = read_shared_url(url)
    assert (address.by, address.hosts) == (by, hosts)
    assert {name: getattr(address, name) for name in more} == more


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "this must be redis://host:6379/0"),
        ("localhost:6379", "this must be redis://host:6379/0"),
        ("redi://planted", "this must be redis://host:6379/0"),
        ("redis://", "the host is missing"),
        ("redis:///0", "the host is missing"),
        ("redis://a,b", "several hosts are those of Sentinels or of a cluster"),
        ("redis+cluster://a,,b", "a host or port can't be read"),
        ("redis+cluster://a, b", "a host or port can't be read"),
        ("redis://a:0", "a host or port can't be read"),
        ("redis://a:99999", "a host or port can't be read"),
        ("redis://[::1", "its host can't be read"),
        ("redis://:planted/word@a", "special characters of a password are written as %XX"),
        ("redis://:planted#word@a", "special characters of a password are written as %XX"),
        ("redis://:planted?word@a", "special characters of a password are written as %XX"),
        ("redis://planted@a", "redis://:PASSWORD@host"),
        ("redis://a/planted", "a database is a number"),
        ("redis://a/0/planted", "a database is a number"),
        ("redis+sentinel://a,b", "the name by which the Sentinels know the server is missing"),
        ("redis+sentinel://a/main/planted", "a database is a number"),
        ("redis+cluster://a/1", "a cluster has no database but 0"),
        ("redis://a?db=1", "a database is the last part of the path"),
        ("unix://run/redis.sock", "unix:///path/of/the/socket"),
        ("unix://", "the path is missing"),
        ("redis://a?ssl_ca_certs=ca.pem", 'the option "ssl_ca_certs" is of TLS: this must begin with rediss'),
        (
            "rediss://a?ssl_cert_reqs=planted",
            'the option "ssl_cert_reqs" of the URL is one of required, optional, none',
        ),
        ("rediss://a?ssl_check_hostname=planted", 'the option "ssl_check_hostname" of the URL is one of true, false'),
        ("unix:///a?db=planted", 'the option "db" of the URL is a number'),
        ("redis://a?planted=1", "this has an option that a URL of this form can't have"),
        ("redis://a?sentinel_password=planted", "this has an option that a URL of this form can't have"),
        ("valkey://a", "this must be redis://host:6379/0; a Valkey is reached the same way"),
        ("sentinel://a/main", "this must be redis+sentinel://"),
        ("redis-cluster://a", "this must be redis+cluster://"),
        ("https://planted.upstash.io", "an address for HTTP is another interface"),
    ],
)
def test_any_other_form_is_told_without_a_word_of_it(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=r".+") as error:
        read_shared_url(url)
    assert told in str(error.value)
    assert "this must" in str(error.value) or "option" in str(error.value)
    assert "planted" not in str(error.value)
