"""Reading a response body within bounds: bytes on the wire, bytes after decompression, and their ratio."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from scrapers.errors import Refused

ACCEPTED = "gzip, deflate"  # only what can be decoded in bounded steps
_STEP = 256 * 1024


class Damaged(Exception):
    """The compressed body cannot be decoded or ends too early; another try may help."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits of one body. The ratio counts only above `free_bytes`: short texts compress well."""

    wire_bytes: int = 20 * 1024 * 1024
    bytes: int = 40 * 1024 * 1024
    ratio: float = 100.0
    free_bytes: int = 2 * 1024 * 1024


async def read(raw: AsyncIterator[bytes], encoding: str, caps: Caps) -> bytes:
    """The decoded body. `Refused` over a cap or for an encoding not asked for, `Damaged` for broken data."""
    names = [one for one in (part.strip().lower() for part in encoding.split(",")) if one and one != "identity"]
    if len(names) > 1 or (names and names[0] not in ("gzip", "x-gzip", "deflate")):
        raise Refused(f"the body is encoded as {encoding[:60]!r}, which was not asked for")
    decoder = _Inflate() if names else None
    out, n_wire = bytearray(), 0
    async for chunk in raw:
        n_wire += len(chunk)
        if n_wire > caps.wire_bytes:
            raise Refused(f"the body is over {caps.wire_bytes} bytes")
        if decoder is None:
            out += chunk
        else:
            for piece in decoder.feed(chunk):
                out += piece
                _check(len(out), n_wire, caps)
        _check(len(out), n_wire, caps)
    if decoder is not None:
        decoder.close(n_wire)
    return bytes(out)


def _check(n_out: int, n_wire: int, caps: Caps) -> None:
    if n_out > caps.bytes:
        raise Refused(f"the body is over {caps.bytes} bytes after decompression")
    if n_out > caps.free_bytes and n_out > n_wire * caps.ratio:
        raise Refused(f"the body grows more than {caps.ratio:g} times when decompressed")


class _Inflate:
    """gzip (also of several members), zlib and raw deflate, in steps of bounded size."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(wbits=47)
        self._fresh = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decoded pieces, one at a time, so that the caller can stop after any of them."""
        while data:
            try:
                piece = self._engine.decompress(data, _STEP)
            except zlib.error as problem:
                if not self._fresh:
                    raise Damaged(str(problem)) from None
                self._engine, self._fresh = zlib.decompressobj(wbits=-15), False
                continue
            self._fresh = False
            yield piece
            if not self._engine.eof:
                data = self._engine.unconsumed_tail
                continue
            data = self._engine.unused_data
            if data.startswith(b"\x1f\x8b"):
                self._engine = zlib.decompressobj(wbits=47)
            else:
                data = b""  # padding after the last member

    def close(self, n_wire: int) -> None:
        if n_wire and not self._engine.eof:
            raise Damaged("the compressed body ends too early")
