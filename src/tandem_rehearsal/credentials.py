"""Creates the certificates and passwords of a rehearsal."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

_VALID = timedelta(days=365)
# The passwords in Secret Manager, by their names there, and the administrators', which it does not have.
_SECRETS = ("kafka-password", "mongo-password")
_OWN = ("kafka-admin", "mongo-admin")


@dataclass(frozen=True)
class Credentials:
    """The files of a rehearsal's credentials.

    Args:
        home: the profile's folder.
    """

    home: Path

    @property
    def authority(self) -> Path:
        """PEM file of the authority that signed the server's certificate."""
        return self.home / "certificates" / "ca.pem"

    @property
    def trust_store(self) -> Path:
        """The same for Java, without a password."""
        return self.home / "certificates" / "ca.p12"

    @property
    def server(self) -> Path:
        """PEM file of the key and the certificate of Kafka and MongoDB."""
        return self.home / "certificates" / "server.pem"

    @property
    def key_file(self) -> Path:
        """The key file of MongoDB's replica set."""
        return self.home / "credentials" / "mongo-keyfile"

    @property
    def secrets(self) -> Path:
        """Secret Manager's folder, with a file for each secret."""
        return self.home / "secrets"

    def password(self, name: str) -> str:
        """Returns a password: ``kafka-password``, ``mongo-password``, ``kafka-admin`` or ``mongo-admin``."""
        return (self.home / ("secrets" if name in _SECRETS else "credentials") / name).read_text("utf-8")

    def make(self) -> None:
        """Creates missing files."""
        for folder in ("certificates", "credentials", "secrets"):
            (self.home / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in _SECRETS:
            _write_once(self.secrets / name, secrets.token_urlsafe(24))
        for name in _OWN:
            _write_once(self.home / "credentials" / name, secrets.token_urlsafe(24))
        _write_once(self.key_file, secrets.token_hex(48))
        if not self.server.exists():
            self._certify()

    def _certify(self) -> None:
        own_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        authority = _certificate("tandem rehearsal authority", own_key, None, own_key)
        certificate = _certificate("tandem rehearsal server", key, authority, own_key)
        pem = authority.public_bytes(Encoding.PEM)
        self.authority.write_bytes(pem)
        # Java's own class reads no PEM.
        store = pkcs12.serialize_java_truststore([pkcs12.PKCS12Certificate(authority, b"tandem")], NoEncryption())
        self.trust_store.write_bytes(store)
        # Kafka reads keys in this form only.
        own = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write_once(self.server, (own + certificate.public_bytes(Encoding.PEM) + pem).decode())


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Certificate | None, signer: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """Returns an authority's certificate, or one for servers.

    Without an issuer, it is an authority's.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is None:
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _write_once(file: Path, text: str) -> None:
    """Writes a file that only its owner may read, unless it exists."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(text, "utf-8")
