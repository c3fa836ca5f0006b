"""Tokens: who gets in, who may call what, and how a token is taken away."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.authority import replace
from server.running import SERVING, Upload, capabilities, check_health, error_of, running
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.caller import Caller
from tffreeze_server.server.auth import authenticate, certificate_name
from tffreeze_server.server.tokens import Token, Tokens, load_tokens, new_token

FREEZE = "tffreeze.v1.FreezeService/Freeze"
CAPABILITIES = "tffreeze.v1.FreezeService/GetCapabilities"
HEALTH_CHECK = "grpc.health.v1.Health/Check"

UNAUTHENTICATED = (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
PERMISSION_DENIED = (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")


def bearer(token: str) -> list[tuple[str, str]]:
    """The metadata of a caller with a token."""
    return [("authorization", f"Bearer {token}")]


def tokens_in(folder: Path, content: str) -> Tokens:
    """Read a file of tokens with this content."""
    file = folder / "tokens.toml"
    file.write_text(content)
    return load_tokens(file)


def test_a_token_lets_in_and_names_the_caller(tmp_path: Path) -> None:
    """With tokens, health needs none and everything else does; the log has the token's name and not the token."""
    token, lines = new_token("ci")
    file = tmp_path / "tokens.toml"
    file.write_text(lines)
    with running(tmp_path, "--auth-tokens", str(file)) as server, server.channel() as channel:
        assert SERVING == check_health(channel)
        assert UNAUTHENTICATED == error_of(lambda: capabilities(channel))
        assert UNAUTHENTICATED == error_of(lambda: capabilities(channel, bearer("tff_wrong")))
        capabilities(channel, bearer(token))
        assert "ci" == server.log.wait("call", reason="OK")["caller"]
        refused = server.log.wait("call", 2, reason="UNAUTHENTICATED")
        assert "GetCapabilities" == refused["method"]
        assert token not in json.dumps(server.log.events)


def test_a_refused_call_is_refused_before_it_sends(tmp_path: Path) -> None:
    """A stream without right ends though its client has sent nothing, and knows the id of the request."""
    _, lines = new_token("ci")
    file = tmp_path / "tokens.toml"
    file.write_text(lines)
    with running(tmp_path, "--auth-tokens", str(file)) as server, server.channel() as channel:
        call = channel.stream_stream(f"/{FREEZE}")(never(), metadata=[("tffreeze-request-id", "mine")])
        assert UNAUTHENTICATED == error_of(lambda: next(call))
        assert "mine" == dict(call.initial_metadata())["tffreeze-request-id"]
        assert "mine" == server.log.wait("call")["request_id"]


def test_a_token_that_is_taken_away_lets_in_no_more(tmp_path: Path) -> None:
    """The next call is refused; the one that runs goes on to its end; the other token holds."""
    (first, first_lines), (second, second_lines) = new_token("first"), new_token("second")
    file = tmp_path / "tokens.toml"
    file.write_text(first_lines + second_lines)
    with running(tmp_path, "--auth-tokens", str(file)) as server, server.channel() as channel:
        upload = Upload(server, channel, bearer(first))
        replace(file, second_lines.encode())
        assert UNAUTHENTICATED == error_of(lambda: capabilities(channel, bearer(first)))
        server.log.wait("reloaded", what="tokens")
        capabilities(channel, bearer(second))
        assert upload.graph in upload.finish()


def test_a_slip_of_the_pen_leaves_the_last_tokens_in_place(tmp_path: Path) -> None:
    """A file that cannot be read as tokens is told in the log; nobody is locked out."""
    token, lines = new_token("ci")
    file = tmp_path / "tokens.toml"
    file.write_text(lines)
    with running(tmp_path, "--auth-tokens", str(file)) as server, server.channel() as channel:
        replace(file, lines.replace("sha256", "sha265").encode())
        capabilities(channel, bearer(token))
        assert "sha265" in server.log.wait("reload failed", what="tokens")["message"]


