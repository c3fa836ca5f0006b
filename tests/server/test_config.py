"""Configuration: where values come from, which ones win, and how wrong ones are told."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.running import ended
from tffreeze_server.rpc.limits import CallSettings
from tffreeze_server.server import exit_codes
from tffreeze_server.server.config import (
    ConfigError,
    is_loopback,
    listening_address,
    parse_settings,
    read_raw,
    retired,
)
from tffreeze_server.server.flags import FLAGS, RETIRED, ServerSettings
from tffreeze_server.server.main import main, parser


def settings(flags: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> ServerSettings:
    """Read a configuration."""
    return parse_settings(read_raw(parser().parse_args(flags), environment or {}))


def problems(flags: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """What is said of a configuration that is wrong."""
    with pytest.raises(ConfigError) as caught:
        settings(flags, environment)
    return "\n".join(caught.value.problems)


def test_every_setting_has_a_flag_and_every_flag_a_setting() -> None:
    """One table; limits on calls too, with the defaults they have without a server."""
    flags = {flag.field for flag in FLAGS}
    process = {field.name for field in dataclasses.fields(ServerSettings)} - {"calls"}
    calls = {field.name for field in dataclasses.fields(CallSettings)}
    assert flags == process | calls
    assert CallSettings(settings().calls.spool_dir) == settings().calls


def test_a_planner_needs_room_for_its_program() -> None:
    """A limit below that would lose every planner at its start; 0 is none."""
    assert "--max-planner-memory-bytes" in problems(["--max-planner-memory-bytes", "100MiB"])
    assert 0 == settings(["--max-planner-memory-bytes", "0"]).calls.max_planner_memory_bytes


def test_defaults_are_what_their_parsers_accept() -> None:
    """No default is out of its own range."""
    for flag in FLAGS:
        if flag.default not in (None, {}):
            value = str(flag.default) if isinstance(flag.default, Path) else flag.default
            assert flag.default == flag.parse(value), flag.name


DAY = 86_400

RANGES: dict[str, tuple[int, int]] = {
    "port": (0, 65_535),
    "workers": (1, 256),
    "drain-seconds": (0, DAY),
    "keepalive-seconds": (1, DAY),
    "keepalive-timeout-seconds": (1, 3600),
    "min-client-ping-seconds": (1, DAY),
    "max-connection-idle-seconds": (0, DAY),
    "max-connection-age-seconds": (0, DAY),
    "max-connection-calls": (1, 1 << 20),
    "metrics-port": (0, 65_535),
    "max-upload-bytes": (0, 1 << 50),
    "max-upload-files": (1, 1_000_000),
    "max-file-name-bytes": (1, 4096),
    "max-chunk-bytes": (1, 2 << 20),
    "max-content-chunk-bytes": (1, 1 << 20),
    "max-result-bytes": (1, (2 << 30) - 1),
    "max-jobs": (1, 100_000),
    "max-queued-jobs": (0, 100_000),
    "max-jobs-per-caller": (0, 100_000),
    "max-uploads": (1, 100_000),
    "planning-processes": (1, 64),
    "max-planner-memory-bytes": (0, 1 << 40),
    "max-planning-cpu-seconds": (0, DAY),
    "max-planning-seconds": (0, DAY),
    "max-spool-bytes": (0, 1 << 50),
    "max-spool-bytes-per-caller": (0, 1 << 50),
    "max-call-seconds": (0, 7 * DAY),
    "max-idle-seconds": (1, DAY),
    "min-bytes-per-second": (0, 1 << 30),
    "retry-after-seconds": (0, 3600),
}


def test_every_number_has_its_range() -> None:
    """Both ends of it are accepted, what lies beyond is not; no other flag takes a number."""
    for flag in FLAGS:
        low, high = RANGES.get(flag.name, (0, 0))
        if flag.name not in RANGES:
            assert not isinstance(flag.default, int | float) or isinstance(flag.default, bool), flag.name
            continue
        assert (low, high) == (flag.parse(low), flag.parse(str(high))), flag.name
        for beyond in (low - 1, high + 1):
            with pytest.raises(ValueError, match=f"a.* number.* from {low} to {high}"):
                flag.parse(beyond)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """Each source has the same names."""
    file = tmp_path / "server.toml"
    file.write_text("port = 1\nmax-uploads = 2\nmax-jobs = 3\n")
    environment = {"TFFREEZE_SERVE_MAX_UPLOADS": "4", "TFFREEZE_SERVE_MAX_JOBS": "5", "OTHER": "6"}
    result = settings(["--config", str(file), "--max-jobs", "7"], environment)
    assert (1, 4, 7) == (result.port, result.calls.max_uploads, result.calls.max_jobs)
    by_variable = settings((), {"TFFREEZE_SERVE_CONFIG": str(file)})
    assert 1 == by_variable.port


def test_every_form_of_a_value_is_read(tmp_path: Path) -> None:
    """Sizes with units, switches, and model roots as flags, as lines and as a table."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    roots = {"a": tmp_path / "a", "b": tmp_path / "b"}
    texts = [f"{name}={folder}" for name, folder in roots.items()]
    file = tmp_path / "server.toml"
    lines = "\n".join(f"{name} = '{folder}'" for name, folder in roots.items())
    file.write_text(f"reflection = false\nmax-upload-bytes = '1GiB'\n[model-root]\n{lines}\n")
    from_file = settings(["--config", str(file)])
    assert (False, 1 << 30) == (from_file.reflection, from_file.calls.max_upload_bytes)
    assert roots == from_file.calls.model_roots
    assert roots == settings([f"--model-root={text}" for text in texts]).calls.model_roots
    assert roots == settings((), {"TFFREEZE_SERVE_MODEL_ROOT": "\n".join(texts)}).calls.model_roots
    assert settings(["--config", str(file), "--reflection"]).reflection
    assert not settings((), {"TFFREEZE_SERVE_REFLECTION": "false"}).reflection


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (["--port", "65536"], "--port 65536: is not a whole number from 0 to 65535."),
        (["--port", "x"], "--port x: is not a whole number"),
        (["--drain-seconds", "nan"], "--drain-seconds nan: is not a number from 0"),
        (["--max-upload-bytes", "1GB"], "--max-upload-bytes 1GB: is not a number of bytes"),
        (["--max-result-bytes", "3GiB"], "--max-result-bytes 3GiB: is not a number of bytes from 1 to"),
        (["--model-root", "a=/x:b=/y"], "is not a folder. Several roots stand on lines of their own."),
        (["--log-format", "xml"], "--log-format xml: is not text or json."),
        (["--host", ""], "--host '': is not a text"),
        (["--model-root", "a"], "--model-root a: is not NAME=DIR"),
        (["--model-root", "a b=/"], "--model-root a b=/: is not NAME=DIR"),
        (["--model-root", "a=/", "--model-root", "a=/"], "is there twice"),
        (["--model-root", "a=/nowhere"], "--model-root a=/nowhere: is not a folder."),
        (["--host", "0.0.0.0"], "--insecure"),
        (["--host", "builder.test"], "--insecure"),
        (["--tls-cert", "/c"], "--tls-cert: needs --tls-key too."),
        (["--tls-key", "/k"], "--tls-key: needs --tls-cert too."),
        (["--tls-client-ca", "/a"], "--tls-client-ca: needs --tls-cert and --tls-key too."),
        (["--auth-tokens", "/nowhere"], "--auth-tokens /nowhere: cannot be read"),
        (["--unix-socket", "/s", "--port-file", "/p"], "--port-file: there is no port"),
        (["--port-file", "/nowhere/p"], "--port-file /nowhere/p: its folder is not there."),
        (["--metrics-port-file", "/p"], "--metrics-port-file: needs --metrics-port too."),
        (["--port", "7", "--metrics-port", "7"], "--metrics-port 7: is the --port of the server."),
        (
            ["--max-spool-bytes", "1MiB"],
            "--max-upload-bytes 8589934592: is more than --max-spool-bytes 1048576.",
        ),
        (
            ["--max-spool-bytes-per-caller", "1MiB"],
            "--max-upload-bytes 8589934592: is more than --max-spool-bytes-per-caller 1048576.",
        ),
        (["--config", "/nowhere.toml"], "--config /nowhere.toml: cannot be read"),
    ],
)
def test_what_is_wrong_is_told_with_its_flag(flags: list[str], part: str) -> None:
    """Whole sentences: what was given, and what would be right."""
    assert part in problems(flags)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """And where each value came from."""
    told = problems(["--port", "x"], {"TFFREEZE_SERVE_MAX_JOBS": "0"})
    assert "--port x: is not" in told
    assert "--max-jobs 0 (from TFFREEZE_SERVE_MAX_JOBS): is not" in told


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"ports = 1", "Did you mean 'port'"),
        (b"port = true", "--port True (from"),
        (b"port = 1.5", "--port 1.5 (from"),
        (b"[port]", "--port {} (from"),
        (b"insecure = 1", "--insecure 1 (from"),
        (b"[model-root]\na = 1", "--model-root"),
        (b"port", "is not TOML"),
        (b"\xff", "is not TOML"),
        (b"#" * (2 << 20), "is larger than"),
    ],
)
def test_a_bad_file_is_told_with_its_name(tmp_path: Path, content: bytes, part: str) -> None:
    """Unknown names with the closest known one, wrong types, and what is no TOML."""
    file = tmp_path / "server.toml"
    file.write_bytes(content)
    told = problems(["--config", str(file)])
    assert part in told
    assert str(file) in told


