"""The names of metrics and of what they are split by, in the reader's language."""

from __future__ import annotations

from monitor.i18n import Translator


def metric_name(t: Translator, key: str) -> str:
    """A metric as people call it; items of questionnaires are called what their file calls them."""
    return {
        "nps": "NPS", "csat": "CSAT", "ces": t.gettext("CES 2.0, index"), "ces_mean": t.gettext("CES 2.0, mean"),
        "net_sentiment": t.gettext("Net sentiment"), "negative_share": t.gettext("Negative share"),
        "rating": t.gettext("Mean rating"), "repeat_rate": t.gettext("Customers with two orders or more"),
        "return_rate": t.gettext("Orders brought back"), "complaint_rate": t.gettext("Customers who complained"),
        "retention": t.gettext("Customers still there after 90 days"),
        "clv": t.gettext("Revenue of a customer in the next 26 weeks"),
        "first_answer": t.gettext("Chats: minutes to the first answer (median)"),
        "resolved": t.gettext("Chats: resolved"), "chat_start": t.gettext("Chats: net sentiment at the start"),
        "chat_end": t.gettext("Chats: net sentiment at the end"),
        "chat_shift": t.gettext("Chats: from start to end, points"),
    }.get(key, key)  # fmt: skip


def dimension_name(t: Translator, by: str) -> str:
    """What a table of a metric is split by."""
    return {"period": t.gettext("Period"), "segment": t.gettext("Segment"), "location": t.gettext("Place"),
            "touchpoint": t.gettext("Touchpoint")}.get(by, "")  # fmt: skip


def verdict_name(t: Translator, key: str) -> str:
    """The answer about a change in a word or two."""
    return {
        "fell": t.gettext("fewer complaints"), "rose": t.gettext("more complaints"),
        "cannot_tell": t.gettext("cannot tell"), "no_clear_change": t.gettext("no clear change"),
    }.get(key, key)  # fmt: skip


def index_name(t: Translator, key: str) -> str:
    """An index of a questionnaire, or one of its parts."""
    return {
        "image": t.pgettext("index", "Image"), "expectations": t.pgettext("index", "Expectations"),
        "quality": t.pgettext("index", "Quality"),
        "product_quality": t.pgettext("index", "Quality of the product"),
        "service_quality": t.pgettext("index", "Quality of the service"),
        "value": t.pgettext("index", "Value for money"),
        "satisfaction": t.pgettext("index", "Satisfaction"), "loyalty": t.pgettext("index", "Loyalty"),
        "thousand_points": t.pgettext("index", "1,000-point index"),
        "problems_per_100": t.pgettext("index", "Problems per 100 customers"),
        "fully_engaged": t.pgettext("index", "Fully engaged"), "indifferent": t.pgettext("index", "Indifferent"),
        "actively_disengaged": t.pgettext("index", "Actively disengaged"),
    }.get(key, key)  # fmt: skip


def touchpoint_name(t: Translator, key: str) -> str:
    """A touchpoint as surveys name it; those every company has are translated, the others are shown as written."""
    return {
        "point_of_sale": t.pgettext("touchpoint", "point of sale"), "app": t.pgettext("touchpoint", "app"),
        "site": t.pgettext("touchpoint", "site"), "support": t.pgettext("touchpoint", "support"),
        "delivery_service": t.pgettext("touchpoint", "delivery service"),
        "social_media": t.pgettext("touchpoint", "social media"), "messenger": t.pgettext("touchpoint", "messenger"),
        "advertising": t.pgettext("touchpoint", "advertising"), "phone": t.pgettext("touchpoint", "phone"),
        "email": t.pgettext("touchpoint", "e-mail"), "store": t.pgettext("touchpoint", "shop"),
    }.get(key.strip().lower().replace(" ", "_").replace("-", "_"), key.replace("_", " "))  # fmt: skip
