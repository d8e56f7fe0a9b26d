"""How long a request may wait for its turn."""

from models.numbers import decimal
from service.errors import Fault, InvalidInput, Overloaded
from service.exchange import Exchange

BUSY = "The service is busy: an answer would have to wait for more than {:g} s; try again."


def require_patience(exchange: Exchange, seconds: float, most: float) -> None:
    """Raises Overloaded where nobody waits so many seconds: at most `most`, or as the client says.

    Who watches the service always does. Raises InvalidInput for an X-Request-Timeout that is no
    time.
    """
    given = exchange.request.headers.get("x-request-timeout")
    if given is not None:
        most = min(most, _seconds(given))
    if seconds > most and not (exchange.operation and exchange.operation.watching):
        raise Overloaded(BUSY.format(most))


def _seconds(given: str) -> float:
    seconds = decimal(given, least=0)
    if seconds:
        return seconds
    raise InvalidInput(
        [Fault("X-Request-Timeout", "seconds above 0, such as 0.5", repr(given[:40]))]
    )
