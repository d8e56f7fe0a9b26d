"""Whether a browser sent a request for a page that may be anybody's: what is done without a key."""

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

from service.errors import Forbidden
from service.exchange import Request

Name = str | IPv4Address | IPv6Address

# Without a user, and an address of IPv6 in brackets (RFC 9110, section 7.2).
AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]*)?").fullmatch
# A person typed the address, or a page of this service asks; "" is no browser, or an old one.
OURS = {"", "none", "same-origin"}

OF_A_PAGE = "A page in a browser asked for this; without a key /admin answers to none."
ELSEWHERE = (
    "Without a key /admin answers at localhost, a loopback address and HOST alone, for any other "
    "name may be a page's own: expected a header as 'Host: localhost', received {!r}; ask there, "
    "or give the service ADMIN_KEYS."
)


def only_here(host: str) -> Callable[[Request], None]:
    """What raises Forbidden for a request of a page, and one to any other host than this machine.

    A page that is not of this service is told by Origin or Sec-Fetch-Site. One whose name was bound
    to this address (DNS rebinding) is of the same origin, and is told by that name, in Host.
    """
    configured = _plain(host)

    def check(request: Request) -> None:
        if request.header("origin") or request.header("sec-fetch-site") not in OURS:
            raise Forbidden(OF_A_PAGE)
        asked = request.header("host")
        name = _named(asked)
        if name not in {"localhost", configured} and not getattr(name, "is_loopback", False):
            raise Forbidden(ELSEWHERE.format(asked[:100]))

    return check


def _named(authority: str) -> Name | None:
    """The host of a host and a port; None when it is none."""
    found = AUTHORITY(authority)
    if not found:
        return None
    address, name = found.groups()
    try:
        return IPv6Address(address) if address else _plain(name)
    except ValueError:
        return None


def _plain(name: str) -> Name:
    """An address, else the name in lower case."""
    try:
        return ip_address(name)
    except ValueError:
        return name.lower()
