"""Who may do what: the key that an operation asks for, and how often it may be shown.

    open        whether it lives and what it is: health, version, the pages and their files
    predict     everything that predicts, explains or tells of models
    admin       what moves labels, and tells the settings
    either      the metrics: open where predict is, else for a key of either kind

An operation that says nothing takes a predict key, so a new one is closed until someone opens it.
"""

from math import ceil

from service.errors import Forbidden, RateLimited, Unauthorized
from service.exchange import Exchange, Request, Scope
from service.gate.browsers import only_here
from service.gate.rate import Rates
from service.keys.follow import Keys
from service.keys.parse import Key, distinct, parse, read
from service.settings import Settings

SEND = "send it as 'X-API-Key: KEY' or 'Authorization: Bearer KEY'"
NO_ADMIN_KEY = (
    "No key for administration is set, so nobody may do this here: make one with "
    "'python -m service.keys NAME --scope admin' and give its line to the service as ADMIN_KEYS."
)
NO_PREDICT_KEY = (
    "predicting takes a key here and there is none ({}): make one with 'python -m service.keys "
    "NAME' and set the PREDICT_KEYS that it prints, or let anyone in with PREDICT_KEY_WAIVED=true."
)


def keys_of(settings: Settings) -> Keys:
    """The keys of the settings."""
    return Keys(_given(settings), settings.keys_file)


def _given(settings: Settings) -> tuple[Key, ...]:
    return (*parse(settings.predict_keys, "predict"), *parse(settings.admin_keys, "admin"))


class NoAccess(Exception):
    """The settings do not say who may predict; its text says how they can."""


def check(settings: Settings) -> None:
    """Raises NoAccess when nobody could predict, or the settings contradict each other."""
    try:
        written = read(settings.keys_file) if settings.keys_file else ()
        distinct([*_given(settings), *written])
    except OSError as error:
        raise NoAccess(f"KEYS_FILE: {settings.keys_file}: {error.strerror}.") from error
    except ValueError as error:
        raise NoAccess(f"KEYS_FILE: {error}.") from error
    predict = bool(settings.predict_keys) or any(key.scope == "predict" for key in written)
    if predict and settings.predict_key_waived:
        raise NoAccess(
            "there are keys for predict, and PREDICT_KEY_WAIVED=true lets in whoever has none; "
            "take one of them away."
        )
    if settings.predict_needs_key and not predict:
        why = "KEYS_FILE names none" if settings.keys_file else f"HOST={settings.host} is reachable"
        raise NoAccess(NO_PREDICT_KEY.format(why))


def warnings(settings: Settings) -> list[str]:
    """What is open that could be closed, a sentence each."""
    told = []
    if settings.predict_key_waived and not settings.on_loopback:
        told.append(
            f"PREDICT_KEY_WAIVED=true: whoever reaches {settings.host}, port {settings.port}, "
            "predicts without a key."
        )
    if settings.admin_key_waived:
        told.append(
            f"ADMIN_KEY_WAIVED=true: WHOEVER REACHES {settings.host}, PORT {settings.port}, MOVES "
            "LABELS WITHOUT A KEY; set ADMIN_KEYS instead."
        )
    return told


OPEN_TO_ALL: tuple[Scope, ...] = ("open", "predict", "either")  # where predicting takes no key


class Access:
    """Lets a request in, or raises what refuses it; called before its body is read."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._keys = keys
        predict = settings.predict_needs_key
        self.open: frozenset[Scope] = frozenset(("open",) if predict else OPEN_TO_ALL)
        self._admin_open = settings.admin_key_waived
        self._only_here = only_here(settings.host)
        self._rate = settings.rate_limit
        self._rates = Rates(settings.rate_burst_seconds, settings.workers)

    def check(self, exchange: Exchange, scope: Scope) -> None:
        """Raises Unauthorized, Forbidden or RateLimited; else notes the name of the key."""
        if scope == "admin":
            self._admit_admin(exchange)
        elif scope not in self.open:
            self._admit(exchange, ("predict", "admin") if scope == "either" else ("predict",))

    def _admit_admin(self, exchange: Exchange) -> None:
        if self._admin_open:
            self._only_here(exchange.request)
        elif self._keys.holds("admin"):
            self._admit(exchange, ("admin",))
        else:
            raise Forbidden(NO_ADMIN_KEY)

    def _admit(self, exchange: Exchange, scopes: tuple[Scope, ...]) -> None:
        secret = presented(exchange.request)
        if not secret:
            raise Unauthorized(f"This path takes a key for {' or '.join(scopes)}: {SEND}.")
        key = self._keys.find(secret)
        if key is None:
            raise Unauthorized(f"The key is none that is known here; {SEND}.")
        exchange.key = key.name
        if key.scope not in scopes:
            raise Forbidden(
                f"The key '{key.name}' is for {key.scope}; this path takes one for "
                f"{' or '.join(scopes)}."
            )
        self._meter(key)

    def _meter(self, key: Key) -> None:
        rate = key.rate or self._rate
        if rate is None:
            return
        wait = self._rates.take(key[:2], rate)
        if wait:
            raise RateLimited(
                f"The key '{key.name}' may send {rate:g} requests a second; try again later.",
                ceil(wait),
            )


def presented(request: Request) -> str:
    """The key that a request shows, empty for none."""
    key = request.header("x-api-key").strip()
    if key:
        return key
    scheme, _, token = request.header("authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
