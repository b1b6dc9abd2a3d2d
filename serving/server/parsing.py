"""Bytes that are no message end a call quietly: gRPC itself would log a traceback for each."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf import message


class ParsingInterceptor(grpc.aio.ServerInterceptor):
    """Reads the requests of all unary calls; what cannot be read is INTERNAL, as in C++."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """Puts the parsing before a handler."""
        handler: Any = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        parse, answer = handler.request_deserializer, handler.unary_unary

        async def call(content: bytes, context: grpc.aio.ServicerContext) -> Any:
            try:
                request = parse(content)
            except message.DecodeError:
                request = None
            if request is None:
                await context.abort(grpc.StatusCode.INTERNAL, "Failed to parse the request")
            return await answer(request, context)

        return grpc.unary_unary_rpc_method_handler(
            call, response_serializer=handler.response_serializer
        )
