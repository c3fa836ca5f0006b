"""TLS and mutual TLS, with certificates that change under way."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from server.authority import Authority, replace
from server.running import Running, Upload, capabilities, ended, error_of, running
from tffreeze_server.server import exit_codes
from tffreeze_server.server.tokens import new_token

UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "")


class Files:
    """The files of a TLS server in a folder."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.cert, self.key, self.ca = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
        self.take(authority)
        self.flags = ("--tls-cert", str(self.cert), "--tls-key", str(self.key))

    def take(self, authority: Authority) -> None:
        """Replace certificate and key, one after the other."""
        key, cert = authority.sign("server.test")
        replace(self.cert, cert)
        replace(self.key, key)


def refusal(server: Running, authority: Authority) -> tuple[grpc.StatusCode, str]:
    """How a call fails for a client that trusts this authority."""
    with server.channel(grpc.ssl_channel_credentials(authority.pem)) as channel:
        return error_of(lambda: capabilities(channel))


def test_a_client_that_trusts_the_authority_gets_in(tmp_path: Path) -> None:
    """TLS works; plaintext and a client that trusts somebody else do not."""
    ours, other = Authority("ours"), Authority("other")
    with running(tmp_path, *Files(tmp_path, ours).flags) as server:
        assert "yes" == server.log.wait("listening")["tls"]
        with server.channel(grpc.ssl_channel_credentials(ours.pem)) as channel:
            assert "" != capabilities(channel).server_version
        assert UNAVAILABLE == refusal(server, other)
        with server.channel() as plaintext:
            assert UNAVAILABLE == error_of(lambda: capabilities(plaintext))


def test_a_replaced_certificate_is_taken_by_the_next_connection(tmp_path: Path) -> None:
    """Connections that stand go on; a new one sees the new certificate."""
    first, second = Authority("first"), Authority("second")
    files = Files(tmp_path, first)
    with (
        running(tmp_path, *files.flags) as server,
        server.channel(grpc.ssl_channel_credentials(first.pem)) as standing,
    ):
        capabilities(standing)
        files.take(second)
        with server.channel(grpc.ssl_channel_credentials(second.pem)) as channel:
            capabilities(channel)
        server.log.wait("reloaded", what="tls")
        assert UNAVAILABLE == refusal(server, first)
        capabilities(standing)


def test_a_certificate_without_its_key_leaves_the_last_pair_in_place(tmp_path: Path) -> None:
    """Half of a pair replaced is told in the log, and harms nobody; the other half mends it."""
    first, second = Authority("first"), Authority("second")
    files = Files(tmp_path, first)
    key, cert = second.sign("server.test")
    with running(tmp_path, *files.flags) as server:
        replace(files.cert, cert)
        with server.channel(grpc.ssl_channel_credentials(first.pem)) as channel:
            capabilities(channel)
        assert str(files.cert) in server.log.wait("reload failed", what="tls")["message"]
        replace(files.key, key)
        with server.channel(grpc.ssl_channel_credentials(second.pem)) as channel:
            capabilities(channel)
        assert 1 == len(server.log.find("reload failed"))


def test_mutual_tls_asks_for_a_certificate_and_names_the_caller_after_it(tmp_path: Path) -> None:
    """Without a certificate of the right authority there is no connection; with one the log has its name."""
    ours, clients = Authority("ours"), Authority("clients")
    files = Files(tmp_path, ours)
    files.ca.write_bytes(clients.pem)
    with running(tmp_path, *files.flags, "--tls-client-ca", str(files.ca)) as server:
        assert "mutual" == server.log.wait("listening")["tls"]
        assert UNAVAILABLE == refusal(server, ours)
        for authority, reason in ((ours, UNAVAILABLE), (clients, None)):
            key, cert = authority.sign("builder.test")
            credentials = grpc.ssl_channel_credentials(ours.pem, key, cert)
            with server.channel(credentials) as channel:
                if reason is None:
                    capabilities(channel)
                else:
                    assert reason == error_of(lambda: capabilities(channel))
        assert "cert:builder.test" == server.log.wait("call")["caller"]


def test_every_kind_of_call_is_named_after_the_certificate_unless_a_token_names_it(tmp_path: Path) -> None:
    """Streams as well as single messages; a method that there is not is an error like any other."""
    ours = Authority("ours")
    files = Files(tmp_path, ours)
    files.ca.write_bytes(ours.pem)
    token, lines = new_token("ci")
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f"{lines}[anonymous]\nmethods = ['*']\n")
    key, cert = ours.sign("builder.test")
    flags = (*files.flags, "--tls-client-ca", str(files.ca), "--auth-tokens", str(tokens))
    with (
        running(tmp_path, *flags) as server,
        server.channel(grpc.ssl_channel_credentials(ours.pem, key, cert)) as channel,
    ):
        Upload(server, channel).finish()
        assert "cert:builder.test" == server.log.wait("call", method="Freeze")["caller"]
        capabilities(channel, [("authorization", f"Bearer {token}")])
        assert "ci" == server.log.wait("call", method="GetCapabilities")["caller"]
        unknown = channel.unary_unary("/tffreeze.v1.FreezeService/Unknown")
        assert (grpc.StatusCode.UNIMPLEMENTED, "") == error_of(lambda: unknown(b""))


def test_the_authority_of_clients_can_be_replaced(tmp_path: Path) -> None:
    """A client whose authority is taken away gets no new connection."""
    ours, before, after = Authority("ours"), Authority("before"), Authority("after")
    files = Files(tmp_path, ours)
    files.ca.write_bytes(before.pem)
    with running(tmp_path, *files.flags, "--tls-client-ca", str(files.ca)) as server:
        replace(files.ca, after.pem)
        for authority, may in ((before, False), (after, True)):
            key, cert = authority.sign("builder.test")
            with server.channel(grpc.ssl_channel_credentials(ours.pem, key, cert)) as channel:
                if may:
                    capabilities(channel)
                else:
                    assert UNAVAILABLE == error_of(lambda: capabilities(channel))


@pytest.mark.parametrize(
    ("flag", "content"),
    [("--tls-cert", b""), ("--tls-key", b"no key"), ("--tls-client-ca", b"\xff"), ("--tls-client-ca", b"")],
)
def test_bad_files_are_told_at_the_start(tmp_path: Path, flag: str, content: bytes) -> None:
    """A certificate, key or authority that is none is named by its flag, and nothing starts."""
    files = Files(tmp_path, Authority("ours"))
    bad = tmp_path / "bad.pem"
    bad.write_bytes(content)
    result = ended(tmp_path, *files.flags, flag, str(bad))
    assert exit_codes.CONFIG == result.returncode
    assert f"{flag} {bad}" in result.stderr


def test_an_encrypted_key_is_refused_without_asking_for_a_password(tmp_path: Path) -> None:
    """OpenSSL would ask at the terminal and wait."""
    from cryptography.hazmat.primitives import serialization as s  # noqa: PLC0415 - here only

    key, cert = Authority("ours").sign("server.test")
    encrypted = s.load_pem_private_key(key, None).private_bytes(
        s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret")
    )
    (tmp_path / "key.pem").write_bytes(encrypted)
    (tmp_path / "cert.pem").write_bytes(cert)
    flags = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    result = ended(tmp_path, *flags)
    assert exit_codes.CONFIG == result.returncode
    assert "is encrypted" in result.stderr
