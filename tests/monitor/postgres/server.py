"""A real PostgreSQL for tests: the one that MONITOR_TEST_POSTGRES_URL names, or one started from Debian's binaries."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import psycopg.sql

VARIABLE = "MONITOR_TEST_POSTGRES_URL"


class Unavailable(Exception):
    """There is no PostgreSQL here; the text says why."""


class Server:
    """A server that can be stopped and started again, and gives every test a database of its own."""

    def __init__(self, url: str, *, binaries: Path | None = None, folder: Path | None = None) -> None:
        self.url = url  # of a database that may be connected to in order to make others
        self._binaries, self._folder = binaries, folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ours(self) -> bool:
        """Whether this session started it, and may stop it."""
        return self._folder is not None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def address(self, database: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def start(self) -> None:
        assert self._binaries and self._folder
        sockets = self._folder / "run"
        command = [str(self._binaries / "postgres"), "-D", str(self._folder / "data"), "-k", str(sockets)]
        for setting in ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=60",
                        "shared_buffers=32MB"):  # fmt: skip
            command += ["-c", setting]
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, **_user())
        until = time.monotonic() + 60
        while True:
            try:
                with psycopg.connect(self.url, connect_timeout=5):
                    return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    text = (self._folder / "log").read_text(errors="replace")
                    raise Unavailable(f"PostgreSQL did not start: {error}\n{text[-2000:]}") from error
                time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends it fast and in order, SIGQUIT as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None

    @contextlib.contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """The address of a new database, dropped at the end."""
        name = f"monitor_test_{uuid.uuid4().hex[:12]}"
        statement = psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name))
        if template:
            statement += psycopg.sql.SQL(" TEMPLATE {}").format(psycopg.sql.Identifier(template))
        self.execute(statement)
        try:
            yield self.address(name)
        finally:
            drop = psycopg.sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            self.execute(drop.format(psycopg.sql.Identifier(name)))

    def tool(self, name: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs, of the version that serves. Raises Unavailable where it is missing."""
        program = str(self._binaries / name) if self._binaries else shutil.which(name)
        if program is None:
            raise Unavailable(f"{name} is not installed")
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def execute(self, statement: psycopg.sql.Composable) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server for the session. Raises Unavailable with the reason."""
    if url := os.environ.get(VARIABLE):
        yield Server(url)
        return
    folder = Path(tempfile.mkdtemp(prefix="monitor-pg-", dir="/tmp"))  # a short path: sockets allow 107 characters
    try:
        with serving(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    """A new server whose data lie in this folder; options are initdb's. Raises Unavailable with the reason."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise Unavailable(f"no PostgreSQL: set {VARIABLE}, or install Debian's package postgresql")
    if os.geteuid() == 0 and _account() is None:
        raise Unavailable("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")
    (folder / "run").mkdir()
    if os.geteuid() == 0:
        for path in (folder, folder / "run"):
            shutil.chown(path, _account())
    binaries = found[-1].parent
    made = subprocess.run(
        [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8",
         "--locale=C.UTF-8", "--no-sync", *options],
        capture_output=True, cwd=folder, check=False, **_user(),
    )  # fmt: skip
    if made.returncode:
        raise Unavailable(f"initdb failed: {made.stderr.decode(errors='replace')[-500:]}")
    host = quote(str(folder / "run"), safe="")
    server = Server(f"postgresql://postgres@/postgres?host={host}", binaries=binaries, folder=folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _account() -> str | None:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


def _user() -> dict[str, object]:
    """PostgreSQL does not run as root: what makes a child run as somebody else."""
    name = _account() if os.geteuid() == 0 else None
    if name is None:
        return {}
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