@pytest.mark.parametrize("name", RETIRED)
def test_a_retired_setting_is_accepted_with_a_warning(name: str, tmp_path: Path) -> None:
    """From each source; it changes nothing."""
    file = tmp_path / "server.toml"
    file.write_text(f"{name} = 5\n")
    variable = "TFFREEZE_SERVE_" + name.replace("-", "_").upper()
    for flags, environment, origin in (
        ([f"--{name}", "5"], {}, ""),
        ([], {variable: "5"}, f" (from {variable})"),
        (["--config", str(file)], {}, f" (from {file})"),
    ):
        raw = read_raw(parser().parse_args(flags), environment)
        [warning] = retired(raw)
        assert warning.startswith(f"--{name}{origin}: is no longer a setting")
        assert warning.endswith(f"{RETIRED[name]}.")
        assert settings() == parse_settings(raw)


def test_a_retired_setting_does_not_stop_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    """The warning is on stderr; the effective configuration does not show it."""
    assert exit_codes.OK == main(["--check-config", "--max-chunk-bytes", "1"])
    captured = capsys.readouterr()
    assert "--max-chunk-bytes: is no longer a setting" in captured.err
    assert "max-chunk-bytes" not in captured.out


def test_an_unknown_variable_is_told() -> None:
    """A typo is an error."""
    assert "TFFREEZE_SERVE_PORT" in problems((), {"TFFREEZE_SERVE_PROT": "1"})


