"""Model roots: read in place, never left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rpc.harness import Served, answer, failure, served
from rpc.models import DIGITS, FIXTURES, MOVING_AVERAGE, WITH_ASSET, FreezeRequest, FreezeSpec, Model
from tffreeze.v1.freeze_service_pb2 import GetCapabilitiesRequest, InspectRequest, InspectSpec
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


def write_model_with_asset(folder: Path) -> None:
    """A SavedModel that gives the path of its asset."""
    (folder / "assets").mkdir(parents=True)
    (folder / "assets/words.txt").write_text("one two")
    (folder / "saved_model.pbtxt").write_text(WITH_ASSET)


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


@pytest.mark.parametrize("name", ["variables", *DIGITS.names[1:]])
def test_what_lies_beside_a_named_file(tmp_path: Path, root: Path, secret: Path, name: str) -> None:
    """A SavedModel named by its file is no way around: its checkpoint beside it may not lead out either."""
    replace_by_link(root / "digits" / name, secret / "digits" / name)
    with served(tmp_path, model_roots={"r": root}) as server:
        failed = failure(lambda: freeze(server, ModelSource(model_root="r", model="digits/saved_model.pb")))
        assert ("FILE_NOT_READABLE", f"digits/{name}") == (failed.reason, failed.subject)


@pytest.mark.parametrize("name", ["ck.index", "ck.data-00000-of-00001"])
def test_an_index_beside_a_folder_of_its_name(tmp_path: Path, root: Path, secret: Path, name: str) -> None:
    """Nor is a folder with the name of a checkpoint's prefix."""
    folder = root / "moving_average"
    for kept in ("index", "data-00000-of-00001"):
        (folder / f"model.{kept}").rename(folder / f"ck.{kept}")
    (folder / "ck").mkdir()
    replace_by_link(folder / name, secret / "moving_average" / name.replace("ck", "model"))
    with served(tmp_path, model_roots={"r": root}) as server:
        for checkpoint in ("moving_average/ck", "moving_average/ck.index"):
            source = ModelSource(model_root="r", model="moving_average/model.meta", checkpoint=checkpoint)
            failed = failure(lambda source=source: freeze(server, source, ("y",)))
            assert ("FILE_NOT_READABLE", f"moving_average/{name}") == (failed.reason, failed.subject)


@pytest.mark.parametrize(
    "checkpoint", ["graph_v1/model", "graph_v1", "sharded/model", "sharded/model-?????-of-00001"]
)
def test_links_of_v1_checkpoints(tmp_path: Path, root: Path, secret: Path, checkpoint: str) -> None:
    """A V1 table, one of its shards, and the table that a state file names, may not lead out."""
    (root / "sharded").mkdir()
    (root / "sharded/model-00000-of-00001").symlink_to(secret / "graph_v1/model")
    replace_by_link(root / "graph_v1/model", secret / "graph_v1/model")
    with served(tmp_path, model_roots={"r": root}) as server:
        source = ModelSource(model_root="r", model="graph_v1/graph.pbtxt", checkpoint=checkpoint)
        failed = failure(lambda: freeze(server, source, ("y",)))
        link = "sharded/model-00000-of-00001" if "sharded" in checkpoint else "graph_v1/model"
        assert ("FILE_NOT_READABLE", link) == (failed.reason, failed.subject)


def test_state_files(tmp_path: Path, root: Path, secret: Path) -> None:
    """A state file may neither lead out, nor name a folder that does."""
    (root / "state").mkdir()
    (root / "state/checkpoint").symlink_to(secret / "moving_average/checkpoint")
    (root / "named").mkdir()
    (root / "named/checkpoint").write_text('model_checkpoint_path: "below/model"\n')
    (root / "named/below").symlink_to(secret / "moving_average")
    with served(tmp_path, model_roots={"r": root}) as server:
        for checkpoint, link in (("state", "state/checkpoint"), ("named", "named/below")):
            source = ModelSource(model_root="r", model="moving_average/model.meta", checkpoint=checkpoint)
            failed = failure(lambda source=source: freeze(server, source, ("y",)))
            assert ("FILE_NOT_READABLE", link) == (failed.reason, failed.subject)


@pytest.mark.parametrize("field", ["model", "saver", "op_list", "checkpoint"])
def test_every_path_that_is_named(tmp_path: Path, root: Path, secret: Path, field: str) -> None:
    """Whatever a caller may name: a link out is refused, for Freeze and for Inspect, and so is a file below one."""
    (root / "link").symlink_to(secret)
    with served(tmp_path, model_roots={"r": root}) as server:
        for path in ("link", "link/digits/saved_model.pb", "link/nothing"):
            source = ModelSource(model_root="r", model="digits")
            setattr(source, field, path)
            failed = failure(lambda source=source: freeze(server, source))
            assert ("FILE_NOT_READABLE", "link") == (failed.reason, failed.subject)
            if field == "checkpoint":
                continue  # what stands in the way of a freeze is part of what Inspect tells
            request = InspectRequest(spec=InspectSpec(source=source))
            failed = failure(lambda request=request: server.stub.Inspect(iter([request])))
            assert ("FILE_NOT_READABLE", "link") == (failed.reason, failed.subject)


@pytest.mark.parametrize("name", ["assets", "assets/words.txt"])
def test_links_of_assets(tmp_path: Path, root: Path, secret: Path, name: str) -> None:
    """An asset that a SavedModel would bring along may not lead out either; inside, it is sent."""
    write_model_with_asset(root / "words")
    write_model_with_asset(secret / "words")
    with served(tmp_path, model_roots={"r": root}) as server:
        spec = FreezeSpec(source=ModelSource(model_root="r", model="words"))
        spec.options.as_saved_model = True
        assert b"one two" == answer(server.stub.Freeze(iter([FreezeRequest(spec=spec)]))).files[1]
        replace_by_link(root / "words" / name, secret / "words" / name)
        failed = failure(lambda: answer(server.stub.Freeze(iter([FreezeRequest(spec=spec)]))))
        assert ("FILE_NOT_READABLE", f"words/{name}") == (failed.reason, failed.subject)


def test_stray_links_do_no_harm(tmp_path: Path, root: Path, secret: Path) -> None:
    """A link out that a freeze does not read stands in nobody's way, and shows nothing of where it leads."""
    (root / "digits/notes").symlink_to(secret)
    (root / "stray").symlink_to(secret / "digits")
    with served(tmp_path, model_roots={"r": root}) as server:
        freeze(server, ModelSource(model_root="r", model="digits"))
        failed = failure(lambda: freeze(server, ModelSource(model_root="r", model="moving_average")))
        assert "MODEL_NOT_FOUND" == failed.reason
        failed = failure(lambda: freeze(server, ModelSource(model_root="r", model="digits/nothing")))
        assert "MODEL_NOT_FOUND" == failed.reason


@pytest.mark.parametrize("path", ["x" * 256, "/".join(["x" * 255] * 17), "ä" * 128])
@pytest.mark.parametrize("field", ["model", "checkpoint", "saver", "op_list"])
def test_names_that_no_file_has(server: Served, path: str, field: str) -> None:
    """A name that is too long for a file system is INVALID_OPTION."""
    source = ModelSource(model_root="samples", model="digits")
    setattr(source, field, path)
    failed = failure(lambda: freeze(server, source))
    assert "INVALID_OPTION" == failed.reason
    assert len(failed.message) < 1000


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
