# ruff: noqa: E501  (tables of patterns)
"""Pages that are not the page: recognised in one place for all readers.

recognise(page) -> Parsed | None      blocked, captcha, login, not found; None for anything else
otherwise(page, note) -> Parsed       for a reader that found nothing it knows: the wall, else `changed` with the note
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from scrapers.base import Page, Parsed, Status
from scrapers.readers.html import decode, looks_like_html
from scrapers.readers.text import without_markup

# Marks that only a wall carries, whatever the size of the page.
_STRONG: tuple[tuple[Status, re.Pattern[str], str], ...] = tuple(
    (status, re.compile(pattern, re.IGNORECASE), note)
    for status, pattern, note in (
        (Status.CAPTCHA, r"_cf_chl_opt|cf-challenge-running|id=[\"']challenge-form|<title>just a moment\.\.\.", "Cloudflare challenge"),
        (Status.BLOCKED, r"<title>attention required! \| cloudflare|cf-error-details|error code: 10(?:09|10|12|15|20)\b", "Cloudflare block"),
        (Status.BLOCKED, r"<title>ddos-guard|ddos-guard/js-challenge", "DDoS-Guard check"),
        (Status.CAPTCHA, r"/errors/validatecaptcha|opfcaptcha-prod", "Amazon robot check"),
        (Status.CAPTCHA, r"/showcaptcha\?|/checkcaptcha|smart-?captcha[^<]{0,80}checkbox-captcha|checkboxcaptcha-form", "Yandex captcha"),
        (Status.CAPTCHA, r"our systems have detected unusual traffic|/sorry/index\?continue", "Google robot check"),
        (Status.CAPTCHA, r"<div[^>]{0,80}id=[\"']px-captcha|window\._pxappid[^;]{0,400}blockscript", "PerimeterX check"),
        (Status.BLOCKED, r"been blocked by (?:network security|our security)|whoa there, pardner|blocked due to a network policy", "network policy"),
        (Status.BLOCKED, r"<title>(?:making sure you(?:&#39;|'|’)re not a bot|verifying your browser|checking your browser|un instant)", "browser check"),
        (Status.BLOCKED, r"anubis_challenge|id=[\"']anubis", "Anubis check"),
        (Status.BLOCKED, r"<title>(?:доступ (?:ограничен|запрещ[её]н)|access (?:to this (?:page|site) has been )?denied|you have been blocked|blocked)\s*</title>", "access denied"),
    )
)  # fmt: skip
# Marks that also occur on good pages: they count only when there is little else.
_WEAK: tuple[tuple[Status, re.Pattern[str], str], ...] = tuple(
    (status, re.compile(pattern, re.IGNORECASE), note)
    for status, pattern, note in (
        (Status.CAPTCHA, r"captcha-delivery\.com|geo\.captcha|hcaptcha\.com|g-recaptcha|recaptcha/api|turnstile|введите (?:символы|код) с картинки", "captcha"),
        (Status.CAPTCHA, r"(?:вы не робот|are you a (?:robot|human)|i am not a robot|я не робот|verify (?:that )?you are (?:a )?human)", "robot check"),
        (Status.BLOCKED, r"_incapsula_resource|incident id|sucuri website firewall|qrator|variti|servicepipe|stormwall|akamai|edgesuite\.net", "firewall"),
        (Status.BLOCKED, r"access denied|request blocked|forbidden|доступ (?:ограничен|запрещ[её]н)|too many requests|temporarily blocked", "access denied"),
        (Status.BLOCKED, r"(?:checking|verifying|validating) (?:your|the) (?:browser|request|connection)|проверка браузера|verification_token|browser check|anti-?bot", "browser check"),
        (Status.LOGIN, r"(?:log ?in|sign ?in) to (?:continue|view|see)|you must (?:log|sign) ?in|войдите,? чтобы|необходимо авторизоваться|please (?:log|sign) ?in", "login form"),
        (Status.NOT_FOUND, r"<title>[^<]{0,60}(?:404|not found|не найден|нет такой страницы|page introuvable|nicht gefunden)", "not found page"),
    )
)  # fmt: skip
_SMALL_TEXT = 1500  # letters of visible text below which weak marks decide
_LOOK_AT = 400_000


def recognise(page: Page) -> Parsed | None:
    """A wall by status code, then by what the page shows."""
    code = page.status_code
    content: str | None = None
    if page.body and (looks_like_html(page.body) or code >= 400):
        content = decode(page.body[:_LOOK_AT], page.headers.get("content-type", ""))
        for status, pattern, note in _STRONG:
            if pattern.search(content):
                return _wall(page, status, note)
    if code == 401:
        return _wall(page, Status.LOGIN, "the site asks for credentials (HTTP 401)")
    if code in (404, 410):
        return _wall(page, Status.NOT_FOUND, f"nothing at this address (HTTP {code})")
    if code in (403, 429, 451):
        return _wall(page, Status.BLOCKED, f"the site refuses to answer (HTTP {code})")
    if content is not None:
        visible = without_markup(content)
        if len(visible.split()) < 220 and sum(one.isalpha() for one in visible) < _SMALL_TEXT:
            for status, pattern, note in _WEAK:
                if pattern.search(content):
                    return _wall(page, status, note)
    return None


def otherwise(page: Page, note: str) -> Parsed:
    """What to answer when a reader finds nothing it knows."""
    return recognise(page) or Parsed(Status.CHANGED, note=note)


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header in either form (RFC 9110 10.2.3); None when missing or unreadable."""
    if not value:
        return None
    value = value.strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d+)?", value):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def _wall(page: Page, status: Status, note: str) -> Parsed:
    return Parsed(status, note=note, retry_after=retry_after(page.headers.get("retry-after"), page.fetched_at))
