"""The starter configuration that `monitor init` writes: every section, commented, valid as it stands."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

from babel.dates import LOCALTZ

from monitor.store.catalogue import slug_of

_TEMPLATE = """\
# Configuration of monitor. Every key can also be set by environment: MONITOR_WEB__PORT=9000;
# secrets also from a file: MONITOR_CHANNELS__MAIL__SETTINGS__PASSWORD_FILE=/run/secrets/mail
# Check it with `monitor config check`; unknown keys and bad values are named.

language = {language}             # of messages, reports and the dashboard: en or ru
time_zone = "{zone}"     # weekdays, quiet hours and the weekly report are read in it
data_dir = "data"                 # the store, the outbox; relative to this file
# without_topics = ["food", "ambience", "cleanliness"]   # what means nothing in your business: an app has no food

[brands.{slug}]
name = {name}
# aliases = ["Other spelling"]
# exclusions = ["vacancy"]        # mentions with these words are not about you
# query = '("my brand" OR mybrand) NOT vacancy'   # instead of the three above
# country = "{country}"                  # public holidays are expected to change volumes
# locations = [{{ name = "Main street 1", aliases = ["Main st."] }}]

# [brands.rival]
# name = "A rival"
# competitor = true

# What can be read: `monitor source list --verbose`. From a link: `monitor source add URL --brand {slug}`
# [sources.app_reviews]
# brand = "{slug}"
# scraper = "app_store"
# params = {{ app_id = "123456789", countries = ["us"] }}
# interval = "1h"

# [sources.news]
# scraper = "rss"                 # no brand: every brand whose query matches
# params = {{ url = "https://example.org/feed.xml" }}

# Where alerts and reports go; the kinds and their settings: `monitor notify kinds`
[channels.folder]
kind = "file"                     # into the folder `outbox` of data_dir, until a mailbox is configured
# settings = {{ directory = "elsewhere" }}

# [channels.mail]                # with `username`, give the password by environment:
# kind = "email"                  # MONITOR_CHANNELS__MAIL__SETTINGS__PASSWORD
# settings = {{ host = "smtp.example.org", port = 587, sender = "bot@example.org", recipients = ["team@example.org"] }}
# digest = true                   # yesterday, every morning; or a list of brands

# [channels.slack]
# kind = "slack"
# settings = {{ webhook_url = "https://hooks.slack.com/services/..." }}

# Which alerts go where; without routes every channel gets every alert.
# [[routes]]
# channels = ["slack"]
# min_severity = "critical"

[alerts]
false_alarms_per_week = 1.0       # the one knob: for the whole account
# min_negatives = 3
# safety_words = ["poison*", "отрав*"]   # one such complaint is critical at once

# Plain rules beside the detector.
# [rules.one_star]
# kind = "low_ratings"            # low_ratings, negative_count, mean_rating, keywords
# window = "1d"
# more_than = 5
# rating_at_most = 1

[report]
weekday = "monday"
at = "09:00"
# digest_at = "08:00"             # of the daily digest, for channels with digest = true

[http]
contact = ""                      # your e-mail or page: sites see who reads them

[web]
host = "127.0.0.1"
port = 8321
# base_url = "https://monitor.example.org"   # links in messages

# A service outside that tells you when the monitor itself is dead or ails: it is called every minute while all is well.
# [heartbeat]
# url = "https://hc-ping.com/..."

[privacy]
store_authors = false             # pseudonyms only
keep_text = "365d"
"""


def starter_config(*, brand: str, language: str) -> str:
    """The text of a configuration for `brand`, in the time zone of this machine where it has one."""
    zone, country = ("Europe/Moscow", "RU") if language == "ru" else ("UTC", "US")
    return _TEMPLATE.format(
        language=json.dumps(language), zone=_zone_here() or zone, country=country, slug=slug_of(brand),
        name=json.dumps(brand, ensure_ascii=False),
    )  # fmt: skip


def _zone_here() -> str:
    """The name of the machine's time zone; empty where it is UTC, as servers are, or has no name."""
    name = str(LOCALTZ)
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # not a name, a folder of names, a name nobody knows
        return ""
    return "" if name.removeprefix("Etc/") in {"UTC", "UCT", "GMT", "Universal", "Zulu"} else name
