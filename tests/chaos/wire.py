"""A wire to a server that can be cut, plugged out or fall silent: what networks and servers do to a dialogue."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

MODES = ("pass", "refuse", "silent", "hang_up", "cut_answer")


class Wire:
    """Forwards connections to a port of this machine. `mode` holds for connections that begin after it was set.

    refuse: nobody listens; silent: connections are taken and nothing is ever said; hang_up: they are closed at once;
    cut_answer: the server gets all that the client says, and once `cut_after` was in it, no answer comes back.
    """

    def __init__(self, target: int, *, cut_after: bytes) -> None:
        self.n_cut = 0
        self._target, self._cut_after = target, cut_after
        self._mode = "pass"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._listener: socket.socket | None = None
        self.port = self._listen(0)

    @property
    def mode(self) -> str:
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        assert mode in MODES
        self._mode = mode
        if mode == "refuse" and self._listener is not None:
            self._close_listener()
        elif mode != "refuse" and self._listener is None:
            self._listen(self.port)

    def close(self) -> None:
        self._ended.set()
        if self._listener is not None:
            self._close_listener()
        with self._lock:
            for one in list(self._open):
                _end(one)

    def _listen(self, port: int) -> int:
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return int(self._listener.getsockname()[1])

    def _close_listener(self) -> None:
        assert self._listener is not None
        _end(self._listener)
        self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._keep(client)
            if self._mode == "hang_up":
                self._drop(client)
            elif self._mode != "silent":
                threading.Thread(target=self._serve, args=(client, self._mode), daemon=True).start()

    def _serve(self, client: socket.socket, mode: str) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target), timeout=10)
        except OSError:
            self._drop(client)
            return
        self._keep(server)
        cut = threading.Event()
        back = threading.Thread(target=self._pump, args=(server, client, cut), daemon=True)
        back.start()
        said = b""
        try:
            while data := client.recv(65536):
                said += data
                if mode == "cut_answer" and self._cut_after in said and not cut.is_set():
                    cut.set()
                    self.n_cut += 1
                server.sendall(data)
        except OSError:
            pass
        self._drop(server)
        back.join()
        self._drop(client)

    def _pump(self, server: socket.socket, client: socket.socket, cut: threading.Event) -> None:
        try:
            while data := server.recv(65536):
                if cut.is_set() and self._is_answer(data):
                    self._drop(client)
                    return
                client.sendall(data)
        except OSError:
            pass
        self._drop(client)

    @staticmethod
    def _is_answer(data: bytes) -> bool:
        """Whether the server said that it has the message: SMTP's 250, or the head of an HTTP answer."""
        return data.startswith((b"250", b"HTTP/"))

    def _keep(self, one: socket.socket) -> None:
        with self._lock:
            self._open.add(one)

    def _drop(self, one: socket.socket) -> None:
        with self._lock:
            self._open.discard(one)
        _end(one)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextlib.contextmanager
def wire(target: int, *, cut_after: bytes) -> Iterator[Wire]:
    made = Wire(target, cut_after=cut_after)
    try:
        yield made
    finally:
        made.close()
