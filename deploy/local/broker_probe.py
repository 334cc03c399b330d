"""Probes a Kafka broker in its own protocol: whether it serves, and which cluster it belongs to.

Owns one request and its answer: Metadata version 2, the smallest that names the cluster. An open
port is not enough: a broker listens before its controller has accepted it, and a foreign process
may have taken the port. Uses a plain socket so that this package needs no Kafka client.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_METADATA = 3
_VERSION = 2
_CLIENT = b"xuelian-probe"
_PATIENCE_S = 2.0
_ANSWER_LIMIT_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The cluster as one broker sees it; `nodes` are the brokers that it has accepted."""

    cluster_id: str | None
    nodes: frozenset[int]


def find_metadata(port: int) -> Metadata | None:
    """Return the metadata of the broker on 127.0.0.1:`port`; None without an answer from Kafka."""
    body = struct.pack(">hhih", _METADATA, _VERSION, 1, len(_CLIENT)) + _CLIENT
    body += struct.pack(">i", 0)  # no topics: only the brokers are asked for
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as link:
            link.sendall(struct.pack(">i", len(body)) + body)
            (length,) = struct.unpack(">i", _read(link, 4))
            if not 0 < length <= _ANSWER_LIMIT_BYTES:
                return None
            return _parse(_Cursor(_read(link, length)))
    except (OSError, EOFError, struct.error, UnicodeDecodeError):
        return None


def _read(link: socket.socket, size: int) -> bytes:
    held = b""
    while len(held) < size:
        piece = link.recv(size - len(held))
        if not piece:
            raise EOFError
        held += piece
    return held


class _Cursor:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def int32(self) -> int:
        (value,) = struct.unpack_from(">i", self._raw, self._at)
        self._at += 4
        return int(value)

    def text(self) -> str | None:
        (size,) = struct.unpack_from(">h", self._raw, self._at)
        self._at += 2
        if size < 0:
            return None
        piece = self._raw[self._at : self._at + size]
        self._at += size
        return piece.decode()


def _parse(cursor: _Cursor) -> Metadata:
    cursor.int32()  # correlation id
    nodes = set()
    for _ in range(cursor.int32()):
        nodes.add(cursor.int32())
        cursor.text()  # host
        cursor.int32()  # port
        cursor.text()  # rack
    return Metadata(cluster_id=cursor.text(), nodes=frozenset(nodes))
