"""What the smaller HTTP channels send, each against a real server of its shape."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from alerts import channels
from alerts.channels import base, telegram, webhook
from alerts.errors import BadRule, Rejected, Retryable
from alerts.message import Envelope, Kind, Quote
from tests.alerts import sample_messages as samples

NOW = samples.NOW
SECRET = "whsec_" + base64.b64encode(b"key of both sides").decode()


def post(httpserver: HTTPServer, path: str = "/", answer: Any = None, status: int = 200) -> list[Request]:
    found: list[Request] = []

    def take(request: Request) -> Response:
        request.get_data()
        found.append(request)
        return Response(json.dumps(answer or {"ok": True}), status=status, content_type="application/json")

    httpserver.expect_request(path).respond_with_handler(take)
    return found


# webhook


def hook(httpserver: HTTPServer, **values: Any) -> channels.Channel[Any]:
    return channels.open_channel("webhook", {"url": httpserver.url_for("/"), "secret": SECRET} | values)


def test_a_webhook_is_signed_and_carries_every_number(httpserver: HTTPServer) -> None:
    found = post(httpserver)
    message = samples.opened("en", chart=True)
    hook(httpserver, headers={"Authorization": "Bearer x"}).deliver(message, now=NOW)
    (request,) = found
    body = request.get_data()
    told = {name: request.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")}
    assert request.headers["Authorization"] == "Bearer x"
    checked = {"key": told["id"], "timestamp": told["timestamp"], "signature": told["signature"], "secret": SECRET}
    assert webhook.verify(body, **checked, now=NOW)
    assert not webhook.verify(body + b" ", **checked, now=NOW)
    assert not webhook.verify(body, **(checked | {"secret": "other"}), now=NOW)
    signature = checked["signature"]
    for wrong in (signature[:-1], signature[:-2] + ("A=" if signature[-2] != "A" else "B="), signature[:12], "v1,", ""):
        assert not webhook.verify(body, **(checked | {"signature": wrong}), now=NOW)
    assert not webhook.verify(body, **checked, now=NOW + dt.timedelta(minutes=6))
    values = json.loads(body)
    assert values["version"] == 1 and values["kind"] == "opened" and values["dedup_key"] == message.dedup_key
    assert values["facts"]["n_observed"] == 18 and values["facts"]["ratio"] == pytest.approx(18 / 4.1)
    assert values["headline"].startswith("Luna Coffee · Delivery · Arbat: 18 negative mentions")
    assert "chart_png" not in values
    assert len(values["quotes"]) == 3


def test_the_signature_is_that_of_the_specification() -> None:
    # the worked example of the Standard Webhooks text
    signature = webhook.sign(
        b'{"test": 2432232314}',
        key="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp="1614265330",
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_second_delivery_has_the_same_id(httpserver: HTTPServer) -> None:
    found = post(httpserver)
    channel = hook(httpserver)
    for n in range(2):
        channel.deliver(samples.test(), now=NOW + dt.timedelta(minutes=n))
    assert found[0].headers["webhook-id"] == found[1].headers["webhook-id"]
    assert found[0].headers["webhook-signature"] != found[1].headers["webhook-signature"]


def test_a_receiver_cannot_send_us_elsewhere(httpserver: HTTPServer) -> None:
    inside = post(httpserver, "/inside")
    moved = Response(status=307, headers={"location": httpserver.url_for("/inside")})
    httpserver.expect_request("/").respond_with_response(moved)
    with pytest.raises(Rejected, match="307"):
        hook(httpserver).deliver(samples.test(), now=NOW)
    assert inside == []


def test_an_answer_that_unfolds_to_gigabytes_is_not_kept(httpserver: HTTPServer) -> None:
    packed = gzip.compress(b"x" * (20 * base.LARGEST_ANSWER))
    answer = Response(packed, status=400, headers={"content-encoding": "gzip"}, content_type="text/plain")
    httpserver.expect_request("/").respond_with_response(answer)
    channel = hook(httpserver)
    assert len(channel.request("POST", httpserver.url_for("/")).content) == base.LARGEST_ANSWER
    with pytest.raises(Rejected, match="400 BAD REQUEST: xxx"):
        channel.deliver(samples.test(), now=NOW)


@pytest.mark.parametrize("values", [{"url": "ftp://x.example"}, {"secret": "whsec_not base64!"}])
def test_webhook_settings_that_cannot_work(httpserver: HTTPServer, values: dict[str, str]) -> None:
    with pytest.raises(BadRule) as caught:
        hook(httpserver, **values)
    assert next(iter(values.values())) not in str(caught.value)


# telegram


def bot(httpserver: HTTPServer, **values: Any) -> channels.Channel[Any]:
    settings = {"token": "1:abc", "chat_id": "-100", "base_url": httpserver.url_for("")}
    return channels.open_channel("telegram", settings | values)


def balanced(text: str) -> bool:
    stack: list[str] = []
    for closing, tag in re.findall(r"<(/?)(\w+)[^>]*>", text):
        if not closing:
            stack.append(tag)
        elif not stack or stack.pop() != tag:
            return False
    return not stack


def test_telegram_gets_html_buttons_and_the_chart_as_a_reply(httpserver: HTTPServer) -> None:
    sent = post(httpserver, "/bot1:abc/sendMessage", {"ok": True, "result": {"message_id": 7}})
    photo = post(httpserver, "/bot1:abc/sendPhoto", {"ok": True, "result": {"message_id": 8}})
    message = samples.opened("ru", chart=True)
    receipt = bot(httpserver).deliver(message, now=NOW)
    values = sent[0].get_json()
    assert (receipt.id, receipt.detail) == ("7", "sent with its chart")
    assert "18 негативных упоминаний" in values["text"] and balanced(values["text"])
    assert values["reply_markup"]["inline_keyboard"][0][0]["url"] == "https://monitor.example/a/ack?t=abc"
    assert json.loads(photo[0].form["reply_parameters"]) == {"message_id": 7}
    assert photo[0].files["photo"].read() == message.chart_png
    photo[0].close()


def test_telegram_threads_by_reply(httpserver: HTTPServer) -> None:
    sent = post(httpserver, "/bot1:abc/sendMessage", {"ok": True, "result": {"message_id": 9}})
    closing = Envelope(dedup_key="x", subject="", text="", message=samples.resolved(), reply_to="7")
    bot(httpserver, topic_id=5).deliver(closing, now=NOW)
    values = sent[0].get_json()
    assert values["reply_parameters"] == {"message_id": 7, "allow_sending_without_reply": True}
    assert values["message_thread_id"] == 5


def test_telegram_texts_stay_whole_within_the_limit() -> None:
    long = "Очень <b>долго</b> & плохо 😡 " * 60
    message = replace(
        samples.opened("ru"),
        note=long,
        quotes=tuple(Quote(text=long, url="https://r.example/?a=1&b=2") for _ in range(3)),
        items=tuple(samples.opened("ru") for _ in range(20)),
    )
    text = telegram.lay_out(message)
    assert len(text.encode("utf-16-le")) // 2 <= 4096
    assert balanced(text)
    assert "<b>долго" not in text and "&lt;b&gt;" in text
    assert text.startswith("<b>Новый инцидент · критично</b>\n\nКофейня «Луна»")


@pytest.mark.parametrize("line", ["Отчёт: https://r.example/?a=1&b=2&c=3 ", "😡 ", "<" * 70 + " "])
def test_a_report_by_telegram_is_cut_and_never_lost(httpserver: HTTPServer, line: str) -> None:
    sent = post(httpserver, "/bot1:abc/sendMessage", {"ok": True, "result": {"message_id": 7}})
    bot(httpserver).deliver(Envelope(dedup_key="r", subject="Неделя " * 60, text=line * 3000), now=NOW)
    text = sent[0].get_json()["text"]
    assert 3500 < len(text.encode("utf-16-le")) // 2 <= 4096
    assert balanced(text)


def test_telegram_gets_no_button_to_a_private_address(httpserver: HTTPServer) -> None:
    sent = post(httpserver, "/bot1:abc/sendMessage", {"ok": True, "result": {"message_id": 7}})
    message = samples.opened()
    links = tuple(replace(link, url=link.url.replace("monitor.example", "localhost:8000")) for link in message.links)
    bot(httpserver).deliver(replace(message, links=links), now=NOW)
    assert "reply_markup" not in sent[0].get_json()


@pytest.mark.parametrize(
    ("status", "answer", "error", "told"),
    [
        (429, {"parameters": {"retry_after": 14}, "description": "Too Many Requests"}, Retryable, "Too Many"),
        (500, {"description": "Internal"}, Retryable, "500"),
        (401, {"description": "Unauthorized"}, Rejected, "token is wrong"),
        (403, {"description": "bot was blocked by the user"}, Rejected, "blocked"),
        (400, {"description": "upgraded", "parameters": {"migrate_to_chat_id": -200}}, Rejected, "new chat_id: -200"),
    ],
)
def test_answers_of_telegram(
    httpserver: HTTPServer, status: int, answer: dict[str, Any], error: type[Exception], told: str
) -> None:
    post(httpserver, "/bot1:abc/sendMessage", {"ok": False, "error_code": status} | answer, status=status)
    with pytest.raises(error, match=told) as caught:
        bot(httpserver).deliver(samples.test(), now=NOW)
    if status == 429:
        assert isinstance(caught.value, Retryable) and caught.value.after == 14
    assert "1:abc" not in str(caught.value)


def test_telegram_check(httpserver: HTTPServer) -> None:
    post(httpserver, "/bot1:abc/getMe", {"ok": True, "result": {"username": "luna_bot"}})
    assert bot(httpserver).check() == "logged in as @luna_bot, chat -100"


# pagerduty


def test_an_incident_is_one_alert_that_its_closing_note_resolves(httpserver: HTTPServer) -> None:
    found = post(httpserver, "/", {"status": "success", "dedup_key": "incident:42"}, status=202)
    channel = channels.open_channel("pagerduty", {"routing_key": "r" * 32, "url": httpserver.url_for("/")})
    for message in (samples.opened(), replace(samples.opened(), kind=Kind.REPEATED), samples.resolved()):
        channel.deliver(message, now=NOW)
    opened, repeated, closed = [request.get_json() for request in found]
    assert {event["dedup_key"] for event in (opened, repeated, closed)} == {"incident:42"}
    assert [event["event_action"] for event in (opened, repeated, closed)] == ["trigger", "trigger", "resolve"]
    assert opened["payload"]["severity"] == "critical"
    assert "18 negative mentions" in opened["payload"]["summary"]
    assert opened["links"][0]["href"] == "https://monitor.example/incidents/42"


# apprise


apprise = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")  # the library imports it


@pytest.fixture
def json_url(httpserver: HTTPServer) -> str:
    pytest.importorskip("apprise", reason="the extra `channels` is not installed")
    return f"json://{httpserver.host}:{httpserver.port}/"


@apprise
def test_apprise_delivers_in_its_own_way(httpserver: HTTPServer, json_url: str) -> None:
    found = post(httpserver)
    receipt = channels.open_channel("apprise", {"urls": [json_url]}).deliver(samples.opened("ru"), now=NOW)
    values = found[0].get_json()
    assert values["title"] == "Кофейня «Луна»: Всплеск негатива · Доставка · Арбат"
    assert "18 негативных упоминаний" in values["message"]
    assert values["type"] == "failure"
    assert receipt.refused == {}


@apprise
def test_apprise_tries_again_only_what_failed(httpserver: HTTPServer, json_url: str) -> None:
    found = post(httpserver, "/")
    httpserver.expect_request("/down").respond_with_data("", status=503)
    channel = channels.open_channel("apprise", {"urls": [json_url, f"{json_url}down"]})
    receipt = channel.deliver(samples.test(), now=NOW)
    assert receipt.again == ("json-2",) and len(found) == 1
    envelope = channel.envelope(samples.test())
    with pytest.raises(Retryable, match="json-2"):
        channel.deliver(replace(envelope, only_to=receipt.again), now=NOW)
    assert len(found) == 1


@apprise
def test_an_address_apprise_does_not_know(json_url: str) -> None:
    channel = channels.open_channel("apprise", {"urls": ["nosuch://token"]})
    with pytest.raises(Rejected, match="address 1") as caught:
        channel.check()
    assert "token" not in str(caught.value)
