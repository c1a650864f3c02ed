"""Arrow batches -> codes: schema check, full validation, native decoding."""

from cxstream.columns.buckets import (
    BUCKETS_HALF,
    bucket_start,
    bucket_text,
    number_buckets,
    parse_edge,
    roll_up,
    to_bucket,
)
from cxstream.columns.codes import NO_BUCKET, BucketCodes, ChoiceCodes, Codes, DimensionCodes
from cxstream.columns.direct import Direct
from cxstream.columns.encode import choice_codes, code_dtype, encode
from cxstream.columns.ipc import (
    joined,
    read_batch,
    read_schema,
    read_together,
    warm_arrow,
    write_batch,
)
from cxstream.columns.native import n_sets
from cxstream.columns.pages import Pages, together
from cxstream.columns.schema import check_schema, takes_text
from cxstream.columns.stored import (
    RESERVED,
    TEXT,
    coded_schema,
    complete,
    fixed_width,
    needing_codes,
    reading,
    stored_schema,
    to_coded,
    to_stored,
)

__all__ = [
    "BUCKETS_HALF",
    "NO_BUCKET",
    "RESERVED",
    "TEXT",
    "BucketCodes",
    "ChoiceCodes",
    "Codes",
    "DimensionCodes",
    "Direct",
    "Pages",
    "bucket_start",
    "bucket_text",
    "check_schema",
    "choice_codes",
    "code_dtype",
    "coded_schema",
    "complete",
    "encode",
    "fixed_width",
    "joined",
    "n_sets",
    "needing_codes",
    "number_buckets",
    "parse_edge",
    "read_batch",
    "read_schema",
    "read_together",
    "reading",
    "roll_up",
    "stored_schema",
    "takes_text",
    "to_bucket",
    "to_coded",
    "to_stored",
    "together",
    "warm_arrow",
    "write_batch",
]
