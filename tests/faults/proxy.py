"""A TCP proxy that can be slow, swallow everything, break connections and refuse new ones."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any

_CHUNK = 64 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Proxy:
    """Stands between clients and one server, on loopback.

    Args:
        port: where clients connect.
        target: the server's port.
    """

    def __init__(self, port: int, target: int) -> None:
        self._port, self._target = port, target
        self._latency_s = 0.0
        self._left: int | None = None
        self._connections: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy {port}", daemon=True)

    def begin(self) -> None:
        """Returns when clients can connect."""
        self._thread.start()
        self._do(self._listen())

    def end(self) -> None:
        """Breaks all connections and takes no more."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def slow(self, seconds: float) -> None:
        """Delays what passes, in both directions, by so many seconds a chunk; 0 ends that."""
        self._latency_s = seconds

    def swallow(self) -> None:
        """From now on nothing passes, and nobody is told; ``heal`` ends that."""
        self._loop.call_soon_threadsafe(self._passing.clear)

    def reset(self) -> None:
        """Resets every connection; new ones are taken."""
        self._do(self._reset())

    def reset_after(self, size: int) -> None:
        """Resets every connection as soon as clients have sent or got so many bytes more, in mid-message as may be."""
        self._left = size

    def cut(self) -> None:
        """Resets every connection and refuses new ones; ``heal`` ends that."""
        self._do(self._refuse())

    def heal(self) -> None:
        """Lets everything pass as it comes; what was swallowed before has waited."""
        self._latency_s, self._left = 0.0, None
        self._do(self._listen())

    def was_reset(self) -> bool:
        """Returns whether what ``reset_after`` waits for has come."""
        return self._left is None

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        self._passing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    async def _end(self) -> None:
        await self._refuse()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _reset(self) -> None:
        for pair in list(self._connections):
            for writer in pair:
                peer: socket.socket = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, back)
        self._connections.add(pair)
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            self._connections.discard(pair)
            writer.close()
            back.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self._passing.wait()
                if self._latency_s:
                    await asyncio.sleep(self._latency_s)
                if self._left is not None:
                    chunk, self._left = chunk[: self._left], self._left - len(chunk)
                writer.write(chunk)
                await writer.drain()
                if self._left is not None and self._left <= 0:
                    self._left = None
                    await self._reset()
            writer.write_eof()
