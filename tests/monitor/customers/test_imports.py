"""Survey answers, orders and chats become rows: idempotent, pseudonymous, bad rows named."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from openpyxl import Workbook
from sqlmodel import select

from monitor.errors import ConfigError
from monitor.pipeline import indices
from monitor.pipeline.context import Context
from monitor.pipeline.customers import brand_named, import_activity, import_chats, import_orders, import_surveys
from monitor.pipeline.housekeeping import Forgotten, forget
from monitor.pipeline.importing import import_file
from monitor.pipeline.loyalty import loyalty_view
from monitor.pipeline.score import score
from monitor.pipeline.segmenting import segment_view
from monitor.store.engine import reading, writing
from monitor.store.queries import customers
from monitor.store.tables import Activity, Mention, Order, SurveyAnswer, TopicTag
from scrapers.errors import BadParams

SURVEY = """response_id,answered_at,customer_id,segment,location,touchpoint,survey,score,comment
r1,2026-11-01T10:00:00Z,c1,regular,Mira 12,app,nps,9,
r2,2026-11-02T10:00:00Z,c2,new,Mira 12,app,NPS,11,
r3,2026-11-03T10:00:00Z,c1,regular,Mira 12,support,csat,2,the barista was rude
r4,soon,c3,,,,ces,5,
r3,2026-11-03T10:00:00Z,c1,regular,Mira 12,support,csat,2,again
r5,2026-11-04T10:00:00Z,,,,,ces,7,
"""
ORDERS = """Номер заказа;Дата заказа;Клиент;Сумма;Филиал;Возврат;Статус
1;01.11.2026 10:00;c1;1 250,50;Mira 12;нет;выполнен
2;02.11.2026 10:00;c2;300;Mira 12;да;выполнен
3;03.11.2026 10:00;c2;900;Mira 12;нет;отменён
4;04.11.2026 10:00;;900;Mira 12;нет;выполнен
5;05.11.2026 10:00;c2;-5;Mira 12;нет;выполнен
"""


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_answers_are_stored_once_and_comments_are_judged(context: Context, tmp_path: Path) -> None:
    path = write(tmp_path, "wave.csv", SURVEY)
    result = import_surveys(context, path, brand="cafe")
    assert (result.n_new, result.n_edited) == (3, 0)
    assert [number for number, _ in result.bad_rows] == [3, 5, 6]
    assert "allowed is 0 to 10" in result.bad_rows[0][1] and "is no date" in result.bad_rows[1][1]
    again = import_surveys(context, path, brand="cafe")
    assert (again.n_new, again.n_edited, again.n_known) == (0, 0, 3)
    score(context)
    with reading(context.engine) as session:
        rows = {row.external_id: row for row in session.exec(select(SurveyAnswer))}
        (mention,) = session.exec(select(Mention)).all()
        (tag,) = session.exec(select(TopicTag)).all()
    assert rows["r3"].mention_id == mention.id and (mention.kind, mention.sentiment) == ("survey", "negative")
    assert (tag.topic, rows["r1"].mention_id, rows["r5"].customer) == ("staff", None, None)
    changed = import_surveys(context, write(tmp_path, "wave.csv", SURVEY.replace("nps,9", "nps,10")), brand="cafe")
    assert (changed.n_new, changed.n_edited) == (0, 1)


def test_one_customer_is_one_pseudonym_in_answers_and_orders(context: Context, tmp_path: Path) -> None:
    import_surveys(context, write(tmp_path, "wave.csv", SURVEY), brand="cafe")
    result = import_orders(context, write(tmp_path, "orders.csv", ORDERS), brand="cafe")
    assert result.n_new == 2 and [number for number, _ in result.bad_rows] == [5, 6]
    assert any("отменен: 1" in note for note in result.notes)  # a cancelled order is no order, and is told
    assert import_orders(context, tmp_path / "orders.csv", brand="cafe").n_known == 2
    with reading(context.engine) as session:
        orders = session.exec(select(Order).order_by(Order.external_id)).all()
        answered = set(session.exec(select(SurveyAnswer.customer)))
    assert [(one.amount, one.returned) for one in orders] == [(1250.5, False), (300.0, True)]
    # The key of the installation is random: "c1" may occur in a pseudonym by chance, but never be one.
    assert orders[0].customer in answered and re.fullmatch("~[0-9a-f]{16}", orders[0].customer)


def test_who_is_active_is_not_lost_though_silent_in_orders(context: Context, tmp_path: Path) -> None:
    """Sixty customers ordered in spring only; half of them still come in autumn. Twice doubles nothing."""
    bought = "order id,customer id,date,amount\n" + "".join(
        f"{n}-{day},c{n},2026-0{3 + day // 28}-{day % 28 + 1:02d},{100 + n}\n"
        for n in range(60)
        for day in (n % 20, 40)
    )
    import_orders(context, write(tmp_path, "orders.csv", bought), brand="cafe")
    seen = "user id;event;date\n" + "".join(f"c{n};login;2026-10-{n % 20 + 1:02d}\n" for n in range(0, 60, 2))
    path = write(tmp_path, "visits.csv", seen + "stranger;login;2026-10-01\n;login;2026-10-01\nc1;login;soon\n")
    now = datetime(2026, 11, 1, tzinfo=UTC)
    with reading(context.engine) as session:
        brand = brand_named(session, "cafe").id or 0
        before = loyalty_view(session, brand, now=now, zone=UTC)
    result = import_activity(context, path, brand="cafe")
    assert (result.n_new, [number for number, _ in result.bad_rows]) == (31, [33, 34])
    again = import_activity(context, path, brand="cafe")
    assert (again.n_new, again.n_edited, again.n_known) == (0, 0, 31)
    with reading(context.engine) as session:
        after = loyalty_view(session, brand, now=now, zone=UTC)
        view = segment_view(session, brand, now=now, zone=UTC)
        table = indices.metric_table(session, brand, "retention", start=now.replace(month=8), end=now,
                                     zone=UTC)  # fmt: skip
    assert before.retention.value == 0 and after.retention.value == pytest.approx(0.5)
    assert table.cells[0].metric.value == after.retention.value and after.n == 60
    assert sum(member.days_quiet < 32 for member in view.members) == 30 and all(m.days_since > 90 for m in view.members)
    forget(context, author="c0")
    with reading(context.engine) as session:
        assert len(session.exec(select(Activity)).all()) == 30


def test_reviews_and_tickets_of_a_known_customer_are_joined(context: Context, tmp_path: Path) -> None:
    """Stars and complaints count for the customer whom the row names; a stranger's count for nobody."""
    import_orders(context, write(tmp_path, "orders.csv", ORDERS), brand="cafe")
    rows = "id,date,customer_id,author,rating,text\n" + "".join(
        f"{number},2026-11-0{number}T10:00:00Z,{customer},Ann,{stars},{words}\n"
        for number, customer, stars, words in (
            (1, "c1", 2, "the barista was rude"), (2, "c9", 1, "rude"), (3, "c2", 5, "great coffee"),
            (4, "", 1, "rude"),
        )
    )  # fmt: skip
    import_file(context, write(tmp_path, "reviews.csv", rows), brand="cafe", kind="review")
    chat = "chat;date;role;text;client id\nk1;2026-11-05 10:00:00;customer;you are late;c2\n"
    import_chats(context, write(tmp_path, "desk.csv", chat), brand="cafe")
    score(context)
    with reading(context.engine) as session:
        brand = brand_named(session, "cafe").id or 0
        names = {one.amount: one.customer for one in session.exec(select(Order))}
        heard = customers.said(session, brand, end=datetime(2026, 12, 1, tzinfo=UTC))
        unhappy = customers.complainers(session, brand, end=datetime(2026, 12, 1, tzinfo=UTC), bad=indices.BAD)
    c1, c2 = names[1250.5], names[300.0]
    assert [(one.customer, one.rating) for one in heard] == [(c1, 2.0), (c2, 5.0), (c2, None)]
    assert heard[0].blamed == {"staff"} and c1 in unhappy
    # whose words they are is found by the customer's number
    assert forget(context, author="c1") == Forgotten(n_mentions=1, n_answers=0, n_orders=1)


