"""Reads the usual proxy variables for programs that do not, and excludes loopback."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from tandem.foreign.java_options import LOOPBACK, names_a_proxy

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
DIRECT = "NO_PROXY"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# The most patterns that Java gets for one network.
_MOST = 256


@dataclass(frozen=True)
class Proxy:
    """One proxy.

    Attributes:
        address: ``host:port``, without a login.
        variable: the variable that names it.
        host: the host.
        port: the port.
        username: the login's user; None without a login.
        password: the login's password.
        socks: whether it speaks SOCKS.
    """

    address: str
    variable: str
    host: str
    port: int
    username: str | None
    password: str | None
    socks: bool


def value(environ: Mapping[str, str], name: str) -> str:
    """Returns a variable's value, in lower case, which wins, or in upper case."""
    return environ.get(name.lower()) or environ.get(name, "")


def for_clients(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the proxy variables in both cases, with loopback excluded.

    Empty without a proxy.

    apt reads only the lower case, other programs the upper. Google's, Docker's and Python's clients would all use the
    proxy for 127.0.0.1.
    """
    proxies = {name: text for name in PROXIES if (text := value(environ, name))}
    if not proxies:
        return {}
    direct = [part.strip() for part in value(environ, DIRECT).split(",") if part.strip()]
    if "*" not in direct:
        direct = list(dict.fromkeys((*direct, *_LOOPBACK)))
    both = proxies | {DIRECT: ",".join(direct)}
    return both | {name.lower(): text for name, text in both.items()}


def proxy_for(environ: Mapping[str, str], scheme: str) -> Proxy | None:
    """Returns the proxy for ``http`` or ``https`` addresses.

    Raises:
        ValueError: the variable names no host; the message has its name, not its value.
    """
    for name in (f"{scheme.upper()}_PROXY", "ALL_PROXY"):
        if text := value(environ, name):
            return _parsed(name, text)
    return None


def on_this_machine(text: str) -> bool:
    """Returns whether a proxy is on loopback."""
    try:
        host = _parsed("", text).host
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def for_java(environ: Mapping[str, str]) -> list[str]:
    """Returns the properties that make Java use the environment's proxies.

    Empty if Java's own variables name a proxy, which then win. Keep them off command lines, as they may hold logins.

    Raises:
        ValueError: see ``proxy_for``.
    """
    if names_a_proxy(environ):
        return []
    options: list[str] = []
    for scheme in ("http", "https"):
        proxy = proxy_for(environ, scheme)
        if proxy is None:
            continue
        kind = "socksProxy" if proxy.socks else f"{scheme}.proxy"
        options += [f"-D{kind}Host={proxy.host}", f"-D{kind}Port={proxy.port}"]
        if proxy.username is not None and proxy.socks:
            # Java's own sockets read the login from here.
            options += [f"-Djava.net.socks.username={proxy.username}"]
            options += [f"-Djava.net.socks.password={proxy.password or ''}"]
        elif proxy.username is not None:
            # Ivy reads the login from here for both. Java rejects Basic logins for tunnels, the only kind there is.
            options += [f"-Dhttp.proxyUser={proxy.username}", f"-Dhttp.proxyPassword={proxy.password or ''}"]
            options += ["-Djdk.http.auth.tunneling.disabledSchemes="]
    if not options:
        return []
    hosts = [host for part in value(environ, DIRECT).split(",") for host in _patterns(part.strip())]
    direct = "|".join(dict.fromkeys((*hosts, *LOOPBACK)))
    return [*dict.fromkeys(options), f"-Dhttp.nonProxyHosts={direct}"]


def _parsed(name: str, text: str) -> Proxy:
    text = text.strip()
    try:
        parts: SplitResult = urlsplit(text if "://" in text else f"http://{text}")
    except ValueError:
        raise ValueError(f"{name} names no host") from None
    socks = parts.scheme.startswith("socks")
    try:
        port = parts.port or (1080 if socks else 443 if parts.scheme == "https" else 80)
    except ValueError:
        raise ValueError(f"{name} names no port") from None
    if not parts.hostname:
        raise ValueError(f"{name} names no host")
    username = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    return Proxy(f"{parts.hostname}:{port}", name, parts.hostname, port, username, password, socks)


def _patterns(part: str) -> list[str]:
    """Returns Java's patterns for one part of NO_PROXY.

    Java allows only an asterisk at either end.
    """
    if not part:
        return []
    if part == "*":
        return ["*"]
    if "/" in part:
        return _network(part)
    if part.startswith("["):
        host = part[1:].partition("]")[0]
    else:
        host = part if part.count(":") > 1 else part.partition(":")[0]
    host = host.removeprefix("*").removeprefix(".")
    if not host:
        return []
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return [host, f"*.{host}"]
    return [f"[{address}]" if address.version == 6 else str(address)]


def _network(text: str) -> list[str]:
    try:
        network = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return []
    whole = -(-network.prefixlen // 8) * 8
    octets = whole // 8
    if 2 ** (whole - network.prefixlen) > _MOST or octets == 0:
        return ["*"] if octets == 0 else []
    return [
        ".".join([*str(each.network_address).split(".")[:octets], *(["*"] if octets < 4 else [])])
        for each in network.subnets(new_prefix=whole)
    ]
