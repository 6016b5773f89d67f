"""The tables, all of them: what is remembered, and which keys make a second run harmless.

Rows are the truth; buckets are derived from them and can always be recomputed. Every step finds its work by asking
these tables what is not done yet.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from monitor.store.types import UTCDateTime

BIG = BigInteger().with_variant(Integer, "sqlite")  # ids of mentions, and of what is written once for each
ALL = ""  # the value of a series dimension that means "all of them"


def _time(*, nullable: bool = True, index: bool = False) -> Any:
    default = None if nullable else ...
    return Field(default=default, sa_type=UTCDateTime, nullable=nullable, index=index)


def _json(default: Any = dict) -> Any:
    return Field(default_factory=default, sa_type=JSON, nullable=False)


def _text(*, nullable: bool = True) -> Any:
    return Field(default=None if nullable else "", sa_type=Text, nullable=nullable)


def _reference(target: str, *, index: bool = False, nullable: bool = False, cascade: bool = True) -> Any:
    rule = "CASCADE" if cascade else "SET NULL"
    kind = BIG if target == "mention.id" else Integer
    return Field(
        default=None,
        sa_column=Column(kind, ForeignKey(target, ondelete=rule), nullable=nullable, index=index),
    )


class Meta(SQLModel, table=True):
    """Facts about the store itself: install key for pseudonyms, last report, version."""

    __tablename__ = "meta"
    key: str = Field(primary_key=True)
    value: str = _text(nullable=False)


class Brand(SQLModel, table=True):
    """What is watched. Kept in step with the configuration; never deleted while mentions refer to it."""

    __tablename__ = "brand"
    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
    name: str
    is_competitor: bool = False
    active: bool = True


def source_name(title: str, slug: str) -> str:
    """What people call a source: its title, else its slug as names are written ("google_maps": Google Maps)."""
    if title and title != slug:
        return title
    return " ".join(part[:1].upper() + part[1:] for part in slug.replace("-", "_").split("_"))


class Source(SQLModel, table=True):
    """One configured place to read, or the origin of an import, with its health."""

    __tablename__ = "source"
    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
    title: str = ""
    scraper: str  # "import" for files
    brand_id: int | None = _reference("brand.id", nullable=True)
    location: str = ALL
    interval_seconds: int = 3600
    active: bool = True
    next_due_at: datetime | None = _time(index=True)  # None: what comes by itself, and imports
    paused_until: datetime | None = _time()
    fail_count: int = 0
    n_empty: int = 0  # readings in a row without anything new; stretches the interval
    last_run_at: datetime | None = _time()
    last_success_at: datetime | None = _time()
    last_status: str = ""
    last_error: str = _text(nullable=False)
    created_at: datetime = _time(nullable=False)

    @property
    def name(self) -> str:
        """What people call it."""
        return source_name(self.title, self.slug)


class SourceState(SQLModel, table=True):
    """Resume point of a source. `version` is compared and set: two readers never both advance it."""

    __tablename__ = "source_state"
    source_id: int = Field(sa_column=Column(Integer, ForeignKey("source.id", ondelete="CASCADE"), primary_key=True))
    state: dict[str, Any] = _json()
    version: int = 0
    updated_at: datetime = _time(nullable=False)


class Run(SQLModel, table=True):
    """One execution of a step, on a source where there is one."""

    __tablename__ = "run"
    id: int | None = Field(default=None, primary_key=True)
    step: str = Field(index=True)
    source_id: int | None = _reference("source.id", nullable=True, index=True)
    started_at: datetime = _time(nullable=False, index=True)
    finished_at: datetime | None = _time()
    status: str = ""
    n_items: int = 0
    n_new: int = 0
    n_edited: int = 0
    error: str = _text(nullable=False)


class HostBucket(SQLModel, table=True):
    """Turns at one host: when the next is free, and how many were taken today. Holds over all processes of a store."""

    __tablename__ = "host_bucket"
    host: str = Field(primary_key=True)
    free_at: float = 0.0  # seconds since the epoch
    seen_at: float = 0.0  # when a turn was last taken: later than now, and the clock was set back
    day: int = 0
    n_today: int = 0


class Sample(SQLModel, table=True):
    """A page that could not be read, kept so that the operator can look and a reader can be mended."""

    __tablename__ = "sample"
    id: int | None = Field(default=None, primary_key=True)
    source_id: int = _reference("source.id", index=True)
    at: datetime = _time(nullable=False)
    status: str
    url: str = _text(nullable=False)
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Mention(SQLModel, table=True):
    """The stored unit: one review, post, comment, article, answer, ticket or survey answer about one brand.

    The effective judgement (of the current model, or a person's correction) stands on the row, for speed; every model
    output is kept in `judgement`, every correction in `correction`.
    """

    __tablename__ = "mention"
    __table_args__ = (
        UniqueConstraint("brand_id", "origin", "external_id"),
        CheckConstraint("rating IS NULL OR (rating >= 1 AND rating <= 5)", name="rating_in_range"),
        Index("ix_mention_brand_time", "brand_id", "published_at"),
        Index("ix_mention_todo", "score_state", "id"),
        Index("ix_mention_source_time", "source_id", "published_at"),
        Index("ix_mention_brand_observed", "brand_id", "observed_at"),
        Index("ix_mention_state", "score_state", "model", "scored_at"),
        Index(
            "ix_mention_words",
            "source_id",
            "published_at",
            sqlite_where=sql("gone_at IS NULL"),
            postgresql_where=sql("gone_at IS NULL"),
        ),
        Index(
            "ix_mention_parent",
            "brand_id",
            "origin",
            "parent_id",
            sqlite_where=sql("parent_id IS NOT NULL"),
            postgresql_where=sql("parent_id IS NOT NULL"),
        ),
        Index(
            "ix_mention_author",
            "brand_id",
            "author",
            sqlite_where=sql("author IS NOT NULL"),
            postgresql_where=sql("author IS NOT NULL"),
        ),
    )
    id: int | None = Field(default=None, sa_type=BIG, primary_key=True)
    brand_id: int = _reference("brand.id")
    source_id: int = _reference("source.id")
    origin: str  # the scraper's name, or the slug of an import: ids are unique within it
    external_id: str
    kind: str
    url: str | None = _text()
    author: str | None = None  # a pseudonym unless privacy.store_authors
    location: str = ALL
    title: str | None = _text()
    text: str = _text(nullable=False)
    rating: float | None = None
    rating_raw: str | None = None
    rating_scale: str | None = None
    published_at: datetime = _time(nullable=False)
    published_precision: str = "second"
    edited_at: datetime | None = _time()
    observed_at: datetime = _time(nullable=False)
    parent_id: str | None = None  # external id of what it answers
    reply_text: str | None = _text()
    reply_at: datetime | None = _time()
    n_likes: int | None = None
    n_views: int | None = None
    flags: list[str] = _json(list)
    content_hash: str
    cluster_id: int | None = Field(default=None, sa_type=BIG, index=True)  # the first of its near-duplicates
    counts: bool = True  # False for copies: a cluster counts once
    missing_since: datetime | None = _time()
    gone_at: datetime | None = _time()
    score_state: str = "new"  # new | done | failed | none (nothing to judge)
    score_error: str | None = _text()
    language: str = ""
    sentiment: str | None = None
    p_negative: float | None = None
    p_neutral: float | None = None
    p_positive: float | None = None
    model: str = ""
    scored_at: datetime | None = _time()
    corrected: bool = False


class Revision(SQLModel, table=True):
    """What an edited mention said before."""

    __tablename__ = "revision"
    id: int | None = Field(default=None, sa_type=BIG, primary_key=True)
    mention_id: int = _reference("mention.id", index=True)
    seen_until: datetime = _time(nullable=False)
    title: str | None = _text()
    text: str = _text(nullable=False)
    rating: float | None = None
    content_hash: str = ""


class Signature(SQLModel, table=True):
    """MinHash of a mention's normalised text, and the hash of the whole of it. Pruned with the window of copies."""

    __tablename__ = "signature"
    mention_id: int = Field(sa_column=Column(BIG, ForeignKey("mention.id", ondelete="CASCADE"), primary_key=True))
    text_hash: str
    minhash: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    published_on: date = Field(index=True)  # in UTC


class CopyKey(SQLModel, table=True):
    """Under what keys the first of each cluster of copies is found (`monitor.store.copies`).

    Says nothing that the signature does not say: rows are taken out by the keys of the signature, so no index leads
    from a mention here.
    """

    __tablename__ = "copy_key"
    __table_args__ = {"sqlite_with_rowid": False}
    key: int = Field(sa_column=Column(BIG, primary_key=True, autoincrement=False))
    mention_id: int = Field(sa_column=Column(BIG, primary_key=True, autoincrement=False))


class TopicTag(SQLModel, table=True):
    """A topic on a mention, with its own sentiment: the effective one."""

    __tablename__ = "topic_tag"
    __table_args__ = (Index("ix_topic_tag_topic", "topic", "mention_id"),)
    mention_id: int = Field(sa_column=Column(BIG, ForeignKey("mention.id", ondelete="CASCADE"), primary_key=True))
    topic: str = Field(primary_key=True)
    p: float
    sentiment: str


class Judgement(SQLModel, table=True):
    """One model output for one mention."""

    __tablename__ = "judgement"
    __table_args__ = (UniqueConstraint("mention_id", "model"),)
    id: int | None = Field(default=None, sa_type=BIG, primary_key=True)
    mention_id: int = _reference("mention.id")
    model: str  # name@revision
    content_hash: str
    language: str = ""
    sentiment: str | None = None
    p_negative: float | None = None
    p_neutral: float | None = None
    p_positive: float | None = None
    topics: list[dict[str, Any]] = _json(list)
    error: str | None = _text()
    scored_at: datetime = _time(nullable=False)


class Correction(SQLModel, table=True):
    """A person's override; it always wins, and is kept for ever. None means "as judged"."""

    __tablename__ = "correction"
    id: int | None = Field(default=None, sa_type=BIG, primary_key=True)
    mention_id: int = _reference("mention.id", index=True)
    at: datetime = _time(nullable=False)
    actor: str
    sentiment: str | None = None
    topics: list[dict[str, Any]] | None = Field(default=None, sa_type=JSON, nullable=True)


class Bucket(SQLModel, table=True):
    """Counts of one hour for one leaf series; roll-ups are sums over the dimensions of one `topic`.

    Rows with topic "" count mentions; rows with a topic count the mentions that carry it, by the topic's own sentiment.
    """

    __tablename__ = "bucket"
    __table_args__ = (Index("ix_bucket_series", "brand_id", "topic", "hour_at"),)
    brand_id: int = Field(sa_column=Column(Integer, ForeignKey("brand.id", ondelete="CASCADE"), primary_key=True))
    hour_at: datetime = Field(sa_type=UTCDateTime, primary_key=True)
    source_id: int = Field(primary_key=True)
    location: str = Field(primary_key=True)
    language: str = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    n: int = 0
    n_negative: int = 0
    n_neutral: int = 0
    n_positive: int = 0
    n_ratings: int = 0
    rating_sum: float = 0.0


class Daily(SQLModel, table=True):
    """Buckets summed by local day for one cut of the dimensions (`monitor.store.daily`): a year is read at once.

    A dimension that `cut` does not name holds 0 or "*". Written with the buckets it is derived from.
    """

    __tablename__ = "daily"
    __table_args__ = {"sqlite_with_rowid": False}
    brand_id: int = Field(sa_column=Column(Integer, ForeignKey("brand.id", ondelete="CASCADE"), primary_key=True))
    cut: int = Field(primary_key=True)
    topic: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    source_id: int = Field(primary_key=True)
    location: str = Field(primary_key=True)
    language: str = Field(primary_key=True)
    n: int = 0
    n_negative: int = 0
    n_neutral: int = 0
    n_positive: int = 0
    n_ratings: int = 0
    rating_sum: float = 0.0


class DailyStars(SQLModel, table=True):
    """How many mentions gave how many stars on a local day, for one cut of the dimensions as in `Daily`."""

    __tablename__ = "daily_stars"
    __table_args__ = {"sqlite_with_rowid": False}
    brand_id: int = Field(sa_column=Column(Integer, ForeignKey("brand.id", ondelete="CASCADE"), primary_key=True))
    cut: int = Field(primary_key=True)
    day: date = Field(primary_key=True)
    source_id: int = Field(primary_key=True)
    location: str = Field(primary_key=True)
    language: str = Field(primary_key=True)
    stars: float = Field(primary_key=True)
    n: int = 0


class Sheet(SQLModel, table=True):
    """The mentions of an hour in two blobs (`monitor.store.sheets`); derived from rows, written with the buckets."""

    __tablename__ = "sheet"
    brand_id: int = Field(sa_column=Column(Integer, ForeignKey("brand.id", ondelete="CASCADE"), primary_key=True))
    hour_at: datetime = Field(sa_type=UTCDateTime, primary_key=True)
    mentions: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    tags: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class SheetWord(SQLModel, table=True):
    """The number of a place, language, kind or topic in the sheets."""

    __tablename__ = "sheet_word"
    id: int | None = Field(default=None, primary_key=True)
    word: str = Field(unique=True)


class TouchedHour(SQLModel, table=True):
    """An hour of a brand whose buckets must be recomputed; written with the rows that touch it."""

    __tablename__ = "touched_hour"
    brand_id: int = Field(sa_column=Column(Integer, ForeignKey("brand.id", ondelete="CASCADE"), primary_key=True))
    hour_at: datetime = Field(sa_type=UTCDateTime, primary_key=True)


class Coverage(SQLModel, table=True):
    """How much of an hour of a source was really collected, 0 to 1. A missing row means it was not due."""

    __tablename__ = "coverage"
    source_id: int = Field(sa_column=Column(Integer, ForeignKey("source.id", ondelete="CASCADE"), primary_key=True))
    hour_at: datetime = Field(sa_type=UTCDateTime, primary_key=True)
    n_due: int = 0
    n_done: int = 0


class DetectorState(SQLModel, table=True):
    """What the detector remembers of all series of a brand, up to the end of a day: keys, and deflated safetensors."""

    __tablename__ = "detector_state"
    brand_id: int = Field(sa_column=Column(Integer, ForeignKey("brand.id", ondelete="CASCADE"), primary_key=True))
    signal: str = Field(primary_key=True)
    day: str  # the last whole local day in it, ISO
    settings: str = ""  # what it was computed with; another value makes it void
    series: list[str] = _json(list)
    arrays: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Incident(SQLModel, table=True):
    """A stored deviation with a life. `data` is the explanation as it stood at the last message."""

    __tablename__ = "incident"
    __table_args__ = (Index("ix_incident_brand_state", "brand_id", "state"),)
    id: int | None = Field(default=None, primary_key=True)
    uid: str = Field(unique=True)
    brand_id: int = _reference("brand.id")
    series: str
    signal: str
    rule: str = ""
    source_id: int | None = None
    topic: str = ALL
    location: str = ALL
    language: str = ALL
    state: str = "open"  # open | acknowledged | resolved
    severity: str = "warning"
    verdict: str | None = None  # confirmed | rejected
    opened_at: datetime = _time(nullable=False)
    since_at: datetime = _time(nullable=False)
    last_seen_at: datetime = _time(nullable=False)
    resolved_at: datetime | None = _time()
    n_observed: float = 0
    n_expected: float = 0
    n_excess: float = 0
    score: float = 0
    machine: dict[str, Any] = _json()  # the state machine's own fields
    data: dict[str, Any] = _json()


class IncidentEvent(SQLModel, table=True):
    """A step in an incident's life: a transition, a comment, a person's decision."""

    __tablename__ = "incident_event"
    __table_args__ = (UniqueConstraint("incident_id", "number"),)
    id: int | None = Field(default=None, primary_key=True)
    incident_id: int = _reference("incident.id", index=True)
    number: int
    at: datetime = _time(nullable=False)
    kind: str
    actor: str = ""
    note: str = _text(nullable=False)


class Silence(SQLModel, table=True):
    """A mute with an end."""

    __tablename__ = "silence"
    id: int | None = Field(default=None, primary_key=True)
    matchers: dict[str, str] = _json()
    starts_at: datetime = _time(nullable=False)
    ends_at: datetime = _time(nullable=False)
    actor: str = ""
    note: str = _text(nullable=False)


class Outbox(SQLModel, table=True):
    """A message on its way to one channel. `dedup_key` is stable, so that a channel that can be asked gets it once."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_todo", "state", "next_try_at"),)
    id: int | None = Field(default=None, primary_key=True)
    dedup_key: str = Field(unique=True)
    channel: str
    kind: str  # opened, escalated, repeated, resolved, reopened, report, operator, digest, test
    reason: str = ""
    brand_id: int | None = _reference("brand.id", nullable=True)
    incident_id: int | None = _reference("incident.id", nullable=True, index=True)
    payload: dict[str, Any] = _json()
    state: str = "pending"  # pending | sending | sent | dead | folded (left as part of a digest)
    group_key: str = ""  # messages of one channel and group that wait leave as one digest
    attempts: int = 0
    created_at: datetime = _time(nullable=False)
    next_try_at: datetime = _time(nullable=False)
    sending_at: datetime | None = _time()
    sent_at: datetime | None = _time()
    receipt: str = ""  # what the channel calls the message; the first of an incident is its thread
    detail: str = _text(nullable=False)
    last_error: str = _text(nullable=False)


class Report(SQLModel, table=True):
    """A weekly report as it was sent; any week can be made again."""

    __tablename__ = "report"
    __table_args__ = (UniqueConstraint("brand_id", "week", "language"),)
    id: int | None = Field(default=None, primary_key=True)
    brand_id: int = _reference("brand.id")
    week: str  # 2026-W46
    language: str
    built_at: datetime = _time(nullable=False)
    subject: str = ""
    html: str = _text(nullable=False)
    markdown: str = _text(nullable=False)
    data: dict[str, Any] = _json()


class Notice(SQLModel, table=True):
    """Something the operator must know: a silent or changed source, a dead message, a disk that fills."""

    __tablename__ = "notice"
    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(index=True)  # one open notice per key
    at: datetime = _time(nullable=False)
    last_at: datetime = _time(nullable=False)
    closed_at: datetime | None = _time()
    text: str = _text(nullable=False)
    n: int = 1


class Topic(SQLModel, table=True):
    """A topic of the taxonomy as the user edited it; topics without a row here are the built-in ones."""

    __tablename__ = "topic"
    key: str = Field(primary_key=True)
    names: dict[str, str] = _json()
    keywords: list[str] = _json(list)
    examples: list[str] = _json(list)
    stage: str = ""
    touchpoint: str = ""
    experience: str = ""
    active: bool = True
    custom: bool = False


class TopicSuggestion(SQLModel, table=True):
    """What grows and fits no topic: a phrase, or texts alike. It waits for a person, who accepts or dismisses it."""

    __tablename__ = "topic_suggestion"
    __table_args__ = (UniqueConstraint("brand_id", "key"),)
    id: int | None = Field(default=None, primary_key=True)
    brand_id: int = _reference("brand.id")
    key: str  # its words in their base forms: the same words again are the same suggestion
    phrase: str
    keywords: list[str] = _json(list)
    mention_ids: list[int] = _json(list)  # some that say it
    n: int = 0  # in the last four weeks
    n_before: int = 0  # in the four weeks before
    n_negative: int = 0
    score: float = 0.0
    state: str = "open"  # open | accepted | dismissed
    topic: str = ALL  # what it became
    found_at: datetime = _time(nullable=False)
    seen_at: datetime = _time(nullable=False)
    decided_at: datetime | None = _time()
    actor: str = ""


class StoredRule(SQLModel, table=True):
    """A plain rule written in the dashboard; those of the configuration stand beside it and win by name."""

    __tablename__ = "stored_rule"
    name: str = Field(primary_key=True)
    spec: dict[str, Any] = _json()  # as in monitor.toml
    active: bool = True
    changed_at: datetime = _time(nullable=False)
    actor: str = ""


class User(SQLModel, table=True):
    """A person who may log in. Roles: viewer looks, analyst corrects and handles incidents, admin does all."""

    __tablename__ = "user"
    __table_args__ = (Index("ix_user_subject", "subject", unique=True),)
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    password_hash: str = ""
    role: str = "viewer"
    language: str | None = None
    active: bool = True
    created_at: datetime = _time(nullable=False)
    failed_logins: int = 0
    locked_until: datetime | None = _time()
    subject: str | None = None  # "issuer subject" of single sign-on


class WebSession(SQLModel, table=True):
    """A logged-in browser. The cookie holds the token; the table only its hash."""

    __tablename__ = "web_session"
    token_hash: str = Field(primary_key=True)
    user_id: int = _reference("user.id", index=True)
    csrf: str
    created_at: datetime = _time(nullable=False)
    seen_at: datetime = _time(nullable=False)
    expires_at: datetime = _time(nullable=False)


class ApiToken(SQLModel, table=True):
    """A token for the API, hashed; shown once when made."""

    __tablename__ = "api_token"
    id: int | None = Field(default=None, primary_key=True)
    token_hash: str = Field(unique=True)
    name: str
    user_id: int = _reference("user.id", index=True)
    created_at: datetime = _time(nullable=False)
    expires_at: datetime | None = _time()
    last_used_at: datetime | None = _time()
    revoked_at: datetime | None = _time()


class AuditEntry(SQLModel, table=True):
    """Who changed what, when."""

    __tablename__ = "audit_entry"
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = _time(nullable=False, index=True)
    actor: str
    action: str  # noun.verb
    target: str = ""
    detail: dict[str, Any] = _json()


class SavedView(SQLModel, table=True):
    """A filter somebody wants again."""

    __tablename__ = "saved_view"
    id: int | None = Field(default=None, primary_key=True)
    user_id: int = _reference("user.id", index=True)
    name: str
    query: str = _text(nullable=False)
    shared: bool = False


class SurveyAnswer(SQLModel, table=True):
    """One answer of a survey: NPS 0-10, CSAT 1-5, CES 1-7, or an item of a questionnaire."""

    __tablename__ = "survey_answer"
    __table_args__ = (
        UniqueConstraint("brand_id", "survey", "external_id", "metric"),
        Index("ix_survey_answer_time", "brand_id", "metric", "answered_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    brand_id: int = _reference("brand.id")
    survey: str
    external_id: str
    metric: str  # nps | csat | ces | name of an item
    value: float
    answered_at: datetime = _time(nullable=False)
    customer: str | None = Field(default=None, index=True)  # pseudonym
    segment: str = ALL
    location: str = ALL
    touchpoint: str = ALL
    mention_id: int | None = _reference("mention.id", nullable=True, cascade=False)


class Order(SQLModel, table=True):
    """A purchase, imported: what links feedback to behaviour."""

    __tablename__ = "customer_order"
    __table_args__ = (
        UniqueConstraint("brand_id", "external_id"),
        Index("ix_order_customer", "brand_id", "customer", "ordered_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    brand_id: int = _reference("brand.id")
    external_id: str
    customer: str  # pseudonym
    ordered_at: datetime = _time(nullable=False)
    amount: float
    location: str = ALL
    returned: bool = False


class Activity(SQLModel, table=True):
    """A sign of life of a customer that is no order: a visit, a login, an opened mail; imported."""

    __tablename__ = "customer_activity"
    __table_args__ = (
        UniqueConstraint("brand_id", "external_id"),
        Index("ix_activity_customer", "brand_id", "customer", "at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    brand_id: int = _reference("brand.id")
    external_id: str
    customer: str  # pseudonym
    at: datetime = _time(nullable=False)
    kind: str = ""  # in the words of the file


class CustomerSegment(SQLModel, table=True):
    """Membership of a customer in a segment in one month; movement between months is read from here."""

    __tablename__ = "customer_segment"
    brand_id: int = Field(sa_column=Column(Integer, ForeignKey("brand.id", ondelete="CASCADE"), primary_key=True))
    month: str = Field(primary_key=True)
    customer: str = Field(primary_key=True)
    segment: str


class Comparison(SQLModel, table=True):
    """A change somebody wants the effect of: followed in every weekly report until it is closed."""

    __tablename__ = "comparison"
    __table_args__ = (UniqueConstraint("brand_id", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    brand_id: int = _reference("brand.id")
    name: str
    topics: list[str] = _json(list)
    changed_at: datetime = _time(nullable=False)
    treated: list[str] = _json(list)  # places; empty: the whole brand
    against: list[str] = _json(list)  # topics
    measure: str = "share"
    created_at: datetime = _time(nullable=False)
    actor: str = ""
    closed_at: datetime | None = _time()
