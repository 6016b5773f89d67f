"""A small IMAP server in this process, for a real dialogue."""

from __future__ import annotations

import re
import socketserver
import ssl
from collections.abc import Iterator
from typing import Any


class Mailbox(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Dialogue)
        self.context = context
        self.messages: dict[int, bytes] = {}
        self.validity = 7
        self.said: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def get_request(self) -> Any:
        request, address = super().get_request()
        return (self.context.wrap_socket(request, server_side=True) if self.context else request), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        return None


class Dialogue(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self.wfile.write(b"* OK ready\r\n")
        while line := self.rfile.readline():
            tag, _, rest = line.decode().strip().partition(" ")
            self.server.said.append(rest)
            for one in self.answers(rest):
                self.wfile.write(one + b"\r\n")
            done = b" NO no such thing" if self.refused(rest) else b" OK done"
            self.wfile.write(tag.encode() + done + b"\r\n")
            if rest.upper().startswith("LOGOUT"):
                return

    def refused(self, said: str) -> bool:
        return (said.startswith("LOGIN") and "right" not in said) or (
            said.startswith("EXAMINE") and '"INBOX"' not in said
        )

    def answers(self, said: str) -> Iterator[bytes]:
        box = self.server
        if said.startswith("CAPABILITY"):
            yield b"* CAPABILITY IMAP4rev1"
        elif said.startswith("EXAMINE") and not self.refused(said):
            yield b"* %d EXISTS" % len(box.messages)
            yield b"* OK [UIDVALIDITY %d] ok" % box.validity
        elif said.startswith("UID SEARCH"):
            first = int(re.search(r"UID (\d+):", said).group(1))  # type: ignore[union-attr]
            uids = [one for one in sorted(box.messages) if one >= first] or sorted(box.messages)[-1:]
            yield b"* SEARCH " + " ".join(map(str, uids)).encode()
        elif said.startswith("UID FETCH"):
            uids = [int(one) for one in said.split()[2].split(",")]
            for uid in uids:
                raw = box.messages[uid]
                if "SIZE" in said:
                    size = 26 * 1024 * 1024 if b"huge" in raw else len(raw)
                    yield b"* %d FETCH (UID %d RFC822.SIZE %d)" % (uid, uid, size)
                else:
                    yield b"* %d FETCH (UID %d BODY[] {%d}\r\n" % (uid, uid, len(raw)) + raw + b")"
        elif said.startswith("LOGOUT"):
            yield b"* BYE"


def letter(number: int, words: str = "words") -> bytes:
    return f"From: a@example.org\r\nMessage-ID: <{number}@x>\r\nSubject: s\r\n\r\n{words} {number}\r\n".encode()
