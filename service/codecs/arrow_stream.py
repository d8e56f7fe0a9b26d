"""Arrow IPC streams: columns without a copy. The service's requests need pyarrow only here.

What a stream says of itself is checked before it is believed: pyarrow reads buffers where
they are and as long as they are said to be. Compressed buffers are refused unread, because a
few bytes can say that they become gigabytes.
"""

import struct
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from service.codecs.columns import in_columns, require_length, require_names, to_rows
from service.errors import Fault, InvalidInput, MalformedBody
from service.serving.accepted import Accepted
from service.serving.dataplane import Prediction
from service.serving.engines import Rows

MESSAGES = 4096  # batches of 25 rows, for as many rows as may be sent
TYPES = "a column of floats or integers"


def decode(body: bytes, accepted: Accepted, max_rows: int) -> Rows:
    """Float32 [n, k] of an Arrow stream; raises MalformedBody and InvalidInput."""
    try:
        _look_through(body)
        batches = _batches(body, accepted)
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        raise MalformedBody(f"The body is not an Arrow stream: {_first_line(error)}.") from error
    require_length(sum(map(len, batches)), max_rows)
    numbers = []
    for name, expected in accepted.expected.items():
        parts = [batch.column(name) for batch in batches]
        _refuse_nulls(name, expected, parts)
        numbers.append(_joined(parts))
    places = in_columns(accepted.names)
    return to_rows(numbers, accepted, places, lambda number, row: str(numbers[number][row]))


def encode(answer: Prediction) -> bytes:
    """The answers as an Arrow stream of one record batch; its metadata has model and version."""
    source = answer.source
    batch = pa.record_batch(answer.answers())
    batch = batch.replace_schema_metadata({"model": source.model, "version": str(source.version)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def _batches(body: bytes, accepted: Accepted) -> list[Any]:
    """The record batches, every buffer held against what it is said to hold."""
    stream = pa.ipc.open_stream(body)
    require_names(stream.schema.names, accepted)
    faults = [
        Fault(field.name, TYPES, str(field.type)) for field in stream.schema if not is_plain(field)
    ]
    if faults:
        raise InvalidInput(faults)
    batches = list(stream)
    for batch in batches:
        batch.validate(full=True)
    return batches


def is_plain(field: Any) -> bool:
    """Whether a field holds numbers that mean themselves: no dictionary, no extension type."""
    numbers = pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
    return numbers and b"ARROW:extension:name" not in (field.metadata or {})


def _refuse_nulls(name: str, expected: str, parts: list[Any]) -> None:
    if any(part.null_count for part in parts):
        null = np.concatenate([part.is_null().to_numpy(zero_copy_only=False) for part in parts])
        raise InvalidInput([Fault(f"{name}[{int(null.argmax())}]", expected, "null")])


def _joined(parts: list[Any]) -> NDArray[Any]:
    return np.concatenate([part.to_numpy(zero_copy_only=False) for part in parts])


def _look_through(body: bytes) -> None:
    """Look at the messages without reading their buffers; raises MalformedBody."""
    for count, message in enumerate(pa.ipc.MessageReader.open_stream(pa.BufferReader(body))):
        if count > MESSAGES:
            raise MalformedBody(
                f"This Arrow stream has more than {MESSAGES} record batches: send larger ones."
            )
        if message.type == "record batch" and _compression(message.metadata.to_pybytes()):
            raise MalformedBody(
                "The buffers of this Arrow stream are compressed: send them as they are "
                "(in pyarrow IpcWriteOptions(compression=None), which is its default)."
            )


def _compression(metadata: bytes) -> int:
    """Where a message's RecordBatch says how it is compressed, 0 when it does not.

    Arrow's Message.fbs: the header is field 2 of Message, compression field 3 of RecordBatch.
    """
    (root,) = struct.unpack_from("<I", metadata)
    header = _field(metadata, root, 2)
    (offset,) = struct.unpack_from("<I", metadata, header)
    return _field(metadata, header + offset, 3)


def _field(buffer: bytes, table: int, number: int) -> int:
    """The position of a field of a FlatBuffers table, 0 when it is absent."""
    (back,) = struct.unpack_from("<i", buffer, table)
    vtable = table - back
    (size,) = struct.unpack_from("<H", buffer, vtable)
    slot = 4 + 2 * number
    if slot >= size:
        return 0
    (offset,) = struct.unpack_from("<H", buffer, vtable + slot)
    return table + offset if offset else 0


def _first_line(error: Exception) -> str:
    """What pyarrow says, without the trace it may put below."""
    return str(error).partition("\n")[0].rstrip(".")
