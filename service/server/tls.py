"""TLS: what is spoken with the certificate and the key of the settings."""

import ssl

from service.settings import Settings


class BadCertificate(Exception):
    """TLS_CERTIFICATE and TLS_KEY cannot be served with; the text says why."""


def context(settings: Settings) -> ssl.SSLContext | None:
    """TLS from version 1.2 on; None where plain HTTP is spoken.

    Raises BadCertificate when one is missing, unreadable, locked, or not the other's.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise BadCertificate(
            "TLS_CERTIFICATE and TLS_KEY belong together, and one of them is not set; "
            "set both for HTTPS, or neither for HTTP."
        )
    for name, file in (("TLS_CERTIFICATE", certificate), ("TLS_KEY", key)):
        try:
            file.open("rb").close()
        except OSError as error:
            raise BadCertificate(f"{name}: {file}: {error.strerror}.") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # With no password at all, OpenSSL would ask the terminal for that of a locked key.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise BadCertificate(
            f"{certificate} and {key} are no certificate and its key, both in PEM and the key "
            f"without a password ({error.reason or 'unreadable'})."
        ) from error
    return context
