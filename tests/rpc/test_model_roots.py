"""Model roots: read in place, never left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rpc.harness import Served, answer, failure, served
from rpc.models import DIGITS, FIXTURES, MOVING_AVERAGE, FreezeRequest, FreezeSpec, Model
from tffreeze.v1.freeze_service_pb2 import GetCapabilitiesRequest
from tffreeze.v1.model_pb2 import ModelSource

SHARD = DIGITS.names[-1]


def freeze(server: Served, source: ModelSource, outputs: tuple[str, ...] = ()) -> bytes:
    """Freeze by CONTENT."""
    spec = FreezeSpec(source=source)
    spec.options.output_nodes.extend(outputs)
    return answer(server.stub.Freeze(iter([FreezeRequest(spec=spec)]))).frozen


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A model root with a copy of each sample."""
    shutil.copytree(FIXTURES, tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """The same models again, outside of the root."""
    shutil.copytree(FIXTURES, tmp_path / "secret")
    return tmp_path / "secret"


def replace_by_link(path: Path, target: Path) -> None:
    """Put a link where a file or folder was."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    path.symlink_to(target)


@pytest.mark.parametrize(
    "name",
    [
        "digits",
        "digits/saved_model.pb",
        "digits/variables",
        f"digits/{SHARD}",
        "digits/variables/variables.index",
    ],
)
def test_links_out_of_the_root_are_not_followed(tmp_path: Path, root: Path, secret: Path, name: str) -> None:
    """A model with any part behind a link that leads out is refused, and the error names no path of the server."""
    replace_by_link(root / name, secret / name)
    with served(tmp_path, model_roots={"r": root}) as server:
        failed = failure(lambda: freeze(server, ModelSource(model_root="r", model="digits")))
        assert ("FILE_NOT_READABLE", name) == (failed.reason, failed.subject)
        assert str(tmp_path) not in failed.message


@pytest.mark.parametrize("name", MOVING_AVERAGE.names)
@pytest.mark.parametrize("checkpoint", ["model", "model.index", "", "model.data-00000-of-00001"])
def test_links_of_checkpoints(tmp_path: Path, root: Path, secret: Path, name: str, checkpoint: str) -> None:
    """So with a checkpoint, however it is called: prefix, folder or file."""
    replace_by_link(root / "moving_average" / name, secret / "moving_average" / name)
    with served(tmp_path, model_roots={"r": root}) as server:
        source = ModelSource(
            model_root="r",
            model="moving_average/model.meta",
            checkpoint=f"moving_average/{checkpoint}".rstrip("/"),
        )
        failed = failure(lambda: freeze(server, source, ("y",)))
        assert ("FILE_NOT_READABLE", f"moving_average/{name}") == (failed.reason, failed.subject)


def test_links_inside_the_root_are_followed(tmp_path: Path, root: Path, server: Served) -> None:
    """Links that stay in the root are as good as files, and loops of them do no harm."""
    (root / "stored").mkdir()
    (root / "digits/variables").rename(root / "stored/v1")
    (root / "digits/variables").symlink_to(Path("../stored/v1"))
    (root / "stored/v1/loop").symlink_to(root / "digits")
    (root / "latest").symlink_to("digits")
    expected = freeze(server, ModelSource(model_root="samples", model="digits"))
    with served(tmp_path, model_roots={"r": root}) as linked:
        assert expected == freeze(linked, ModelSource(model_root="r", model="latest"))


@pytest.mark.parametrize(
    "path", ["../secret/digits", "/etc", "digits/../../secret", "./digits", "a\\b", "digits//x"]
)
@pytest.mark.parametrize("field", ["model", "checkpoint", "saver", "op_list"])
def test_paths_stay_below(tmp_path: Path, root: Path, secret: Path, path: str, field: str) -> None:
    """Any path that is not plainly below the root is INVALID_OPTION, whether or not something is there."""
    assert secret.is_dir()
    with served(tmp_path, model_roots={"r": root}) as server:
        source = ModelSource(model_root="r", model="digits")
        setattr(source, field, path)
        failed = failure(lambda: freeze(server, source))
        assert ("INVALID_OPTION", path) == (failed.reason, failed.subject)


def test_roots_are_for_their_callers(tmp_path: Path, root: Path) -> None:
    """A caller sees and uses its own roots; another's is as if it were not there."""
    with served(tmp_path, model_roots={"mine": root, "theirs": root}) as server:
        me = [("caller", "me"), ("roots", "mine")]
        assert ["mine"] == list(
            server.stub.GetCapabilities(GetCapabilitiesRequest(), metadata=me).model_roots
        )
        for name in ("theirs", "nobodys", "", "../root"):
            spec = FreezeSpec(source=ModelSource(model_root=name, model="digits"))
            call = server.stub.Freeze(iter([FreezeRequest(spec=spec)]), metadata=me)
            failed = failure(lambda call=call: list(call))
            assert ("MODEL_ROOT_NOT_FOUND", name) == (failed.reason, failed.subject)
            assert "theirs" not in failed.message.removeprefix("The server has no model root 'theirs'")


def test_a_state_file_in_an_upload_does_not_lead_out(tmp_path: Path, secret: Path) -> None:
    """An uploaded `checkpoint` file that names a path of the server does not make it read there."""
    with served(tmp_path) as server:
        folder = tmp_path / "sent"
        folder.mkdir()
        (folder / "model.meta").write_bytes((FIXTURES / "moving_average/model.meta").read_bytes())
        for named in (secret / "moving_average/model", Path("../../../../secret/moving_average/model")):
            (folder / "checkpoint").write_text(f'model_checkpoint_path: "{named}"\n')
            model = Model(
                folder, "model.meta", ("model.meta", "checkpoint"), "checkpoint", MOVING_AVERAGE.options
            )
            failed = failure(lambda model=model: answer(server.stub.Freeze(model.requests())))
            assert failed.reason in ("CHECKPOINT_NOT_FOUND", "MALFORMED_CHECKPOINT")
