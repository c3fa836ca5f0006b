"""Files beneath a folder: what is reached, what is refused, and that no exchange on the way leads out."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tffreeze_files import access
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.beneath import MAX_LINKS, FilesBeneath


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file at its top and one further down; a secret lies beside it."""
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "top").write_text("top")
    (root / "a/b/deep").write_text("deep")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "rooted").mkdir()
    (tmp_path / "rooted/top").write_text("secret")
    return root


def read(root: Path, name: str) -> str:
    """Read a file beneath the root."""
    descriptor = FilesBeneath(root).open(root / name)
    try:
        return os.read(descriptor, 100).decode()
    finally:
        os.close(descriptor)


def open_descriptors() -> int:
    """Count what this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("top", "top"),
        ("a/b/deep", "deep"),
        ("./a/./b//deep", "deep"),
        ("a/../top", "top"),
        ("a/b/../b/../../top", "top"),
        ("ROOT/a/b/deep", "deep"),
        ("ROOT/a/../top", "top"),
    ],
)
def test_links_that_stay_are_followed(root: Path, target: str, expected: str) -> None:
    """A link is followed while it stays: relative, with `..`, and absolute where it begins with the root's path."""
    (root / "link").symlink_to(target.replace("ROOT", str(root)))
    (root / "second").symlink_to("link")
    (root / "folder").symlink_to("a/b")
    (root / "a/b/up").symlink_to("../../second")
    for name in ("link", "second", "a/b/up", "folder/up"):
        assert expected == read(root, name)
    assert expected == (root / "link").read_text()


def test_the_root_may_be_reached_by_links(root: Path, tmp_path: Path) -> None:
    """How the operator's folder is reached is the operator's choice, and absolute links may name it either way."""
    other = tmp_path / "other"
    other.symlink_to(root)
    (root / "link").symlink_to(root / "top")
    (root / "link_by_other").symlink_to(other / "top")
    assert "top" == read(other, "link")
    assert "top" == read(other, "link_by_other")


@pytest.mark.parametrize(
    "target",
    [
        "../../secret", "b/../../../secret", "/etc/passwd", "/", "../..", "SECRET", "ROOT/../secret", "ROOTED/top",
        "../../root/top",
    ],
)  # fmt: skip
@pytest.mark.parametrize("look", ["open", "status", "names", "below"])
def test_links_that_lead_out_are_refused(root: Path, tmp_path: Path, target: str, look: str) -> None:
    """Whatever is asked of a path, a link that leads out is named, at its place, and nothing is left open."""
    for name, path in (("ROOTED", tmp_path / "rooted"), ("ROOT", root), ("SECRET", tmp_path / "secret")):
        target = target.replace(name, str(path))
    (root / "a/link").symlink_to(target)
    (root / "first").symlink_to("a/link")
    before = open_descriptors()
    beneath = FilesBeneath(root)
    for name in ("a/link", "first"):
        asked: dict[str, Callable[[], object]] = {
            "open": lambda name=name: beneath.open(root / name),
            "status": lambda name=name: beneath.status(root / name),
            "names": lambda name=name: beneath.names(root / name, 9),
            "below": lambda name=name: beneath.open(root / name / "top"),
        }
        with pytest.raises(FreezeError) as raised:
            asked[look]()
        assert (Reason.FILE_NOT_READABLE, "a/link") == (raised.value.reason, raised.value.subject)
        assert str(tmp_path) not in raised.value.message
    assert before == open_descriptors()


@pytest.mark.parametrize("path", ["/etc/passwd", "ROOT/../secret", "ROOTED/top", "relative"])
def test_paths_outside_are_refused(root: Path, tmp_path: Path, path: str) -> None:
    """A path that is not below the root is not looked for, whoever made it up."""
    real = Path(path.replace("ROOTED", str(tmp_path / "rooted")).replace("ROOT", str(root)))
    with pytest.raises(FreezeError):
        FilesBeneath(root).open(real)


