"""Batches as a client writes them: a schema message, and a body without it."""

import io
import struct

import pyarrow as pa
import pyarrow.ipc


def encapsulated(data):
    """Cut an IPC stream into its messages, the end-of-stream marker last where there is one."""
    out, at = [], 0
    while at < len(data):
        size = struct.unpack_from("<i", data, at + 4)[0]
        if size == 0:
            out.append(data[at : at + 8])
            at += 8
            continue
        message = pa.ipc.read_message(pa.py_buffer(data[at:]))
        body = message.body.size if message.body is not None else 0
        out.append(data[at : at + 8 + size + body])
        at += 8 + size + body
    return out


def write(batch, *more, eos=False, **options):
    """Return (schema message, body) of a batch."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for one in (batch, *more):
            writer.write_batch(one)
    messages = encapsulated(sink.getvalue())
    return messages[0], b"".join(messages[1 : None if eos else -1])
