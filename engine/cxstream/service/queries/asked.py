"""What answers a request of QueryService."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from cxstream.answers import OnRows
from cxstream.engine import Engine

#: By class of request: what makes the bytes of a response, of engine, request, and whom to tell how
#: far it is.
Asked = dict[type[Message], Callable[[Engine, Any, OnRows], bytes]]
