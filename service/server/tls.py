"""TLS: whether a certificate and its key can be served with, before a server tries."""

import ssl
from pathlib import Path

from service.settings import Settings


class BadCertificate(Exception):
    """TLS_CERTIFICATE and TLS_KEY cannot be served with; the text says why."""


def check(settings: Settings) -> None:
    """Raises BadCertificate when one is missing, unreadable, locked, or not the other's."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise BadCertificate(
            "TLS_CERTIFICATE and TLS_KEY belong together, and one of them is not set; "
            "set both for HTTPS, or neither for HTTP."
        )
    for name, file in (("TLS_CERTIFICATE", certificate), ("TLS_KEY", key)):
        _readable(name, file)
    try:
        # With no password at all, OpenSSL would ask the terminal for that of a locked key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise BadCertificate(
            f"{certificate} and {key} are no certificate and its key, both in PEM and the key "
            f"without a password ({error.reason or 'unreadable'})."
        ) from error


def _readable(name: str, file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise BadCertificate(f"{name}: {file}: {error.strerror}.") from error


def context(settings: Settings) -> ssl.SSLContext | None:
    """What the server speaks TLS with, from version 1.2 on; None where it speaks plain HTTP."""
    if settings.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    return context
