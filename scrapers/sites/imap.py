"""Mailbox: new messages of a folder over IMAP, without marking them as seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, SecretStr

from scrapers.base import Meta, Page, Params, Parsed, Scraper, Status
from scrapers.batch import Batch
from scrapers.imports import imap
from scrapers.item import KINDS, Kind
from scrapers.sites.eml import Eml

if TYPE_CHECKING:
    from scrapers.http import Client


class ImapParams(Params):
    host: str = Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$", description="Mail server")
    user: str = Field(min_length=1, description="Login")
    password: SecretStr = Field(description="Password, best one made for this program alone")
    port: int = Field(993, ge=1, le=65535, description="Port of IMAP over TLS")
    folder: str = Field("INBOX", min_length=1, description="Folder whose messages are customers' words")
    tls: bool = Field(True, description="false only for a server on this very machine")
    kind: Kind = Field("ticket", description="Kind of what comes: ticket, review, survey ...")


class Imap(Scraper):
    meta = Meta(
        name="imap",
        title="Mailbox (IMAP folder)",
        access="A",
        terms="Your own mailbox: messages are read over TLS and left unseen, only the text of each is kept. "
        "Give the program a folder of its own, into which a rule of the mail server sorts what customers write.",
        kinds=KINDS,
        interval_seconds=300,
        min_interval_seconds=30,
        robots=False,
        verified="parse only",
        docs="https://www.rfc-editor.org/rfc/rfc9051",
    )
    params_type: ClassVar[type[Params]] = ImapParams

    def batches(
        self, params: Any, state: Mapping[str, Any], *, client: Client, now: datetime
    ) -> AsyncIterator[Batch] | None:
        return _batches(params, state)

    def parse(self, page: Page) -> Parsed:
        """One message as the server gives it."""
        return Eml().parse(page)


async def _batches(params: ImapParams, state: Mapping[str, Any]) -> AsyncIterator[Batch]:
    """Twenty messages a batch; the protocol is spoken in a thread, so that other sources go on."""
    settings = imap.ImapSettings(
        host=params.host,
        user=params.user,
        password=params.password.get_secret_value(),
        port=params.port,
        folder=params.folder,
        tls=params.tls,
        kind=params.kind,
    )
    messages = imap.read(settings, state.get("imap"))
    try:
        while (found := await asyncio.to_thread(next, messages, None)) is not None:
            unread = [row.number for row in found.rows if row.item is None]
            yield Batch(
                slice=params.folder,
                page_url=f"imap://{params.host}/{params.folder}",
                status=Status.OK,
                items=tuple(row.item for row in found.rows if row.item is not None),
                state_after={"imap": found.state_after},
                note=f"messages that cannot be read, by UID: {unread}" if unread else None,
                n_new=len(found.rows),
            )
    finally:
        await asyncio.to_thread(messages.close)
