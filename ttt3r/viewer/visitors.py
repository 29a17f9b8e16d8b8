"""Who may talk to the viewer: a browser on this machine that shows the viewer's own page.

Any page of the web may try to open a websocket to a port of this machine, and a name of the web may be made to point here
(DNS rebinding). Browsers say both truthfully: `Host` is the name that was asked for, `Origin` the page that asks.
"""

import functools
import http
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_HTTP = 80
_STARTING = threading.Lock()


def refusal(hosts: Sequence[str], origins: Sequence[str]) -> str | None:
    """Why a request is refused; `None` if it comes from here.

    Args:
        hosts: all `Host` headers of the request; there must be one, a name of this machine with any port (a tunnel may
            begin at another one).
        origins: all `Origin` headers; a browser sends one with every websocket, other programs none. It must be of this
            machine and of the port of `Host`.
    """
    host = _place(f"http://{hosts[0]}") if len(hosts) == 1 else None
    if host is None:
        return "the viewer answers to localhost, 127.0.0.1 and [::1] only"
    if origins and (len(origins) > 1 or _place(origins[0]) != host):
        return "the viewer answers to its own page only, not to pages of other places"
    return None


def _place(url: str) -> int | None:
    """The port of an address on this machine; `None` for any other address."""
    try:
        parts = urlsplit(url)
        port = _HTTP if parts.port is None else parts.port
    except ValueError:
        return None
    plain = parts.scheme == "http" and not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    return port if plain and parts.hostname in _HERE else None


@contextmanager
def only_from_here() -> Iterator[threading.Event]:
    """A viser server that is started within refuses what `refusal` names, before it answers anything.

    viser has no setting for it: its call of `websockets.asyncio.server.serve` is given one more check. The event that is
    given is set once that has happened; a server that was started otherwise has no check.
    """
    import websockets.asyncio.server as library

    serve, checks = library.serve, threading.Event()

    @functools.wraps(serve)
    def checked(*arguments: Any, process_request: Callable[..., Any] | None = None, **settings: Any) -> Any:
        checks.set()
        return serve(*arguments, process_request=_checking(process_request), **settings)

    with _STARTING, mock.patch.object(library, "serve", checked):
        yield checks


def _checking(answer: Callable[..., Any] | None) -> Callable[..., Any]:
    def process(connection: "ServerConnection", request: "Request") -> "Response | None":
        reason = refusal(request.headers.get_all("Host"), request.headers.get_all("Origin"))
        if reason is not None:
            return connection.respond(http.HTTPStatus.FORBIDDEN, reason + "\n")
        return None if answer is None else answer(connection, request)

    return process
