"""Messages between processes: plain JSON and file descriptors on unix sockets. Never pickle."""

import array
import json
import os
import socket
import struct
from typing import Any

MAX_MESSAGE = 180_000  # bytes; a unix packet holds about 200 kB by default
_FDS = 8


class Lost(Exception):  # noqa: N818
    """The other process is gone or does not keep to the protocol."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected packet sockets."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(sock: socket.socket, message: dict[str, Any], fds: list[int] | None = None) -> None:
    """One packet. Raises Lost where nobody listens, ValueError where it is too long."""
    data = json.dumps(message).encode()
    if len(data) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(data)} bytes")
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    try:
        sock.sendmsg([data], ancillary)
    except OSError as error:
        raise Lost(str(error)) from error


def receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One packet and the descriptors with it, close-on-exec. Raises Lost at the end, on a time-out, on garbage."""
    try:
        data, fds, _, _ = socket.recv_fds(sock, MAX_MESSAGE, _FDS)
    except OSError as error:
        raise Lost(str(error) or "time-out") from error
    try:
        message = json.loads(data)
        if not isinstance(message, dict):
            raise ValueError(type(message).__name__)
    except (ValueError, RecursionError) as error:
        for fd in fds:
            os.close(fd)
        raise Lost("garbage" if data else "end of file") from error
    return message, list(fds)


def send_stream(sock: socket.socket, message: dict[str, Any]) -> None:
    """One message of any length, on a stream socket."""
    data = json.dumps(message).encode()
    try:
        sock.sendall(struct.pack("<I", len(data)) + data)
    except OSError as error:
        raise Lost(str(error)) from error


def receive_stream(sock: socket.socket) -> dict[str, Any]:
    """What `send_stream` sent. Raises Lost."""
    message = json.loads(_exactly(sock, struct.unpack("<I", _exactly(sock, 4))[0]))
    assert isinstance(message, dict)
    return message


def _exactly(sock: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        try:
            part = sock.recv(count)
        except OSError as error:
            raise Lost(str(error) or "time-out") from error
        if not part:
            raise Lost("end of file")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
