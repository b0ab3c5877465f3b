"""Where a webhook may go: never to this machine or a network that outsiders cannot reach, whatever a name resolves to.

An address is looked up once, and the one that was looked at is the one that is connected to: a name that resolves
otherwise a moment later gains nothing. WEBHOOK_NETWORKS names what is allowed beside the public internet.
"""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from raseed.errors import RaseedError

URL_LENGTH_MAX: Final = 500
_VISIBLE: Final = re.compile(r"[!-~]+")
_NAT64: Final = IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address


class UrlRefused(RaseedError):
    """An address to which no webhook may go, or which is none."""

    code = "url_refused"
    status = 422
    field = "url"
    message = _("Enter the whole address of a receiver that can be reached from the internet, as https://service.example.com/hooks.")  # fmt: skip


class NotReachable(Exception):
    """The name resolves to nothing, or to an address that is not allowed. The text is for the log."""


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint's URL taken apart."""

    is_encrypted: bool
    host: str
    port: int
    path: str


def target_of(url: str) -> Target:
    """Take a URL apart. Raises UrlRefused for what could never be delivered to; looks no name up."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UrlRefused(str(error)) from error
    schemes = {"https"} if settings.WEBHOOK_HTTPS_ONLY else {"https", "http"}
    host = parts.hostname or ""
    if (
        len(url) > URL_LENGTH_MAX
        or not _VISIBLE.fullmatch(url)
        or "\\" in url
        or parts.scheme not in schemes
        or not host
        or "@" in parts.netloc
        or parts.fragment
        or port == 0
    ):
        raise UrlRefused(f"cannot deliver to {url[:100]!r}")
    literal = _literal(host)
    if literal is not None and not is_allowed(literal):
        raise UrlRefused(f"{literal} is not allowed")
    is_encrypted = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(is_encrypted, host, port or (443 if is_encrypted else 80), path)


def look_up(target: Target) -> str:
    """The address to connect to. Raises NotReachable if there is none, or if any that the name has is not allowed."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotReachable(f"{target.host} has no address") from error
    # IPv6 addresses of a link come with the link's name.
    addresses = [ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    refused = [one for one in addresses if not is_allowed(one)]
    if refused or not addresses:
        raise NotReachable(f"{target.host} resolves to {refused[0] if refused else 'nothing'}, not allowed")
    return str(addresses[0])


def is_allowed(address: Address) -> bool:
    """Whether a webhook may be sent to it: public, or in one of WEBHOOK_NETWORKS. An IPv4 address within an IPv6 one counts."""
    address = _translated(address)
    if any(address.version == one.version and address in one for one in settings.WEBHOOK_NETWORKS):
        return True
    return all(_is_public(one) for one in (address, *_tunnelled(address)))


def _is_public(address: Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not (isinstance(address, IPv6Address) and address.is_site_local)
    )


def _translated(address: Address) -> Address:
    """The IPv4 address that an IPv6 one only spells, or that a translator (NAT64) makes of it; else the address itself."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _tunnelled(address: Address) -> list[IPv4Address]:
    """IPv4 addresses at which a tunnel to this one ends (6to4, Teredo)."""
    if isinstance(address, IPv4Address):
        return []
    return [one for one in (address.sixtofour, *(address.teredo or ())) if one is not None]


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None
