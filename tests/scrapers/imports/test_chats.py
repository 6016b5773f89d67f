"""Conversations out of three kinds of export."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scrapers.errors import BadParams
from scrapers.imports import chats

WHATSAPP = """\u200e12.03.2026, 14:05 - Сообщения защищены сквозным шифрованием.
12.03.2026, 14:05 - Анна: Здравствуйте! Заказ так и не приехал
12.03.2026, 14:06 - Анна: жду второй час
и никто не отвечает
12.03.2026, 14:45 - Полдень: Простите, курьер уже едет
12.03.2026, 14:50 - Анна: <Без медиафайлов>
12.03.2026, 15:20 - Анна: Спасибо, получила
20.03.2026, 09:00 - Анна: А завтра вы работаете?
"""


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_whatsapp_becomes_turns_of_a_conversation_with_the_wait_in_between(tmp_path: Path) -> None:
    found = chats.read(write(tmp_path, "chat.txt", WHATSAPP), agents=["полдень"], zone="Europe/Moscow")
    assert [len(one.messages) for one in found.conversations] == [4, 1]  # a week of silence ends the first
    facts = found.conversations[0].facts
    assert facts.first_response == timedelta(minutes=40)
    assert (facts.n_customer, facts.answered, found.conversations[1].facts.answered) == (3, True, False)
    first, second, third = found.items()
    assert first.text == "Здравствуйте! Заказ так и не приехал\nжду второй час\nи никто не отвечает"
    assert first.published_at == datetime(2026, 3, 12, 11, 5, tzinfo=UTC)
    assert first.reply is not None and first.reply.published_at == datetime(2026, 3, 12, 11, 45, tzinfo=UTC)
    assert (second.text, second.parent_id, second.reply) == ("Спасибо, получила", first.external_id, None)
    assert third.parent_id is None and {one.kind for one in (first, second, third)} == {"ticket"}


def test_an_answer_that_came_days_late_is_an_answer_and_a_new_word_of_the_company_is_none(tmp_path: Path) -> None:
    content = (
        "12.03.2026, 14:05 - Анна: Где заказ?\n15.03.2026, 10:05 - Полдень: Простите, он потерян\n"
        "20.05.2026, 10:00 - Полдень: У нас новое меню!\n"
    )
    found = chats.read(write(tmp_path, "chat.txt", content), company=["Полдень"])
    (conversation,) = found.conversations  # nobody answers with a menu in May
    assert conversation.facts.answered and conversation.facts.first_response == timedelta(days=2, hours=20)


IOS_RU = """\
[12.03.2026, 14:05:33] ~\xa0Анна: \u200eСообщения и звонки защищены сквозным шифрованием. Подробнее.
[12.03.2026, 14:05:40] ~\xa0Анна: Кофе остыл
[12.03.2026, 14:06:00] ~\xa0Анна: \u200eизображение отсутствует
\u200e[12.03.2026, 14:06:10] ~\xa0Анна: вот он \u200e<прикреплено: 00000012-PHOTO-2026-03-12.jpg>
[12.03.2026, 14:15:00] Полдень: Простите, заменим \u200e<Сообщение изменено>
[12.03.2026, 14:16:00] ~\xa0Анна: Спасибо, всё отлично
и вторая строка: с двоеточием
\u200e[12.03.2026, 14:18:00] ~\xa0Анна: \u200eПропущенный аудиозвонок
"""
ANDROID_EN = """\
3/12/26, 2:05\u202fPM - Messages and calls are end-to-end encrypted. Learn more.
3/12/26, 2:05\u202fPM - Anna: My order is late
and the app says: delivered
3/12/26, 2:06\u202fPM - Anna: IMG-20260312-WA0001.jpg (file attached)
cold soup here
3/12/26, 2:07\u202fPM - Anna changed the group name from “a: b” to “c”
3/12/26, 2:15\u202fPM - Bob: Sorry! It is on the way <This message was edited>
3/12/26, 2:16\u202fPM - Anna: <Media omitted>
3/13/26, 9:00\u202fAM - Anna: Missed voice call
3/13/26, 9:01\u202fAM - Anna: Waiting for this message. This may take a while.
3/13/26, 12:02\u202fAM - Bob: null
3/13/26, 12:30\u202fPM - Anna: location: https://maps.example.org/?q=1,2
3/13/26, 12:31\u202fPM - Anna: thank you
"""
ANDROID_RU = """\
12.03.2026, 14:05 - Анна: Кофе остыл
12.03.2026, 14:06 - Анна: IMG-1.jpg (файл добавлен)
12.03.2026, 14:07 - Оля вышла из группы
12.03.2026, 14:07 - Анна изменила тему с «а: б» на «в»
12.03.2026, 14:07 - Анна: Данное сообщение удалено
12.03.2026, 14:15 - Полдень: Простите, заменим
"""
ANDROID_DE = """\
12.03.26, 14:05 - Anna: Der Kaffee war kalt
12.03.26, 14:06 - Anna: <Medien ausgeschlossen>
12.03.26, 14:06 - Anna: IMG-1.jpg (Datei angehängt)
12.03.26, 14:07 - Anna: Diese Nachricht wurde gelöscht
12.03.26, 14:15 - Bob: Tut uns leid
"""


@pytest.mark.parametrize(
    ("days", "month_first"),
    [
        (("3/12/26, 2:05\u202fPM", "4/2/26, 2:05\u202fPM", "12/1/26, 2:05\u202fPM"), True),
        (("2/3/26, 14:05", "1/4/26, 14:05"), False),  # in order only where the day comes first
        (("1/3/26, 2:05 pm", "2/3/26, 2:06 pm"), False),
        (("1/3/26, 2:05\u202fPM",), True),  # nothing but how an American phone writes
    ],
)
def test_the_order_of_day_and_month(tmp_path: Path, days: tuple[str, ...], month_first: bool) -> None:
    path = write(tmp_path, "WhatsApp Chat with Anna.txt", "".join(f"{day} - Anna: hi\n" for day in days))
    found = [one.messages[0].at for one in chats.read(path).conversations]
    assert found == sorted(found)
    first = days[0].split("/")
    assert (found[0].month, found[0].day) == ((int(first[0]), int(first[1])) if month_first else
                                              (int(first[1]), int(first[0])))  # fmt: skip


def test_in_a_group_each_speaks_for_themselves(tmp_path: Path) -> None:
    content = "2026-03-12, 14:05 - Anna: cold\n2026-03-12, 14:06 - Carl: mine too\n2026-03-12, 14:07 - Bob: Sorry\n"
    items = list(chats.read(write(tmp_path, "group.txt", content), agents=["Bob"]).items())
    assert [(one.author, one.text, one.reply is not None) for one in items] == [
        ("Anna", "cold", False), ("Carl", "mine too", True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("WhatsApp Chat with Anna.txt", ANDROID_DE, [("Der Kaffee war kalt", "Tut uns leid")]),
        ("Чат WhatsApp с контактом Анна.txt", IOS_RU,
         [("Кофе остыл\nвот он", "Простите, заменим"), ("Спасибо, всё отлично\nи вторая строка: с двоеточием", None)]),
        ("WhatsApp Chat with Anna.txt", ANDROID_EN,
         [("My order is late\nand the app says: delivered\ncold soup here", "Sorry! It is on the way"),
          ("thank you", None)]),
        ("Чат WhatsApp с Анна.txt", ANDROID_RU, [("Кофе остыл", "Простите, заменим")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zipped", [False, True])
def test_only_what_people_wrote_is_kept(
    tmp_path: Path, name: str, content: str, told: list[tuple[str, str | None]], zipped: bool
) -> None:
    """Clocks of 12 and 24 hours, brackets, lines that go on, pictures, calls, edits, notices of the messenger."""
    path = write(tmp_path, name, content)
    if zipped:
        path = path.with_suffix(".zip")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("_chat.txt", content)
            archive.writestr("PHOTO.jpg", b"\xff")
    items = list(chats.read(path).items())
    assert [(one.text, one.reply.text if one.reply else None) for one in items] == told
    assert {one.author for one in items} <= {"Анна", "Anna"} and all("chat" in one.flags for one in items)
    assert items[0].published_at is not None and items[0].published_at.hour == 14


def test_an_archive_that_is_no_conversation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "x")
        archive.writestr("b.txt", "y")
    with pytest.raises(BadParams, match="holds 2 files of text"):
        chats.read(path)


def test_the_name_of_the_file_tells_the_customer_and_ids_stay_the_same(tmp_path: Path) -> None:
    path = write(
        tmp_path, "WhatsApp Chat with Anna.txt", "3/12/26, 2:05 PM - Anna: hello\n3/13/26, 2:06 PM - Bob: yes?\n"
    )
    first, again = chats.read(path), chats.read(path)
    assert [one.external_id for one in first.items()] == [one.external_id for one in again.items()]
    assert next(first.items()).published_at == datetime(2026, 3, 12, 14, 5, tzinfo=UTC)  # 13 can be no month


def test_nobody_is_guessed_to_be_the_company(tmp_path: Path) -> None:
    with pytest.raises(BadParams, match="nothing says who of Анна, Полдень"):
        chats.read(write(tmp_path, "chat.txt", WHATSAPP))
    with pytest.raises(BadParams, match="none of Foo writes in it"):
        chats.read(write(tmp_path, "chat.txt", WHATSAPP), agents=["Foo"])


def test_telegram(tmp_path: Path) -> None:
    messages = [
        {"id": 1, "type": "service", "date": "2026-03-12T10:00:00", "action": "joined"},
        {"id": 2, "type": "message", "date": "2026-03-12T10:00:05", "date_unixtime": "1773309605", "from": "Anna",
         "from_id": "user1", "text": ["late ", {"type": "bold", "text": "again"}]},
        {"id": 3, "type": "message", "date": "2026-03-12T10:02:05", "date_unixtime": "1773309725", "from": "Cafe",
         "from_id": "user2", "text": "sorry"},
        {"id": 4, "type": "message", "date": "when?", "from": "Anna", "from_id": "user1", "text": "x"},
    ]  # fmt: skip
    export = {"name": "Anna", "type": "personal_chat", "id": 7, "messages": messages}
    found = chats.read(write(tmp_path, "result.json", json.dumps(export)))
    (item,) = found.items()
    assert (item.text, item.author, item.author_id, item.origin) == ("late again", "Anna", "user1", "telegram")
    assert found.conversations[0].facts.first_response == timedelta(minutes=2)
    assert [(row.number, row.error) for row in found.bad_rows] == [(4, "'when?' is no time")]
    everything = {"chats": {"list": [export, {**export, "id": 8}]}}
    whole = write(tmp_path, "all.json", '{"about": "x", ' + json.dumps(everything)[1:])
    assert len(chats.read(whole).conversations) == 2


def test_a_desk_s_csv_keeps_its_conversation_ids_and_a_bot_is_no_answer(tmp_path: Path) -> None:
    table = (
        "conversation_id,sent_at,sender_type,sender,customer_id,message\n"
        "77,2026-03-12T10:00:00Z,client,Anna,c1,where is my order\n"
        "77,2026-03-12T10:00:01Z,bot,Robo,c1,we got your message\n"
        "77,2026-03-12T10:09:00Z,operator,Bob,c1,on its way\n"
        "77,2026-03-14T10:00:00Z,client,Anna,c1,thank you\n"
        "78,2026-03-12T11:00:00Z,alien,?,c2,hm\n"
        "79,2026-03-12T11:00:00Z,operator,Bob,c3,do you need help\n"
    )
    found = chats.read(write(tmp_path, "desk.csv", table))
    assert [one.id for one in found.conversations] == ["77"]
    assert found.conversations[0].facts.first_response == timedelta(minutes=9)
    first, last = found.items()
    assert (first.external_id, last.external_id, last.parent_id) == ("77", "77/2", "77")
    assert first.reply is not None and first.reply.author == "Bob"
    assert [row.number for row in found.bad_rows] == [6]
    assert "1 conversations without a word of a customer are left out" in found.notes
