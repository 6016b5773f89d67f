"""Large files in pieces that any channel takes, and back."""

from __future__ import annotations

import hashlib
from pathlib import Path

PIECE = 15 * 1024 * 1024
_LIST = "pieces.sha256"


def split_files(source: Path, target: Path, *, piece: int = PIECE) -> list[Path]:
    """Copy all files of a folder into `target` in pieces of at most `piece` bytes, with a list of their hashes."""
    target.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    lines: list[str] = []
    for path in sorted(source.iterdir()):
        if not path.is_file():
            continue
        data = path.read_bytes()
        lines.append(f"{hashlib.sha256(data).hexdigest()}  {path.name}")
        for index in range(max(1, -(-len(data) // piece))):
            part = target / f"{path.name}.{index:03d}"
            part.write_bytes(data[index * piece : (index + 1) * piece])
            written.append(part)
    (target / _LIST).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return written


def join_files(source: Path, target: Path) -> list[Path]:
    """Put the pieces written by `split_files` together again; ValueError where one is missing or damaged."""
    target.mkdir(parents=True, exist_ok=True)
    joined: list[Path] = []
    for line in (source / _LIST).read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        data = b"".join(part.read_bytes() for part in sorted(source.glob(f"{name}.[0-9][0-9][0-9]")))
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError(f"{source / name}: pieces are missing or damaged")
        (target / name).write_bytes(data)
        joined.append(target / name)
    return joined
