"""Writes messages into a folder as .eml, .html and .json: a channel without a network, for trials and archives."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import tempfile
from datetime import datetime
from pathlib import Path

from alerts import render
from alerts.channels.base import Channel, Declaration, Receipt, Settings
from alerts.channels.email import Email, EmailSettings
from alerts.errors import Rejected, Retryable
from alerts.message import Envelope, Message, dumps


class FileSettings(Settings):
    """Where the files go."""

    directory: Path = Path("outbox")
    sender: str = "Feedback monitor <monitor@localhost>"
    recipient: str = "team@localhost"


class File(Channel[FileSettings]):
    """A folder of messages: NAME.eml for mail programs, NAME.html for browsers, NAME.slack.json as Slack would get it,
    NAME.json with the message itself for scripts."""

    declaration = Declaration(
        kind="file",
        title="Folder",
        docs="https://www.rfc-editor.org/rfc/rfc5322",
        images=True,
        attachments=True,
        threads=True,
        buttons=True,
        can_be_asked=True,
        example={"directory": "outbox"},
    )
    settings_type = FileSettings

    def deliver(self, item: Message | Envelope, *, now: datetime) -> Receipt:
        envelope = self.envelope(item)
        name = file_name(envelope.dedup_key)
        directory = self.settings.directory
        sender = EmailSettings(host="localhost", sender=self.settings.sender, recipients=[self.settings.recipient])
        if (directory / f"{name}.json").exists():
            return Receipt(id=name, detail=f"{directory / name}.* were there already")
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if envelope.html:
                _write(directory / f"{name}.html", page(envelope).encode())
            if envelope.message is not None:
                payload = json.dumps(render.slack(envelope.message), ensure_ascii=False, indent=2)
                _write(directory / f"{name}.slack.json", payload.encode())
            _write(directory / f"{name}.eml", Email(sender).compose(envelope, now=now).as_bytes())
            # last, so that its presence means the whole message is there
            _write(directory / f"{name}.json", dumps(envelope).encode())
        except PermissionError as error:
            raise Rejected(f"folder {directory} cannot be written: {error.strerror}") from None
        except OSError as error:
            raise Retryable(f"folder {directory} could not be written: {error.strerror or error}") from None
        return Receipt(id=name, detail=f"{directory / name}.eml, .html, .json")

    def lookup(self, dedup_key: str, *, reply_to: str | None = None, since: datetime | None = None) -> bool | None:
        return (self.settings.directory / f"{file_name(dedup_key)}.json").exists()

    def check(self) -> str:
        directory = self.settings.directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Rejected(f"folder {directory} cannot be made: {error.strerror}") from None
        if not os.access(directory, os.W_OK):
            raise Rejected(f"folder {directory} cannot be written")
        return f"{directory} can be written"


def file_name(dedup_key: str) -> str:
    """A readable name without surprises that differs whenever the keys do."""
    readable = re.sub(r"[^\w.-]+", "-", dedup_key, flags=re.ASCII).strip("-.")[:80]
    return f"{readable}-{hashlib.sha256(dedup_key.encode()).hexdigest()[:10]}".lstrip("-")


def page(envelope: Envelope) -> str:
    """The HTML of an envelope with its images inside."""
    html = envelope.html
    for cid, png in envelope.inline.items():
        html = html.replace(f"cid:{cid}", f"data:image/png;base64,{base64.b64encode(png).decode()}")
    return html


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: a reader never sees half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
