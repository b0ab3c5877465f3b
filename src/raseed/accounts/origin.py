"""Where a request comes from, for limits and the audit log. It never decides a right."""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str | None:
    """The address of the client; None where the server does not know it (a Unix socket).

    X-Forwarded-For is read only as far as our own proxies wrote it (PROXIES_IN_FRONT, counted from the right): what
    stands left of that is the client's own claim.
    """
    address = request.META.get("REMOTE_ADDR", "")
    proxies: int = settings.PROXIES_IN_FRONT
    if proxies:
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
        address = hops[-proxies] if len(hops) >= proxies else address
    try:
        return str(ip_address(address))
    except ValueError:
        return None