def test_a_customer_who_asks_is_forgotten_with_answers_orders_chats_and_segments(
    context: Context, tmp_path: Path
) -> None:
    import_surveys(context, write(tmp_path, "wave.csv", SURVEY), brand="cafe")
    import_orders(context, write(tmp_path, "orders.csv", ORDERS), brand="cafe")
    chat = "chat;date;role;text;client id\n" + "".join(
        f"k{number};2026-11-05 10:00:00;customer;you are late, {name};{name}\n"
        for number, name in ((1, "c1"), (2, "c2"))
    )
    import_chats(context, write(tmp_path, "desk.csv", chat), brand="cafe")
    with writing(context.engine) as session:
        brand = brand_named(session, "cafe").id or 0
        known = {one.customer for one in session.exec(select(Order))}
        customers.put_segments(session, brand, {"2026-11": dict.fromkeys(known, "1:often")})
    expected = Forgotten(n_mentions=2, n_answers=2, n_orders=1)  # a comment and a ticket; two scores; one purchase
    assert forget(context, author="c1", dry_run=True) == forget(context, author="c1") == expected
    assert forget(context, author="c1") == Forgotten(n_mentions=0, n_answers=0, n_orders=0)
    with reading(context.engine) as session:
        (left,) = {one.customer for one in session.exec(select(Order))}
        assert {one.customer for one in session.exec(select(SurveyAnswer))} <= {None, left}
        assert set(customers.segments(session, brand, "2026-11")) == {left}
        words = " ".join(one.text for one in session.exec(select(Mention)))
    assert "c2" in words and "c1" not in words and "rude" not in words