def test_a_token_may_call_what_its_methods_say(tmp_path: Path) -> None:
    """Rules are patterns of method names; reflection is one of them."""
    token, lines = new_token("probe")
    file = tmp_path / "tokens.toml"
    file.write_text(lines + f'methods = ["{CAPABILITIES}"]\n')
    with running(tmp_path, "--auth-tokens", str(file)) as server, server.channel() as channel:
        capabilities(channel, bearer(token))
        for method in (FREEZE, "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "no.Such/Method"):
            call = channel.stream_stream(f"/{method}")(never(), metadata=bearer(token))
            assert PERMISSION_DENIED == error_of(lambda: next(call))  # noqa: B023 - called here
        assert ["Freeze", "other", "other"] == [
            server.log.wait("call", count, reason="PERMISSION_DENIED")["method"] for count in (1, 2, 3)
        ]


def test_a_token_may_use_the_model_roots_that_are_named(tmp_path: Path) -> None:
    """Other roots are not told of."""
    token, lines = new_token("ci")
    file = tmp_path / "tokens.toml"
    file.write_text(lines + 'model_roots = ["a"]\n')
    roots = [f"--model-root={name}={folder(tmp_path, name)}" for name in ("a", "b")]
    with running(tmp_path, "--auth-tokens", str(file), *roots) as server, server.channel() as channel:
        assert ["a"] == list(capabilities(channel, bearer(token)).model_roots)


def test_anybody_may_call_what_anonymous_says() -> None:
    """What stands under [anonymous] needs no token, and replaces the default."""
    tokens = Tokens((), (CAPABILITIES,))
    assert authenticate(tokens, CAPABILITIES, None) is None
    with pytest.raises(FreezeError) as caught:
        authenticate(tokens, HEALTH_CHECK, None)
    assert Reason.UNAUTHENTICATED is caught.value.reason


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer " + "x" * 513, "tff_abc"])
def test_what_is_no_bearer_token_is_refused(header: str) -> None:
    """Headers of other kinds, empty and endless ones."""
    with pytest.raises(FreezeError) as caught:
        authenticate(Tokens(()), FREEZE, header)
    assert Reason.UNAUTHENTICATED is caught.value.reason


def test_a_good_token_of_another_scheme_is_refused() -> None:
    """Whoever says `Digest` means something else."""
    token, lines = new_token("ci")
    tokens = Tokens((Token("ci", bytes.fromhex(lines.split('"')[3])),))
    assert Caller("ci") == authenticate(tokens, FREEZE, f"BEARER {token}")
    with pytest.raises(FreezeError, match="is not `Bearer TOKEN`"):
        authenticate(tokens, FREEZE, f"Digest {token}")


def test_two_tokens_may_have_one_name(tmp_path: Path) -> None:
    """So that a token can be replaced without a gap."""
    (first, first_lines), (second, second_lines) = new_token("ci"), new_token("ci")
    tokens = tokens_in(tmp_path, first_lines + second_lines)
    callers = {authenticate(tokens, FREEZE, f"bearer {token}") for token in (first, second)}
    assert {Caller("ci")} == callers


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("token = 1", "[[token]]"),
        ("[[token]]", "`name`"),
        ("[[token]]\nname = 'a b'", "`name`"),
        ("[[token]]\nname = 'a'", "`sha256`"),
        ("[[token]]\nname = 'a'\nsha256 = 'AB'", "`sha256`"),
        (f"[[token]]\nname = 'a'\nsha256 = '{'0' * 64}'\nmethods = 'x'", "`methods`"),
        (f"[[token]]\nname = 'a'\nsha256 = '{'0' * 64}'\nmethods = ['Freeze']", "`methods`"),
        (f"[[token]]\nname = 'a'\nsha256 = '{'0' * 64}'\nmodel_roots = 1", "`model_roots`"),
        (f"[[token]]\nname = 'a'\nsha256 = '{'0' * 64}'\n" * 2, "same sha256"),
        ("anonymous = 1", "[anonymous]"),
        ("[anonymous]\nmethod = []", "'method'"),
        ("users = 1", "'users'"),
        ("[[token", "Expected"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, content: str, part: str) -> None:
    """Whole sentences, with the flag and the entry."""
    with pytest.raises(ValueError, match="--auth-tokens") as caught:
        tokens_in(tmp_path, content)
    assert part in str(caught.value)


def test_a_file_that_is_not_there_or_too_large_is_named(tmp_path: Path) -> None:
    """So is a folder."""
    (tmp_path / "large").write_bytes(b"#" * (2 << 20))
    for name in ("none", "large", "."):
        with pytest.raises(ValueError, match="--auth-tokens"):
            load_tokens(tmp_path / name)


@given(st.text(st.characters(), max_size=200))
def test_any_token_is_found_by_its_hash_only(presented: str) -> None:
    """Whatever is presented, lone surrogates too, is no error; the hash itself is not a token."""
    token, lines = new_token("ci")
    digest = lines.split('"')[3]
    tokens = Tokens((Token("ci", bytes.fromhex(digest)),))
    assert (presented == token) == (tokens.find(presented) is not None)
    assert tokens.find(digest) is None
    assert tokens.find(token) is not None


def test_the_name_of_a_certificate_is_bounded_and_printable() -> None:
    """Its first alternative name, else its common name; what is not printable is no name."""
    names = {"x509_subject_alternative_name": [b"a\nb", b"ci.test"], "x509_common_name": [b"common"]}
    assert "cert:ci.test" == certificate_name(names)
    assert "cert:common" == certificate_name({"x509_common_name": [b"common"]})
    assert "" == certificate_name({"x509_common_name": [b"\xff\n"]})


def never():  # noqa: ANN201 - an iterator of messages
    """Send nothing, and do not end."""
    import threading  # noqa: PLC0415 - here only

    threading.Event().wait(60)
    yield b""


def folder(parent: Path, name: str) -> Path:
    """Make a folder."""
    made = parent / name
    made.mkdir()
    return made
