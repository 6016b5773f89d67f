"""Words that carry no news in Russian and English, and stems of abuse that should not open a list of quotes."""

from __future__ import annotations

import re

# negations stay: "не привезли" says something, "привезли" says the opposite
NEGATIONS = frozenset(
    ("не", "нет", "ни", "без", "no", "not", "never", "without", "nobody", "nothing", "n't", "dont", "didnt", "cant")
)

# never the end of a phrase: "two hours", not "waited two"
COUNTING = frozenset(
    [
        "один",
        "два",
        "три",
        "четыре",
        "пять",
        "шесть",
        "семь",
        "восемь",
        "девять",
        "десять",
        "двадцать",
        "тридцать",
        "сорок",
        "полтора",
        "пол",
        "первый",
        "второй",
        "третий",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "twenty",
        "thirty",
        "forty",
        "half",
        "first",
        "second",
        "third",
    ]
)

_RUSSIAN = """
а без более больше будет будто бы был была были было быть в вам вас ваш ведь весь во вообще вот впрочем все всегда
всего всех всю вся всё вы где да давать даже для до его ее если есть еще ещё её же за зачем и из или им иметь
иногда их к каждый кажется как какая какой когда конечно который кто куда ли либо лишь лучше между меня мне много
может можно мой моя мы на над надо наконец нас наш него нее ней несколько нибудь никогда ним них но ну о об один
однако он она они оно опять от очень перед по под пока после потом потому почему почти при про просто прямо раз
разве с сам самый свой себя сегодня сейчас сказать со совсем спасибо так также такой там тебя тем теперь то тогда
того тоже только том тот точно тут ты у уж уже хоть хотя чего чем через что чтоб чтобы чуть эта эти это этот эту я
мочь стать стал какой-то что-то кто-то
"""

_ENGLISH = """
a about above after again all also always am an and any are as at be because been before being below between both
but by can could did do does doing done down during each even ever every few for from further get gets getting got
had has have having he her here hers him his how i if in into is it its itself just like lot made make many me more
most much must my of off on once one only or other our ours out over own really same she should so some still such
than that the their them then there these they thing things this those through to too two under until up us very
was we well were what when where which while who whom why will with would yes yet you your yours im ive id ill
youre theyre weve thats
"""

STOP = frozenset(f"{_RUSSIAN} {_ENGLISH}".split()) - NEGATIONS

_ABUSE = re.compile(
    r"\b(?:ху[йеяию]|на?ху|п[иеё]зд|[еёй]б[аоулн]|за[её]б|у[её]б|вы[её]б|бля|муд[аио]|г[ао]ндон|п[ие]д[оа]р|сук[аиуе]\b|"
    r"мраз|твар[ьи]|дебил|идиот|урод|ублюд|чурк|хач|fuck|shit|cunt|bitch|asshole|motherf|bastard|faggot|nigg|retard|"
    r"moron|idiot|whore|slut)",
    re.IGNORECASE,
)


def is_abusive(text: str) -> bool:
    """Whether a text swears or insults; such a text may be quoted, but not first."""
    return _ABUSE.search(text.replace("ё", "е").replace("Ё", "Е")) is not None or _ABUSE.search(text) is not None
