"""Exports in the shapes that common survey tools give them; every sample is written here."""

from __future__ import annotations

from pathlib import Path

import pytest

from scrapers.imports.surveys import read

TYPEFORM = """#,How likely are you to recommend us to a friend?,What is the reason for your score?,Response Type,\
Start Date (UTC),Stage Date (UTC),Submit Date (UTC),Network ID,Tags
a1b2,9,Kind people,completed,2026-11-02 08:00:10,,2026-11-02 08:01:40,ff01,
c3d4,4,Cold tea,completed,2026-11-03 09:00:00,,2026-11-03 09:02:00,ff02,
"""
SURVEYMONKEY = """Respondent ID,Collector ID,Start Date,End Date,Email Address,\
How likely is it that you would recommend our shop to a friend?,Comments
,,,,,,Open-Ended Response
7001,55,11/13/2026 10:00:00 AM,11/13/2026 10:02:00 AM,,10,Fine
7002,55,11/14/2026 11:00:00 AM,11/14/2026 11:03:00 AM,,3,Too slow
"""
QUALTRICS = """StartDate,EndDate,Status,Progress,RecordedDate,ResponseId,UserLanguage,Q1,Q2
Start Date,End Date,Response Type,Progress,Recorded Date,Response ID,User Language,\
How likely are you to recommend us?,Overall how satisfied are you?
"{""ImportId"":""startDate""}","{""ImportId"":""endDate""}","{""ImportId"":""status""}","{""ImportId"":""progress""}",\
"{""ImportId"":""recordedDate"",""timeZone"":""UTC""}","{""ImportId"":""_recordId""}","{""ImportId"":""lang""}",\
"{""ImportId"":""QID1""}","{""ImportId"":""QID2""}"
2026-11-02 08:00:10,2026-11-02 08:01:40,0,100,2026-11-02 08:01:41,R_1,EN,8,4
2026-11-03 08:00:10,2026-11-03 08:01:40,0,100,2026-11-03 08:01:41,R_2,RU,2,1
"""
GOOGLE_FORMS = """Отметка времени,"Насколько вероятно, что вы порекомендуете нас?",Комментарий
02.11.2026 10:00:00,9,Всё хорошо
"""
YANDEX_FORMS = """ID;Время создания;Насколько вы довольны заказом?;Комментарий
901;2026-11-02 10:00:00;5;Быстро
902;2026-11-03 10:00:00;2;Остыло
"""
DELIGHTED = """ID,Person ID,Name,Email,Score,Comment,Created at,Survey type
11,1,,one@example.org,10,Great,2026-11-02 10:00:00 UTC,nps
12,2,,two@example.org,2,Not so,2026-11-03 10:00:00 UTC,nps
"""
SURVEYMONKEY_WORDS = """Respondent ID,Collector ID,Start Date,End Date,IP Address,Email Address,Custom Data 1,\
How satisfied are you with our company?,,\
How likely is it that you would recommend this company to a friend or colleague?,Do you have any other comments?
,,,,,,,Response,Other (please specify),,Open-Ended Response
8001,40,11/02/2026 10:00:00 AM,11/02/2026 10:02:00 AM,,,,Very satisfied,,10 - Extremely likely,Warm rolls
8002,40,11/13/2026 10:00:00 AM,11/13/2026 10:02:00 AM,,,,Somewhat dissatisfied,,Not at all likely - 0,Shut early
"""
MICROSOFT_FORMS = """ID,Start time,Completion time,Email,Name,\
How likely are you to recommend us to a friend or colleague?,What could we do better?
1,11/2/26 10:00:00,11/2/26 10:02:11,anonymous,,10,Music
2,11/13/26 11:00:00,11/13/26 11:01:00,anonymous,,6,Shorter queues
"""
ANKETOLOG = """ID анкеты;Дата начала;Дата окончания;Статус;1. Насколько вероятно, что Вы порекомендуете нас друзьям?;\
2. Насколько Вы довольны обслуживанием?;3. Что нам улучшить?
701;02.11.2026 10:00;02.11.2026 10:03;Завершена;9;Полностью удовлетворён(а);Вывеску
702;03.11.2026 12:00;03.11.2026 12:04;Завершена;2;Скорее недоволен;Очередь
"""
ASKNICELY = """response_id,person_id,name,email,answer,answerlabel,comment,sent,responded,segment,question_type
51,9,Ann,ann@example.org,9,promoter,Quick,2026-11-01 08:00:00,2026-11-02 10:00:00,regular,nps
52,10,Bob,bob@example.org,3,detractor,Cold,2026-11-01 08:00:00,2026-11-03 10:00:00,new,nps
"""
ZENDESK = """Ticket ID,Requester,Satisfaction Score,Satisfaction Comment,Solved at
1,Ann,Good,Thanks,2026-11-02
2,Bob,Bad,No help,2026-11-03
"""


