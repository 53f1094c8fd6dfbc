"""Which language a text is in: a guess as SQL, cheap enough for every record that lands.

Here belongs the guess alone: other scripts by their letters, languages in Latin letters by their commonest words. It looks
at the beginning of a text, and is made for following shares over time, not for routing a single request. A text that is too
short, or in a language that is not here, has none; one that mixes languages has that of its beginning; program code has
that of its words.
"""

from __future__ import annotations

from functools import cache

from resources.warehouse import Connection

LOOKED_AT_CHARACTERS = 120
ENOUGH_WORDS = 2
"""So many common words decide; in a text of fewer than SHORT_CHARACTERS, one does."""
SHORT_CHARACTERS = 60
_MOST_WORDS = 15
_BITS = 4
"""A language's count of words takes four bits of a sum: up to 15 words of up to 15 languages fit a BIGINT."""
_SCRIPTS = {
    "el": "Ͱ-Ͽ", "ru": "Ѐ-ӿ", "he": "֐-׿", "ar": "؀-ۿ", "hi": "ऀ-ॿ", "bn": "ঀ-৿", "ta": "஀-௿", "te": "ఀ-౿", "th": "฀-๿",
    "ja": "぀-ヿ", "zh": "㐀-鿿", "ko": "가-힯",
}  # fmt: skip
"""The block of Unicode whose first letter in a text tells."""
_WITHIN = {"ur": ("ar", "ٹڈڑںےہ"), "fa": ("ar", "پچژگ"), "uk": ("ru", "іїєґ"), "ja": ("zh", "぀-ヿ")}
"""Who writes with another's letters, and some more."""
_LETTERS = {
    "vi": "ơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ", "tr": "ğı", "pl": "łżźśęą", "ro": "țșţ", "es": "ñ¿¡",
    "pt": "ãõ", "de": "ß", "sv": "å",
}  # fmt: skip
"""Of Latin script: the first of them speaks where the words do not."""
_ENGLISH = "the of and are were what which who how why when where does did this that you your with from have has it please"
"""Two of these in a text settle it: most traffic pays for no more than this pattern."""
_WORDS = {
    "en": f"{_ENGLISH} is was to in a an at my can could do for i me not on there their they be by as or if we will would "
    "many much long name tell",
    "de": "der die das und ist nicht ich ein eine einer einen einem den dem des zu wer wie was wo wurde wann warum weshalb "
    "wieso welche welcher welches welchen welchem wen wem woran woraus wodurch wofür worauf wovon wozu wohin woher worüber "
    "wogegen womit worum wonach für auf mit sich auch wir sie er es sind waren war viele haben hat hatte hatten kann können "
    "könnte mein meine meinen bitte im in vom zur zum bei beim nach von an am als aus über unter wird werden worden durch "
    "gibt gab machen um mir uns nur oder aber wenn wieviel wieviele laut seine seinen ihr ihre",
    "fr": "le la les des de est et dans pour avec sur quel quelle quels quelles comment je vous nous cette ce ces pas du un "
    "une au aux où en il elle ils pourquoi quand sont qui que mon ma mes peux peut puis-je être a était combien c'est "
    "qu'est-ce plaît par se plus ne quoi son sa ses",
    "es": "el la los las de y en un una que qué ¿qué cómo ¿cómo cuál ¿cuál cuáles ¿cuáles quién ¿quién quiénes dónde ¿dónde "
    "cuándo ¿cuándo ¿por ¿en ¿a ¿cuánto ¿cuántos ¿cuántas ¿puedo del por para con se su sus es fue más mi está puedo puede "
    "son hay hola no al como lo me era fueron quiénes ¿a ¿de ¿con ¿hay ¿existe tiene tienen nombre año",
    "pt": "o a os as um uma que não em dos das do da de na no nas nos com por para você é são foi foram mais meu minha "
    "quem onde quando qual quais como e se ao à posso pode está eu seu sua",
    "it": "il lo gli la le di che è della dei delle degli del nel nella nei sono quale quali chi quando dove perché come "
    "cosa ho ha mio mia un una per con quanto quanti posso non si al alla da e i qual cos'è era è stato",
    "nl": "de het een van en in is niet ik je wat hoe wie waar wanneer waarom welke welk voor zijn dat ook werd deze mijn "
    "naar bij kan op met te door aan er was worden hebben heeft er veel",
    "sv": "och att är inte jag vad hur när varför vilken vilket vilka av för ett en på som till min kan med den det i vem "
    "har om de",
    "da": "og ikke jeg hvad hva hvordan hvem hvornår hvorfor hvilken hvilket hvilke af er til et en på som min kan med den "
    "det i har om at for de",
    "pl": "w na jest nie się jak kto gdzie kiedy dlaczego który która które czy po są że od dla co mój proszę i z do ile to "
    "jaki jaka jakie był była było za przez o",
    "ro": "și de la în din pe cu ce care cum câte câți unde când cine este sunt a fost o un pentru nu că mai ale al s-a "
    "se lui prin după fi au",
    "tr": "ve bir bu için nasıl kim nerede neden hangi kaç mı mi çok olarak nedir değil ile da de ne olan zaman kadar ben "
    "kimdir nelerdir hangisidir yıl son ilk",
    "id": "yang dan ini itu dengan untuk dari tidak apa bagaimana siapa kapan mengapa saya adalah pada ke bisa anda di "
    "dalam berapa oleh akan",
    "vi": "và là của có không được cho một những các với này trong người tôi bạn gì như đã khi ở nào ai bao về đến từ thế",
}
"""The commonest words of each language; a word of several counts for each. Norwegian is counted as Danish."""
_ENGLISH_AT_ONCE = -1
_AT = {code: at for at, code in enumerate(_WORDS)}
_ALL_WORDS = sorted({word for common in _WORDS.values() for word in common.split()})
_TYPE = "word_of_a_language"


