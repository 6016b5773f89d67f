"""Webhook: feedback that other systems send to us, signed; shops, desks and forms that know Standard Webhooks."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, SecretStr, field_validator, model_validator

from scrapers import imports
from scrapers.base import Meta, Page, Params, Parsed, Scraper
from scrapers.errors import BadParams
from scrapers.imports import surveys
from scrapers.imports.columns import FIELDS
from scrapers.imports.webhook import MAX_BYTES, SURVEY, WebhookSettings, key_of
from scrapers.item import KINDS
from scrapers.readers import html, walls
from scrapers.sites._site import listed, settled, unread


class WebhookParams(Params):
    secrets: tuple[SecretStr, ...] = Field(
        min_length=1, description="Shared secrets (base64, with or without whsec_); several while they are changed"
    )
    window_seconds: int = Field(300, ge=10, le=86_400, description="How old or how far ahead a message may be")
    max_bytes: int = Field(MAX_BYTES, ge=1, le=4 * MAX_BYTES, description="Largest message")
    mapping: dict[str, str] = Field(
        default_factory=dict, description="field = name in the message, where the guess is wrong: { text = 'comment' }"
    )
    kind: str | None = Field(
        None,
        description="Kind of what comes where a message does not say it; survey: scores are answers to NPS, CSAT, CES",
    )
    locale: str | None = Field(None, description="Language of dates in words and of day-first order, as in ru")
    metric: str | None = Field(
        None,
        description="With kind survey: nps, csat or ces, where neither a question nor a field says what a score is",
    )
    items: dict[str, str] = Field(
        default_factory=dict, description="With kind survey: further questions, name = field: { image = 'Our image' }"
    )

    @field_validator("secrets")
    @classmethod
    def _usable(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for one in value:
            try:
                key_of(one.get_secret_value())
            except BadParams as problem:
                raise ValueError(str(problem)) from None
        return value

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, value: str | None) -> str | None:
        if value is not None and value not in KINDS:
            raise ValueError(f"{value!r} is no kind; allowed: {', '.join(KINDS)}")
        return value

    @model_validator(mode="after")
    def _fitting(self) -> WebhookParams:
        allowed = surveys.NAMES if self.kind == SURVEY else FIELDS
        if unknown := sorted(set(self.mapping) - set(allowed)):
            raise ValueError(f"mapping: {unknown[0]!r} is no field; allowed: {', '.join(allowed)}")
        if (self.metric or self.items) and self.kind != SURVEY:
            raise ValueError("metric and items are for answers to surveys: set kind = 'survey' too")
        try:
            surveys.check_questions(self.metric, self.items)
        except BadParams as problem:
            raise ValueError(str(problem)) from None
        return self

    @property
    def names_no_brand(self) -> bool:
        return self.kind == SURVEY  # a score has no words

    def settings(self) -> WebhookSettings:
        return WebhookSettings(
            secrets=tuple(one.get_secret_value() for one in self.secrets),
            window_seconds=self.window_seconds,
            max_bytes=self.max_bytes,
            mapping=self.mapping or None,
            kind=self.kind,
            locale=self.locale,
            metric=self.metric,
            items=self.items or None,
        )


class Webhook(Scraper):
    """What a message holds is read as a file is: an object, a list, JSON lines, CSV."""

    meta = Meta(
        name="webhook",
        title="Webhook",
        access="A",
        terms="Your own systems send it: POST /hooks/NAME of the dashboard, signed as Standard Webhooks describe. "
        "Nothing is fetched.",
        kinds=KINDS,
        verified="parse only",
        docs="https://www.standardwebhooks.com",
        pushed=True,
    )
    params_type: ClassVar[type[Params]] = WebhookParams

    def parse(self, page: Page) -> Parsed:
        if html.looks_like_html(page.body):
            return walls.otherwise(page, "a page of markup where a message was expected")
        try:
            run: Any = imports.read_bytes(page.body, name="message", now=page.fetched_at)
        except BadParams as problem:
            return settled(unread(str(problem)[:300]), page)
        rows = list(run)
        bad = next((row.error for row in rows if row.error), None)
        items = [row.item for row in rows if row.item is not None]
        return settled(listed(items, found=False, note=None if items else bad or "a message without feedback"), page)
