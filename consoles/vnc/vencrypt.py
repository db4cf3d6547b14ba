"""VeNCrypt 0.2 (RFB security type 19) towards a guest's VNC server: TLS with certificates, its name always checked.

Of its subtypes only those with certificates are spoken (X509None, X509VNC): anonymous TLS tells nobody apart.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext as _

from consoles.close_codes import CloseCode, ConsoleRefused

if TYPE_CHECKING:
    from consoles.vnc.rfb import ByteStream

VENCRYPT = 19
X509_NONE, X509_VNC = 260, 261


def agree_on_subtype(guest: ByteStream) -> int:
    """X509_NONE or X509_VNC, as the server offers; after it TLS begins. Security type 19 was chosen before."""
    if guest.exactly(2) < b"\0\2":
        raise _refused(_("The guest's VNC server speaks a version of VeNCrypt that is not known here."))
    guest.send(b"\0\2")
    if guest.exactly(1) != b"\0":
        raise _refused(_("The guest's VNC server refused VeNCrypt 0.2."))
    offered = guest.exactly(4 * guest.exactly(1)[0])
    subtypes = [int.from_bytes(offered[place : place + 4]) for place in range(0, len(offered), 4)]
    chosen = next((subtype for subtype in (X509_NONE, X509_VNC) if subtype in subtypes), None)
    if chosen is None:
        raise _refused(
            _(
                "The guest's VNC server wants TLS without certificates, or a sign-in that is not known here: set"
                " vnc_tls with certificates, and no vnc_sasl, in the qemu.conf of its host."
            )
        )
    guest.send(chosen.to_bytes(4))
    if guest.exactly(1) != b"\1":
        raise _refused(_("The guest's VNC server refused VeNCrypt 0.2."))
    return chosen


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """Whom to believe, and who we are, in PEM files of QEMU's names."""

    authority: Path
    certificate: Path | None  # with its key
    key: Path | None

    @classmethod
    def of(cls, host: str) -> TLSFiles | None:
        """Those of the host (a directory of its name), else those for every host; None where there are none."""
        directory = Path(settings.VNC_TLS_DIR)
        own = [directory / host] if host not in {"", ".", ".."} and "/" not in host else []
        for place in [*own, directory]:
            if (place / "ca-cert.pem").is_file():
                certificate, key = place / "client-cert.pem", place / "client-key.pem"
                whole = certificate.is_file() and key.is_file()
                return cls(place / "ca-cert.pem", certificate if whole else None, key if whole else None)
        return None


def encrypt(plain: socket, files: TLSFiles | None, name: str) -> socket:
    """TLS over a connected socket with a timeout, to a server whose certificate names `name`. `plain` is used up."""
    if files is None:
        raise _refused(
            _(
                "The guest's VNC server wants TLS: the administrator of Guesthouse has to put the certificate of its"
                " authority where GUESTHOUSE_VNC_TLS_DIR says."
            )
        )
    try:
        return _context(files).wrap_socket(plain, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        raise _refused(
            _("The certificate of the guest's VNC server is not good for %(name)s: %(why)s.")
            % {"name": name, "why": error.verify_message}
        ) from error
    except ssl.SSLError as error:
        raise _refused(
            _("TLS with the guest's VNC server failed: %(why)s.") % {"why": error.reason or "TLS"}
        ) from error


def _context(files: TLSFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(files.authority)
        if files.certificate and files.key:
            context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise _refused(_("The certificates for the guests' VNC servers cannot be read.")) from error
    return context


def _refused(sentence: str) -> ConsoleRefused:
    return ConsoleRefused(CloseCode.FAILED, sentence)