def prepare(con: Connection) -> None:
    """Makes the words known to a connection: once, because a statement that spelt them out would be slow to plan."""
    names = ", ".join(f"' {_spelt(word)} '" for word in _ALL_WORDS)
    con.execute(f"create or replace temporary type {_TYPE} as enum ({names})")


@cache
def language_stages(name: str, text: str) -> tuple[str, str, str]:
    """SQL: items of three selects, each over the rows of the one before, that give the column `name`: the ISO 639-1 code of
    the language that the expression `text` is guessed to be in.

    NULL where that is unsure: no letters that tell, and fewer than two of a language's words (one in a short text), or as
    many of another's. What a stage says once as a column the next would plan and compute again for each language.
    """
    votes, letter, ranking = f"{name}_votes", f"{name}_letter", f"{name}_ranking"
    begun = _begun(text)
    enough = f"case when length({begun}) < {SHORT_CHARACTERS} then 1 else {ENOUGH_WORDS} end"
    is_clear = f"{ranking}[1] >= 64 * {enough} and ({ranking}[1] & 63) + ({ranking}[2] & 63) = 63"
    codes = f"cast('[{', '.join(_AT)}]' as varchar[])"
    scripts = _scripts(begun, letter)
    word = f"when {is_clear} then ({codes})[(({ranking}[1] & 63) >> 2) + 1]"
    return (
        f"{_votes(begun)} as {votes}, {_letter(begun)} as {letter}",
        f"{_ranking(votes)} as {ranking}",
        f"case when {votes} = {_ENGLISH_AT_ONCE} then 'en' {scripts} {word} {_letters(letter)} end as {name}",
    )


def _votes(begun: str) -> str:
    """How many words speak for each language in Latin letters, four bits each."""
    # Each word gets spaces of its own, so that one found does not hide the next.
    spaced = f"replace(' ' || replace({begun}, chr(10), ' ') || ' ', ' ', '  ')"
    found = f"regexp_extract_all({spaced}, ' (?:{'|'.join(map(_spelt, _ALL_WORDS))}) ')[:{_MOST_WORDS}]"
    # Only known words are left: as an enumeration, each is found in one step, and leads to what it counts for.
    counts_for = f"cast('{[_counts_for(word) for word in _ALL_WORDS]}' as bigint[])"
    counted = f"list_transform(cast({found} as {_TYPE}[]), lambda word: ({counts_for})[enum_code(word) + 1])"
    english = f"(?:{'|'.join(_ENGLISH.split())})"
    return (
        f"case when regexp_matches({begun}, '(?s)\\b{english} (?:.* )?{english}\\b') then {_ENGLISH_AT_ONCE} "
        f"when not {_is_other_script(begun)} then cast(list_sum({counted}) as bigint) end"
    )


def _letter(begun: str) -> str:
    """The first letter that tells; in Latin script, where it is not ASCII."""
    script, latin = ("".join(letters.values()) for letters in (_SCRIPTS, _LETTERS))
    return (
        f"case when strlen({begun}) = length({begun}) then null "
        f"when {_is_other_script(begun)} then regexp_extract({begun}, '[{script}{latin}]') "
        f"else regexp_extract({begun}, '[{latin}]') end"
    )


def _ranking(votes: str) -> str:
    """Each language's count times 64 plus its place, the largest of them; and the same with the places counted backwards.
    They differ where two languages are as likely."""
    places = f"cast('{[_BITS * at for at in _AT.values()]}' as bigint[])"
    forwards, backwards = (
        f"list_max(list_transform({places}, lambda place: (({votes} >> place) & {_MOST_WORDS}) * 64 + {rank}))"
        for rank in ("place", "63 - place")
    )
    return f"case when {votes} > 0 then [{forwards}, {backwards}] end"


def _scripts(begun: str, letter: str) -> str:
    in_block = {code: f"{letter} between '{block[0]}' and '{block[-1]}'" for code, block in _SCRIPTS.items()}
    particular = (
        f"when {in_block[of]} and regexp_matches({begun}, '[{letters}]') then '{code}'"
        for code, (of, letters) in _WITHIN.items()
    )
    return " ".join([*particular, *(f"when {test} then '{code}'" for code, test in in_block.items())])


def _letters(letter: str) -> str:
    return " ".join(f"when contains('{letters}', nullif({letter}, '')) then '{code}'" for code, letters in _LETTERS.items())


def _begun(text: str) -> str:
    return f"lower(left({text}, {LOOKED_AT_CHARACTERS}))"


def _is_other_script(begun: str) -> str:
    """SQL: every other letter or so takes more than one byte."""
    return f"(strlen({begun}) - length({begun})) * 10 >= 4 * length({begun})"


def _spelt(word: str) -> str:
    return word.replace("'", "''")


def _counts_for(word: str) -> int:
    return sum(1 << (_BITS * _AT[code]) for code, common in _WORDS.items() if word in common.split())