@given(
    st.sampled_from(FLAGS),
    st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.text())),
)
def test_any_value_is_read_or_refused(flag, value) -> None:  # noqa: ANN001 - anything
    """No value makes a parser fail in any other way."""
    with contextlib.suppress(ValueError):
        flag.parse(value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.evil.test", False),
        ("127.0.0.1.evil.test", False),
    ],
)
def test_loopback_is_known_by_its_address(host: str, loopback: bool) -> None:
    """Names are not resolved to find out."""
    assert loopback == is_loopback(host)


def test_addresses_are_as_grpc_wants_them() -> None:
    """IPv6 in brackets, however it was given."""
    assert "127.0.0.1:5" == listening_address(settings(["--port", "5"]))
    for host in ("::1", "[::1]"):
        assert "[::1]:5" == listening_address(settings(["--port", "5", "--host", host]))
    assert "unix:/s" == listening_address(settings(["--unix-socket", "/s"]))


def test_check_config_shows_every_setting_and_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    """And starts nothing."""
    assert exit_codes.OK == main(["--check-config", "--drain-seconds", "7"])
    shown = capsys.readouterr().out
    for flag in FLAGS:
        assert f"--{flag.name} " in shown
    line = next(line for line in shown.splitlines() if "--drain-seconds" in line)
    assert ["--drain-seconds", "7.0", "(from the command line)"] == line.split(maxsplit=2)


def test_check_config_fails_for_a_wrong_one(capsys: pytest.CaptureFixture[str]) -> None:
    """With the exit code for scripts, and what is wrong on stderr."""
    assert exit_codes.CONFIG == main(["--check-config", "--host", "0.0.0.0"])
    captured = capsys.readouterr()
    assert "" == captured.out
    assert "--host 0.0.0.0" in captured.err


def test_a_new_token_is_shown_with_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The token alone on stdout; the lines for the file on stderr."""
    assert exit_codes.OK == main(["--new-token", "ci"])
    captured = capsys.readouterr()
    assert captured.out.startswith("tff_")
    assert '[[token]]\nname = "ci"\nsha256 = "' in captured.err
    assert captured.out.strip() not in captured.err
    assert exit_codes.CONFIG == main(["--new-token", "a b"])


def test_an_unknown_flag_is_an_error_of_usage(tmp_path: Path) -> None:
    """Prefixes of flags are unknown too."""
    for flag in ("--prot=1", "--drain=1"):
        result = ended(tmp_path, flag)
        assert exit_codes.CONFIG == result.returncode
        assert flag in result.stderr
