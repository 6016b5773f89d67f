"""Which words turn what others say: negators by language and side, and the words at which their reach ends.

`models.tokenizer.hash_ngrams` marks the neighbours of these words, so that "понравилось" and "не понравилось" are
different things to a bag of n-grams. Negation inside a word (Turkish -me-, Japanese -nai, Swahili ha-) and in scripts
without spaces (不, ไม่) is in the letters already. What a mark is worth is learnt: a word of this list that negates in
one language and not in another does no harm.
"""

from __future__ import annotations

# The words after these are turned, by language of origin.
_BEFORE = {
    "en": "not no never t dont doesnt didnt isnt arent wasnt werent wont wouldnt cant couldnt shouldnt cannot hasnt "
    "havent aint without nothing nobody hardly barely neither nor lack lacks lacking",
    "ru": "не ни нет без нельзя никогда нечего ничего вряд",
    "uk": "не ні немає нема без ніколи нічого",
    "bg": "не няма без никога нищо нямаше ни",
    "hr": "ne nije nisu nisam nismo niste nemoj nemojte nema nemam bez nikad nikada nikako ni",
    "cs": "ne není nejsou nebyl nebyla nebylo nemá bez nikdy ani nic",
    "sk": "ne nie nebol nebola nebolo nemá bez nikdy ani nič",
    "pl": "nie bez nigdy ani nic brak",
    "lv": "ne nav nebija bez nekad neko",
    "de": "nicht kein keine keinen keinem keiner keines nie niemals ohne nichts kaum weder nix ned net",
    "nl": "niet geen nooit zonder niets nergens amper",
    "sv": "inte icke ej aldrig ingen inget inga utan knappast",
    "da": "ikke aldrig ingen intet uden næppe",
    "no": "ikke aldri ingen intet uten neppe ikkje",
    "fi": "ei en et emme ette eivät ole eikä ilman",
    "hu": "nem ne se sem soha nincs nélkül nincsenek",
    "el": "δεν δε μην μη χωρίς ποτέ ούτε καθόλου όχι",
    "ro": "nu n fără niciodată nici nimic niciun nicio",
    "fr": "pas jamais sans rien aucun aucune ni plus guère",
    "es": "no nunca jamás sin nada ni tampoco ningún ninguna",
    "pt": "não nao n nunca jamais sem nada nem nenhum nenhuma",
    "it": "non no mai senza niente nessun nessuna né nulla manco",
    "tr": "hiç ne",
    "ar": "لا لم لن ليس ليست ما غير بدون مش مو موب مب ماهو ولا مافي مفيش مهوب",
    "fa": "نه نمی بدون بی هیچ نمیشه نیست",
    "he": "לא אין בלי אל אף ללא",
    "hi": "नहीं मत न ना बिना कभी nahi nahin mat na",
    "ur": "نہیں نہ بغیر مت کبھی",
    "mr": "न",
    "vi": "không chưa chẳng đừng chả ko k kg hông khong chẳng",
    "id": "tidak tak tdk gak ga nggak ngga enggak bukan jangan tanpa belum kurang gk engga tiada x",
    "ms": "tidak tak tk bukan jangan tanpa belum kurang x",
    "ko": "안 못 아니",
    "ha": "ba babu bai bata",
    "ig": "adịghị aghị",
    "yo": "kò kì ko kii ò kọ",
    "sw": "si hakuna hapana bila hawana haina kamwe",
    "pcm": "no neva never nor nothin",
    "rw": "nta nti ntabwo",
    "tw": "nni",
    "eu": "ez ezin inoiz gabe",
    "kk": "жоқ ешқашан",
    "uz": "hech yoq",
}
# The words before these are turned.
_AFTER = {
    "de": "nicht nie niemals nix",
    "nl": "niet nooit",
    "sv": "inte aldrig",
    "da": "ikke aldrig",
    "no": "ikke aldri",
    "fr": "pas jamais rien",
    "en": "not never",
    "tr": "değil degil yok değildi değilim deil",
    "kk": "емес жоқ емеспін",
    "uz": "emas yoq yo emasman",
    "hi": "नहीं नही nahi nahin nhi",
    "ur": "نہیں نہ",
    "mr": "नाही नाहीत नव्हते नव्हता नव्हती नको नये",
    "bn": "না নয় নেই নাই নি নয়",
    "ta": "இல்லை இல்ல வேண்டாம் illa",
    "si": "නැහැ නෑ නැත නොවේ නැති",
    "ml": "ഇല്ല അല്ല illa alla",
    "ha": "ba",
    "eu": "gabe ez",
    "hu": "nincs nélkül",
    "am": "አይደለም የለም አይደለ",
    "ko": "않다 않아요 않습니다 없다 없어요 없습니다 아니다",
    "fa": "نیست نبود نداره نداشت",
    "rw": "ntabwo",
    "ar": "مش",
    "vi": "không",
    "ru": "нет",
}
# A contrast: the reach of a negator ends here, and what follows is marked on its own.
_CONTRAST = (
    "but however although though yet except но однако зато хотя але проте зате ама обаче ali међутим no ipak međutim "
    "ale avšak jednak tomu bet aber jedoch obwohl sondern maar echter men dock mutta kuitenkin viszont hanem αλλά "
    "όμως dar însă însa mais cependant pourtant pero aunque sino ma però mas porém contudo ama fakat ancak لكن بس ولكن "
    "اما ولی لیکن אבל लेकिन पर मगर lekin par magar مگر پر पण কিন্তু তবে ஆனால் ஆனா නමුත් ඒත් പക്ഷെ പക്ഷേ nhưng "
    "tapi tetapi namun cuma 하지만 그런데 amma mana mà ṣùgbọ́n ṣugbọn lakini ila abeg ariko nanso baina бірақ алайда "
    "лекин lekin ammo biroq ግን"
)


def _words(table: dict[str, str]) -> frozenset[str]:
    return frozenset(word for line in table.values() for word in line.split())


BEFORE = _words(_BEFORE)
AFTER = _words(_AFTER)
CONTRAST = frozenset(_CONTRAST.split()) - BEFORE - AFTER
REACH_AFTER, REACH_BEFORE = 3, 2  # words that a negator turns on either side