@pytest.mark.parametrize(
    ("name", "content", "answers"),
    [
        ("typeform", TYPEFORM, [("nps", 9, "Kind people"), ("nps", 4, "Cold tea")]),
        ("surveymonkey", SURVEYMONKEY, [("nps", 10, "Fine"), ("nps", 3, "Too slow")]),
        ("qualtrics", QUALTRICS, [("nps", 8, ""), ("csat", 4, ""), ("nps", 2, ""), ("csat", 1, "")]),
        ("google", GOOGLE_FORMS, [("nps", 9, "Всё хорошо")]),
        ("yandex", YANDEX_FORMS, [("csat", 5, "Быстро"), ("csat", 2, "Остыло")]),
        (
            "surveymonkey in words",
            SURVEYMONKEY_WORDS,
            [("csat", 5, "Warm rolls"), ("nps", 10, ""), ("csat", 2, "Shut early"), ("nps", 0, "")],
        ),
        ("microsoft", MICROSOFT_FORMS, [("nps", 10, "Music"), ("nps", 6, "Shorter queues")]),
        ("anketolog", ANKETOLOG, [("nps", 9, "Вывеску"), ("csat", 5, ""), ("nps", 2, "Очередь"), ("csat", 2, "")]),
        ("asknicely", ASKNICELY, [("nps", 9, "Quick"), ("nps", 3, "Cold")]),
        ("zendesk", ZENDESK, [("csat", 5, "Thanks"), ("csat", 1, "No help")]),
        ("delighted", DELIGHTED, [("nps", 10, "Great"), ("nps", 2, "Not so")]),
    ],
)
def test_an_export_is_read_as_it_is(
    tmp_path: Path, name: str, content: str, answers: list[tuple[str, float, str]]
) -> None:
    path = tmp_path / f"{name}.csv"
    path.write_text(content, encoding="utf-8")
    rows = list(read(path))
    assert [row.error for row in rows] == [None] * len(rows)
    found = [answer for row in rows for answer in row.answers]
    assert [(one.metric, one.value, one.comment) for one in found] == answers
    assert {one.answered_at.month for one in found} == {11} and len({one.external_id for one in found}) == len(rows)


def test_nobody_is_no_customer_and_a_column_called_nps_is_one(tmp_path: Path) -> None:
    path = tmp_path / "forms.csv"
    path.write_text(MICROSOFT_FORMS, encoding="utf-8")
    assert {answer.customer for row in read(path) for answer in row.answers} == {""}
    path.write_text("date,our nps\n2026-11-01,11\n2026-11-02,8\n", encoding="utf-8")
    first, second = read(path)
    assert first.error is not None and "11" in first.error and second.answers[0].value == 8


def test_a_bad_first_row_is_no_heading(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("id,date,nps\n1,soon,9\n2,2026-11-02,8\n", encoding="utf-8")
    rows = list(read(path))
    assert rows[0].error is not None and "soon" in rows[0].error and len(rows) == 2