def test_a_sheet_with_a_column_per_question(context: Context, tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    sheet.append(
        ["Token", "Submitted At", "How likely are you to recommend us?", "How satisfied are you?", "Image", "Comments"]
    )
    sheet.append(["t1", "2026-11-01 10:00:00", 10, 5, 8, "great coffee"])
    sheet.append(["t2", "2026-11-02 10:00:00", 3, None, 4, None])
    book.save(tmp_path / "form.xlsx")
    import_surveys(context, tmp_path / "form.xlsx", brand="cafe", items={"image": "Image"})
    with reading(context.engine) as session:
        rows = session.exec(select(SurveyAnswer)).all()
    found = sorted((row.external_id, row.metric, row.value, row.mention_id is not None) for row in rows)
    assert found == [("t1", "csat", 5.0, True), ("t1", "image", 8.0, True), ("t1", "nps", 10.0, True),
                     ("t2", "image", 4.0, False), ("t2", "nps", 3.0, False)]  # fmt: skip


def test_what_is_not_told_is_not_guessed(context: Context, tmp_path: Path) -> None:
    plain = write(tmp_path, "plain.csv", "id,date,score\n1,2026-11-01,4\n2,2026-11-02,5\n")
    with pytest.raises(BadParams, match="nothing says what the scores measure"):
        import_surveys(context, plain, brand="cafe")
    assert import_surveys(context, plain, brand="cafe", metric="csat", dry_run=True).n_new == 2
    with reading(context.engine) as session:
        assert session.exec(select(SurveyAnswer)).all() == []
    assert import_surveys(context, plain, brand="cafe", metric="csat").n_new == 2
    with pytest.raises(ConfigError, match="'other' is not a brand"):
        import_surveys(context, plain, brand="other", metric="csat")
    with pytest.raises(BadParams, match="no column looks like customer, amount"):
        import_orders(context, plain, brand="cafe")


def test_what_has_not_happened_yet_is_a_bad_row(context: Context, tmp_path: Path) -> None:
    far = f"{context.now + timedelta(days=400):%Y-%m-%d}"
    surveys = write(tmp_path, "s.csv", f"customer,date,nps\na,{far},9\nb,2026-03-01,9\n")
    orders = write(tmp_path, "o.csv", f"customer,date,amount\nb,2026-03-01,9\na,{far},9\n")
    visits = write(tmp_path, "v.csv", f"customer,date\na,{far}\n")
    for run, path, number, n_new in (
        (import_surveys, surveys, 2, 1), (import_orders, orders, 3, 1), (import_activity, visits, 2, 0),
    ):  # fmt: skip
        result = run(context, path, brand="cafe")
        assert (result.n_new, result.bad_rows) == (n_new, [(number, f"{far} lies in the future")])


def test_chats_become_tickets_once(context: Context, tmp_path: Path) -> None:
    text = "12.03.2026, 14:05 - Anna: you are late\n12.03.2026, 14:15 - Cafe: sorry\n12.03.2026, 14:16 - Anna: good\n"
    path = write(tmp_path, "chat.txt", text)
    result = import_chats(context, path, brand="cafe", agents=["Cafe"])
    assert result.n_new == 2 and any("first answer after 10 min" in note for note in result.notes)
    assert import_chats(context, path, brand="cafe").n_known == 2  # the company writes under the brand's name
    score(context)
    with reading(context.engine) as session:
        first, last = session.exec(select(Mention).order_by(Mention.published_at)).all()
    assert (first.kind, first.sentiment, last.sentiment, last.parent_id) == (
        "ticket", "negative", "positive", first.external_id,
    )  # fmt: skip
    assert first.author is not None and "Anna" not in first.author


def test_conversations_are_metrics(context: Context, tmp_path: Path) -> None:
    """Twenty chats: all begin badly; waits of 1 to 20 minutes; five never answered; half of the rest end well."""
    lines = ["chat;date;role;text;branch"]
    for n in range(25):
        day = f"2026-11-{1 + n % 20:02d}"
        lines.append(f"c{n};{day} 10:00:00;customer;you are late;{'Mira 12' if n % 2 else 'Lenina 1'}")
        if n < 20:
            lines.append(f"c{n};{day} 10:00:30;bot;we are on it;")
            lines.append(f"c{n};{day} 10:{1 + n:02d}:00;agent;sorry;")
            lines.append(f"c{n};{day} 11:00:00;customer;{'great' if n % 2 else 'awful'};")
    import_chats(context, write(tmp_path, "desk.csv", "\n".join(lines)), brand="cafe")
    score(context)
    span = {"start": datetime(2026, 11, 1, tzinfo=UTC), "end": datetime(2026, 11, 30, tzinfo=UTC), "zone": UTC}
    with reading(context.engine) as session:
        brand = brand_named(session, "cafe").id or 0
        assert set(indices.CHATS) <= set(indices.names(session, brand))
        found = {name: indices.metric_table(session, brand, name, **span).cells[0].metric for name in indices.CHATS}
        places = indices.metric_table(session, brand, "resolved", by="location", **span)
        with pytest.raises(ConfigError, match="not known by touchpoint"):
            indices.metric_table(session, brand, "resolved", by="touchpoint", **span)
    assert (found["first_answer"].value, found["first_answer"].n) == (10.5, 20)  # of a person, not of the machine
    waited = found["first_answer"].interval
    assert waited is not None and 6 < waited.low < 7 < 14 < waited.high < 15  # scipy.stats.quantile_test: 6 and 15
    assert (found["resolved"].value, found["resolved"].n) == (0.4, 25)  # ten closed with thanks of twenty-five
    assert (found["chat_start"].value, found["chat_end"].value, found["chat_shift"].value) == (-100.0, 0.0, 100.0)
    assert {cell.key for cell in places.cells} == {"Mira 12", "Lenina 1"}