def test_links_are_counted(root: Path) -> None:
    """A loop of links ends, and a chain of as many as the system follows does not matter."""
    (root / "loop").symlink_to("loop")
    (root / "0").symlink_to("top")
    for number in range(1, MAX_LINKS + 1):
        (root / str(number)).symlink_to(str(number - 1))
    for name in ("loop", str(MAX_LINKS)):
        with pytest.raises(OSError, match="Too many levels"):
            FilesBeneath(root).open(root / name)
    assert "top" == read(root, str(MAX_LINKS - 1))


def test_names_that_cannot_be(root: Path) -> None:
    """A name that is too long, or has a zero byte, and a file used as a folder, are errors of the system."""
    before = open_descriptors()
    for name in ("x" * 256, "x/" * 3000 + "x", "a\0b", "top/below", "missing", "\udc80"):
        for look in (FilesBeneath(root).open, FilesBeneath(root).status):
            with pytest.raises(OSError):  # noqa: PT011 - which one is the system's choice
                look(root / name)
    assert before == open_descriptors()


def test_what_was_found_is_found_again(root: Path) -> None:
    """The same path must give the same file: not another one, not a longer one, not a link to another one."""
    beneath = FilesBeneath(root)
    os.close(beneath.open(root / "top"))
    beneath.status(root / "top")
    handed_over = FilesBeneath(root, beneath.found)
    os.close(handed_over.open_found(root / "top"))
    with pytest.raises(FileNotFoundError):
        handed_over.open_found(root / "a/b/deep")
    with (root / "top").open("a") as stream:
        stream.write("more")
    exchanges: list[Callable[[], object]] = [
        lambda: None,
        lambda: (root / "top").write_text("tip"),
        lambda: ((root / "new").write_text("top"), (root / "new").replace(root / "top")),
        lambda: ((root / "top").unlink(), (root / "top").symlink_to("a/b/deep")),
    ]
    for number, exchange in enumerate(exchanges):
        exchange()
        if number == 1:  # the same file with the same size as before: what it holds has a checksum
            os.close(handed_over.open_found(root / "top"))
            continue
        with pytest.raises(FreezeError, match="was replaced") as raised:
            handed_over.open_found(root / "top")
        assert (Reason.FILE_NOT_READABLE, "top") == (raised.value.reason, raised.value.subject)


def test_no_exchange_leads_out(root: Path, tmp_path: Path) -> None:
    """While folder and link change places all the time, a read gives the file inside or an error, never the secret."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "deep").write_text("secret")
    (root / "a/link").symlink_to(outside)
    ended = threading.Event()

    def exchange() -> None:
        while not ended.is_set():
            (root / "a/b").rename(root / "a/kept")
            (root / "a/link").rename(root / "a/b")
            (root / "a/b").rename(root / "a/link")
            (root / "a/kept").rename(root / "a/b")

    thread = threading.Thread(target=exchange)
    thread.start()
    seen = set()
    try:
        for _ in range(3000):
            try:
                seen.add(read(root, "a/b/deep"))
            except FileNotFoundError:
                seen.add("missing")
            except NotADirectoryError:
                seen.add("exchanged")
            except FreezeError as error:
                seen.add(error.reason.name)
    finally:
        ended.set()
        thread.join()
    assert "deep" in seen
    assert seen <= {"deep", "missing", "exchanged", "FILE_NOT_READABLE"}


def test_using_is_for_one_block(root: Path) -> None:
    """Inside `using` nothing else is read, by none of the functions; after it, anything is."""
    outside = root.parent / "secret"
    with access.using(FilesBeneath(root)):
        assert ["top"] == [name for name in access.names_in(root, 9) if name != "a"]
        for look in (access.open_path, access.status, access.kind_of, lambda path: access.names_in(path, 9)):
            with pytest.raises(FreezeError):
                look(outside)
    assert access.kind_of(outside)


def test_using_is_for_every_thread(root: Path) -> None:
    """A thread that is started inside `using` reads nothing else either."""
    with access.using(FilesBeneath(root)), ThreadPoolExecutor(1) as threads, pytest.raises(FreezeError):
        threads.submit(access.open_path, root.parent / "secret").result()
