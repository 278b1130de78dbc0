"""Creates gRPC services without generated code.

Google's libraries have messages and clients only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, cast

import grpc

# The function, and the classes of its request and its answer.
Method = tuple[Callable[[Any, grpc.ServicerContext], Any], type[Any], type[Any]]


def handler(service: str, **methods: Method) -> grpc.GenericRpcHandler:
    """Returns a service with these methods, by their names in the protocol.

    Args:
        service: its full name.
        methods: methods with classes of proto-plus or protobuf.
    """
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            function, request_deserializer=_reader(request), response_serializer=_writer(answer)
        )
        for name, (function, request, answer) in methods.items()
    }
    return grpc.method_handlers_generic_handler(service, handlers)


def refuse(context: grpc.ServicerContext, code: grpc.StatusCode, message: str) -> NoReturn:
    """Ends the call with an error."""
    context.abort(code, message)
    raise AssertionError("abort raises")


def _reader(message: type[Any]) -> Callable[[bytes], Any]:
    return cast("Callable[[bytes], Any]", getattr(message, "deserialize", None) or message.FromString)


def _writer(message: type[Any]) -> Callable[[Any], bytes]:
    return cast("Callable[[Any], bytes]", getattr(message, "serialize", None) or message.SerializeToString)
