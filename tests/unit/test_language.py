"""Languages: the guess that is made of every text as it lands, before the text may be dropped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from resources.capture import CapturePolicy
from resources.keyring import Keyring
from resources.language import language_stages, prepare
from resources.sources import Source
from resources.staged_file import rows_of
from resources.staging import StagingRules, stage_file
from resources.warehouse import Connection, connect

XQUAD = Path(__file__).resolve().parents[3] / "shared" / "data" / "xquad"


@pytest.fixture(scope="module")
def con() -> Iterator[Connection]:
    con = connect()
    prepare(con)
    yield con
    con.close()


def guesses(con: Connection, texts: list[str | None]) -> list[str | None]:
    heard, ranked, guessed = language_stages("language", "words")
    con.register("texts", pa.table({"place": range(len(texts)), "words": pa.array(texts, pa.string())}))
    stages = f"select place, {guessed} from (select *, {ranked} from (select *, {heard} from texts))"
    return [row[1] for row in con.execute(f"{stages} order by place").fetchall()]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "Where is the parcel that I ordered on Monday?"),
        ("de", "Wo bleibt das Paket, das ich am Montag bestellt habe?"),
        ("fr", "Où est le colis que j'ai commandé lundi dernier ?"),
        ("es", "¿Dónde está el paquete que pedí el lunes pasado?"),
        ("pt", "Onde está a encomenda que eu fiz na segunda-feira?"),
        ("it", "Dove si trova il pacco che ho ordinato lunedì?"),
        ("nl", "Waar is het pakket dat ik maandag heb besteld?"),
        ("sv", "Var är paketet som jag beställde i måndags och inte fick?"),
        ("da", "Hvor er pakken, som jeg bestilte i mandags og ikke har fået?"),
        ("pl", "Gdzie jest paczka, którą zamówiłem w poniedziałek?"),
        ("tr", "Pazartesi günü sipariş ettiğim paket nerede kaldı?"),
        ("ro", "Unde este coletul pe care l-am comandat luni?"),
        ("id", "Di mana paket yang saya pesan untuk hari Senin itu?"),
        ("vi", "Gói hàng tôi đặt hôm thứ hai đang ở đâu?"),
        ("ru", "Где посылка, которую я заказал в понедельник?"),
        ("uk", "Де посилка, яку я замовив у понеділок, і коли її привезуть?"),
        ("el", "Πού είναι το δέμα που παρήγγειλα τη Δευτέρα;"),
        ("ar", "أين الطرد الذي طلبته يوم الاثنين؟"),
        ("fa", "بسته‌ای که دوشنبه سفارش دادم کجاست؟ پیگیری می‌کنید؟"),
        ("ur", "پیر کو منگوایا ہوا پارسل کہاں ہے؟"),
        ("he", "איפה החבילה שהזמנתי ביום שני?"),
        ("hi", "सोमवार को मंगाया हुआ पार्सल कहाँ है?"),
        ("bn", "সোমবার অর্ডার করা পার্সেলটি কোথায়?"),
        ("ta", "திங்கட்கிழமை ஆர்டர் செய்த பார்சல் எங்கே?"),
        ("te", "సోమవారం ఆర్డర్ చేసిన పార్సిల్ ఎక్కడ ఉంది?"),
        ("th", "พัสดุที่สั่งเมื่อวันจันทร์อยู่ที่ไหน"),
        ("zh", "我星期一订的包裹在哪里？"),
        ("ja", "月曜日に注文した荷物はどこですか。"),
        ("ko", "월요일에 주문한 소포는 어디에 있나요?"),
    ],
)
def test_each_language_is_told_from_one_question(con: Connection, code: str, text: str) -> None:
    assert guesses(con, [text]) == [code]


def test_what_is_no_language_has_none(con: Connection) -> None:
    texts = [None, "", "OK", "42", "4711-0815", '{"amount": 12.5, "items": []}', "ORD-8842 ORD-8843", "😀😀😀", "\n\n"]
    assert guesses(con, texts) == [None] * len(texts)


def test_as_many_words_for_two_languages_decide_for_neither(con: Connection) -> None:
    assert guesses(con, ["una con"]) == [None]


def test_a_foreign_name_does_not_turn_a_sentence(con: Connection) -> None:
    german = "Wer hat das Lied von Tesla und von Los Angeles geschrieben, und wann wurde es zum ersten Mal gesungen?"
    named = "How do I say 你好 to the people who are there?"
    assert guesses(con, [german, named]) == ["de", "en"]


def test_only_the_beginning_is_read(con: Connection) -> None:
    english = "the order of the day is here and there and this is what you asked for "
    assert guesses(con, [english * 3 + "und das ist nicht mehr die Sprache der ersten Worte " * 50]) == ["en"]


def test_the_language_lands_where_the_words_do_not(tmp_path: Path) -> None:
    rules = StagingRules(date(2023, 1, 1), Keyring.open(tmp_path / "keys"), CapturePolicy(), None)
    path = tmp_path / "x.jsonl"
    silent = {"ts": "2026-10-31T10:00:00Z"}
    record = {**silent, "prompt_text": "Wo ist mein Paket?", "output_text": "Das ist da."}
    path.write_text("\n".join(json.dumps(line) for line in (record, silent)) + "\n", encoding="utf-8")
    arrived = datetime(2026, 11, 1, tzinfo=UTC)
    staged = stage_file(path, "gateway/x.jsonl", Source("gateway", "canonical"), arrived, rules, tmp_path / "staged")
    rows = rows_of(staged.landed_path).sort_by("record_number").select(["prompt_language", "output_language"]).to_pylist()
    assert rows == [{"prompt_language": "de", "output_language": "de"}, {"prompt_language": None, "output_language": None}]


@pytest.mark.parametrize("code", ["en", "de", "zh", "hi"])
def test_the_questions_of_a_public_set_are_told(con: Connection, code: str) -> None:
    path = XQUAD / f"xquad.{code}.json"
    if not path.exists():
        pytest.skip(f"needs {path.name} of the XQuAD data set beside the checkout: shared/data/xquad")
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    questions: list[str | None] = [qa["question"] for paragraph in paragraphs for qa in paragraph["qas"]]
    found = guesses(con, questions)
    assert len(found) == 1190
    assert sum(guess == code for guess in found) >= 0.97 * len(found)


def test_one_connection_may_read_several_files() -> None:
    con = connect()
    for _ in range(2):
        prepare(con)
        assert guesses(con, [None, "Wo ist mein Paket?"]) == [None, "de"]
    con.close()
