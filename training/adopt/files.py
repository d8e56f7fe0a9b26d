"""What was brought: the files of a SavedModel, byte for byte, or those that a .keras file gives.

Whoever made them may have written anything. So no link is followed, nothing is copied that is no
part of a SavedModel, and the graph is looked at before TensorFlow loads it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from models import files
from models.errors import BrokenVersion
from models.graph import check
from training.adopt import NotAdopted, keras_file

GRAPH = "saved_model.pb"
PARTS = {GRAPH, "fingerprint.pb", "keras_metadata.pb"}
FOLDERS = ("variables/", "assets/", "assets.extra/")
WAY_OUT = (
    "Keras 2's model.save() writes the functions of training as well, and lookups keep a table "
    "beside the graph: export what answers alone, with model.export(FOLDER), and adopt that."
)


def bring(path: Path, draft: Path) -> tuple[str, ...]:
    """Put the SavedModel's files into `draft`; returns the names of those that are none of it.

    Raises NotAdopted for what is neither a SavedModel nor a .keras file, and BrokenVersion for a
    folder with links, or too much in it.
    """
    if path.is_dir():
        return _copy(path, draft)
    if path.suffix == ".keras" and path.is_file():
        keras_file.export(path, draft)
        return ()
    if not path.exists():
        raise NotAdopted(f"{files.shown(path)} does not exist.")
    raise NotAdopted(
        f"{files.shown(path)} is neither a SavedModel, a folder with a {GRAPH}, nor a .keras "
        "file: load it where it was made, and write one with model.export(FOLDER)."
    )


def _copy(path: Path, draft: Path) -> tuple[str, ...]:
    found = files.names(path)
    if GRAPH not in found:
        below = [name for name in found if name.endswith(f"/{GRAPH}")]
        hint = f"; there is one in {files.shown(path / below[0])}" if below else ""
        raise NotAdopted(f"{files.shown(path)} is no SavedModel: it has no {GRAPH}{hint}.")
    kept = [name for name in found if name in PARTS or name.startswith(FOLDERS)]
    if sum((path / name).lstat().st_size for name in kept) > files.LARGEST:
        raise NotAdopted(
            f"{files.shown(path)} has more than the {files.LARGEST:,} bytes of a version."
        )
    files.copy_checked(path, {name: files.digest(path / name) for name in kept}, draft)
    return tuple(name for name in found if name not in kept)


def parse(draft: Path) -> Any:
    """The SavedModel as TensorFlow's message, with one graph in it; raises NotAdopted."""
    try:
        found = saved_model_pb2.SavedModel.FromString(files.read(draft / GRAPH))
    except DecodeError as error:
        raise NotAdopted(f"{GRAPH} cannot be read, as when it was cut off: {error}.") from error
    if len(found.meta_graphs) != 1:
        raise NotAdopted(f"{GRAPH} holds {len(found.meta_graphs)} graphs, expected one. {WAY_OUT}")
    return found


def require_that_it_only_computes(saved_model: Any) -> None:
    """Raise NotAdopted naming the operation that may do more; nothing is executed."""
    try:
        check(saved_model, GRAPH)
    except BrokenVersion as error:
        raise NotAdopted(f"{error} {WAY_OUT}") from error


def metadata(signatures: Mapping[str, Any]) -> Mapping[str, Any]:
    """The signatures as TensorFlow Serving's REST API prints them."""
    told = {}
    for name, signature in signatures.items():
        told[name] = MessageToDict(
            signature, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        told[name].pop("defaults", None)  # it does not print these
    return told
