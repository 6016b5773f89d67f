"""A small disk of its own, which can be filled and can fail: a file system in a file, mounted where the store is."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


class Disk:
    """A mounted ext4 of some megabytes, without reserve for root."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.folder = folder
        self._image, self._filler = image, folder / "filler"

    def mount(self) -> None:
        self.folder.mkdir(exist_ok=True)
        _run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.folder))

    def unmount(self) -> None:
        _run("umount", str(self.folder))

    def repair(self) -> None:
        """What an operator does: unmount, check, mount."""
        self.unmount()
        _run("fsck.ext4", "-p", "-f", str(self._image), allowed=(0, 1))
        self.mount()

    def fill(self) -> None:
        """Write until the disk is full to the last byte."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def make_room(self) -> None:
        self._filler.unlink()

    def fail(self) -> None:
        """The file system finds an error in itself and forbids all writing at once, open files too."""
        device = Path(_run("findmnt", "-n", "-o", "SOURCE", str(self.folder)).strip()).name
        trigger = Path("/sys/fs/ext4") / device / "trigger_fs_error"
        if not trigger.exists():
            pytest.skip("this kernel cannot make ext4 fail on demand")
        trigger.write_text("a test")


@contextlib.contextmanager
def small_disk(tmp_path: Path, *, megabytes: int) -> Iterator[Disk]:
    """The disk, mounted on `tmp_path/data`; the test skips where that cannot be done, and says why."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("mkfs.ext4", "mount", "findmnt"))):
        pytest.skip("a disk of its own needs root, mkfs.ext4 and mount")
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    disk = Disk(image, tmp_path / "data")
    try:
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        tmp_path.chmod(0o755)  # a database's server runs as somebody else
        disk.mount()
    except OSError as error:
        pytest.skip(f"no disk can be mounted here: {error}")
    try:
        yield disk
    finally:
        # Lazily: what a failed test still holds open must not hide why it failed.
        _run("umount", "--lazy", str(disk.folder))


def _run(*command: str, allowed: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
