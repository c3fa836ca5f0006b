"""The files that a SavedModel brings along for its graph (vocabularies and the like)."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.node import full_tensor_name
from tffreeze_server.parse import parse
from tffreeze_server.tfproto.saved_model_pb2 import AssetFileDef, MetaGraphDef

_COLLECTION = "saved_model_assets"


def assets(meta_graph: MetaGraphDef) -> dict[str, str]:
    """File name below `assets/` by the name of the tensor (`node:index`) that a loader feeds its path to.

    Older models list their assets in a collection, newer ones in `asset_file_def`, many in both; a loader
    takes the latter (tensorflow/cc/saved_model/loader_util.cc, GetAssetFileDefs).

    Raises:
        FreezeError: MALFORMED_MODEL for a file name that leads out of `assets/`.

    """
    found = list(meta_graph.asset_file_def) or list(_listed(meta_graph))
    return {full_tensor_name(asset.tensor_info.name): _checked(asset.filename) for asset in found}


def _listed(meta_graph: MetaGraphDef) -> Iterator[AssetFileDef]:
    if _COLLECTION not in meta_graph.collection_def:
        return
    for packed in meta_graph.collection_def[_COLLECTION].any_list.value:
        try:
            yield parse(AssetFileDef, packed.value)
        except DecodeError:
            raise _malformed("an asset that cannot be read", _COLLECTION) from None


def _checked(filename: str) -> str:
    """A name of a file below `assets/`, in it or in a folder of it."""
    parts = filename.split("/")
    if "\\" in filename or "\0" in filename or any(part in {"", ".", ".."} for part in parts):
        raise _malformed(f"an asset file name that leads out of its folder: {filename!r}", filename)
    return filename


def _malformed(what: str, subject: str) -> FreezeError:
    return FreezeError(Reason.MALFORMED_MODEL, f"The SavedModel names {what}.", subject=subject)
