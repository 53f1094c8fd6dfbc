"""The pages as a browser asks for them, and questions in SQL that want more than an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from house import House
from pages_house import HOSTILE, WORDS, pages_door, pages_house
from starlette.testclient import TestClient

from apps.pages.asking import Asking
from apps.pages.pages import Pages
from apps.pages.serve import MADE_BY
from apps.web.guard import LOOPBACK, Guard
from apps.web.serve import key_in
from pipelines.clock import WallClock
from resources.warehouse import AnalystError

HERE = "http://127.0.0.1:3002"
NOW = "2026-11-10T04:00:00"
ADDRESSES = [
    "/executive", "/executive?days=7", "/on-call", "/debug", "/debug?feature=chat", "/debug/request?id=whole", "/sql",
    "/runbooks/latency",
]  # fmt: skip


@pytest.fixture(scope="module")
def house() -> House:
    return pages_house()


@pytest.fixture(scope="module")
def client(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    key = key_in(tmp_path_factory.mktemp("key"))
    guard = Guard(Pages(pages_door(house), WallClock(fixed_now=NOW)).app, key, LOOPBACK, MADE_BY)
    with TestClient(guard, base_url=HERE, follow_redirects=False) as made:
        made.get(f"/?key={key}")
        yield made


@pytest.fixture(scope="module")
def asking(house: House) -> Iterator[Asking]:
    made = Asking(pages_door(house), seconds=20)
    yield made
    made.close()


class Parts(HTMLParser):
    """The names of all attributes of a page, and where its scripts come from."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: set[str] = set()
        self.scripts: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes |= {name for name, _ in attrs}
        if tag == "script":
            self.scripts.append(dict(attrs).get("src"))


def asked(client: TestClient, question: str, **more: str) -> tuple[int, str]:
    answer = client.post("/sql", data={"question": question, **more}, headers={"origin": HERE})
    return answer.status_code, answer.text


# what is shown


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_is_whole_and_asks_nothing_of_others(client: TestClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200 and "cannot be asked" not in answer.text and "NaN" not in answer.text
    assert re.findall(r'(?:src|href)="(?:https?:)?//', answer.text) == []
    parts = Parts()
    parts.feed(answer.text)
    assert not {name for name in parts.attributes if name.startswith("on") or name == "style"}, "the policy would refuse it"
    assert parts.scripts == ["/static/pages.js"]
    assert "<script>window" not in answer.text and "<img src=x" not in answer.text and WORDS not in answer.text
    assert answer.headers["cache-control"] == "no-store" and "unsafe" not in answer.headers["content-security-policy"]


def test_a_stranger_sees_nothing(client: TestClient) -> None:
    with TestClient(client.app, base_url=HERE, follow_redirects=False) as stranger:
        for address in ADDRESSES:
            assert stranger.get(address).status_code == 401
    assert client.post("/sql", data={"question": "select 1"}, headers={"origin": "http://evil.example"}).status_code == 403


def test_a_request_whose_id_is_markup_is_shown_as_words(client: TestClient) -> None:
    answer = client.get("/debug/request", params={"id": HOSTILE})
    assert answer.status_code == 200 and "&lt;script&gt;" in answer.text and "<script>window" not in answer.text
    nobody = client.get("/debug/request", params={"id": f"no {HOSTILE}"})
    assert nobody.status_code == 404 and "<script>window" not in nobody.text


def test_requests_are_found_by_what_is_known_of_them(client: TestClient) -> None:
    def found(**fields: str) -> list[str]:
        return re.findall(r'href="/debug/request\?id=(\w+)"', client.get("/debug", params=fields).text)

    assert found(any_id="failed") == ["failed"] and found(outcome="failed") == ["failed"]
    assert found(feature="chat", day="2026-11-08") == ["a5", "a4", "a3", "a2", "a1", "a0"], "the newest first"
    assert found(least_ms="901") == [] and "bare" not in found(least_ms="899")
    assert found(any_id="whole", day="no day", least_usd="nan", outcome="'; drop") == ["whole"], "nonsense is not asked"
    assert found(any_id="' or 1=1 --") == []


@pytest.mark.parametrize("name", ["../../README", "%2e%2e%2fREADME", "..%2f..%2fREADME.md", "nothing", "latency.md%00"])
def test_a_runbook_is_one_of_its_folder(client: TestClient, name: str) -> None:
    assert client.get(f"/runbooks/{name}").status_code == 404


def test_links_of_alerts_and_panels_lead_to_the_sql_that_is_not_asked_yet(client: TestClient) -> None:
    [link] = set(re.findall(r'href="(/sql\?panel=executive%2Fspend&[^"]*)"', client.get("/executive").text))
    page = client.get(link.replace("&amp;", "&")).text
    assert "from cost.request_costs" in page and 'value="2026-11-09"' in page and 'id="answer"' not in page
    assert client.get("/sql?panel=../secrets").status_code == 200


def test_a_published_file_that_grew_old_is_said_to_be(house: House, tmp_path: Path) -> None:
    old = Pages(pages_door(house), WallClock(fixed_now="2099-01-01T00:00:00"))
    with TestClient(old.app, base_url=HERE) as client:
        assert "hours ago" in client.get("/on-call").text


# questions


def test_a_question_is_answered_as_a_page_and_as_csv(client: TestClient) -> None:
    question = "select day, count(*) as n, '=1+1' as formula, -1.5 as low from logs.requests where day = $day group by day"
    status, page = asked(client, question)
    assert status == 200 and "1 row<" in page and "2026-11-09" in page
    answer = client.post("/sql", data={"question": question, "csv": "1"}, headers={"origin": HERE})
    assert answer.headers["content-type"].startswith("text/csv") and "attachment" in answer.headers["content-disposition"]
    assert answer.text.splitlines() == ["day,n,formula,low", "2026-11-09,5,'=1+1,-1.5"]


def test_markup_in_an_answer_or_an_error_is_words(client: TestClient) -> None:
    for question in ("select feature from logs.requests", f'select "{HOSTILE}" from logs.requests'):
        _, page = asked(client, question)
        assert "window.hacked" in page and "<script>window" not in page and "<img src=x" not in page


ATTACKS = [
    "create table x as select 1", "insert into logs.files select * from logs.files", "drop view logs.requests",
    "copy (select 1) to '{out}'", "copy logs.requests to '{out}' (format csv)", "export database '{out}'",
    "explain analyze copy (select 1) to '{out}'", "attach '{out}' as other", "detach warehouse", "use memory",
    "select 1; copy (select 1) to '{out}'", "pragma database_list", "set enable_external_access = true", "reset all",
    "set lock_configuration = false", "install httpfs", "load httpfs", "call enable_logging()", "checkpoint", "vacuum",
    "prepare p as select 1", "begin transaction", "select * from read_text('{secret}')",
    "select * from read_blob('{secret}')",
    "select * from read_csv('{secret}')", "select * from '{secret}'", "select * from glob('{folder}/*')",
    "select * from sniff_csv('{secret}')", "select * from read_json('{secret}')",
    "select * from parquet_metadata('{secret}')",
    "select * from query('select * from read_text(''{secret}'')')", "select * from read_text('/proc/self/environ')",
    "select * from 'https://example.com/a.csv'", "select * from read_parquet('s3://bucket/a')", "select getenv('PATH')",
    "select * from sqlite_scan('{secret}', 'x')", "select * from duckdb_secrets()", "selec", "", ";",
]  # fmt: skip


def test_questions_that_want_more_than_an_answer_are_refused(house: House, tmp_path: Path) -> None:
    asking = pages_door(house).snapshot()  # Asked as the process of a question asks it, without starting forty.
    secret, out = tmp_path / "secret.csv", tmp_path / "out"
    secret.write_text("canary\n", encoding="utf-8")
    got_through = []
    for attack in ATTACKS:
        try:
            answer = asking.ask(attack.format(secret=secret, out=out, folder=tmp_path), {}, 10)
        except AnalystError as error:
            assert "canary" not in str(error)
        else:
            got_through += [(attack, answer.rows)] if answer.rows else []
    assert got_through == [] and not out.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_words_cannot_be_asked_for_past_the_view(house: House) -> None:
    words = next((house.store.data / "logs" / "texts").rglob("*.json"))
    for path in (words, words.parent.parent / "part.parquet"):
        with pytest.raises(AnalystError, match="disabled by configuration"):
            pages_door(house).snapshot().ask(f"select * from read_blob('{path}')", {}, 1)


def test_the_process_of_a_question_has_no_environment_and_writes_no_file(asking: Asking, tmp_path: Path) -> None:
    question = "select 1 as one, cast('1.50' as decimal(9, 2)) as money, null as nothing"
    assert asking.ask(question, {}, 1).rows == [("1", "1.50", None)]
    for question in ("select * from read_text('/proc/self/environ')", f"copy (select 1) to '{tmp_path}/out'"):
        with pytest.raises(AnalystError):
            asking.ask(question, {}, 1)
    assert list(tmp_path.iterdir()) == []
    asking.make_ready()
    assert asking._ready is not None
    environment = Path(f"/proc/{asking._ready.pid}/environ")
    if environment.exists():
        assert b"HOME=" not in environment.read_bytes()


@pytest.mark.parametrize(
    "question",
    ["select count(*) from range(1000000000000) a, range(1000000) b", "select list_sort(range(200000000)::int[])"],
    ids=["listens", "does not listen"],
)
def test_a_question_without_end_is_stopped_and_the_next_is_answered(house: House, question: str) -> None:
    short = Asking(pages_door(house), seconds=3)
    try:
        with pytest.raises(AnalystError, match=r"was stopped|Out of Memory"):
            short.ask(question, {}, 1)
        short.seconds = 60
        assert short.ask("select 1", {}, 1).rows == [("1",)]
    finally:
        short.close()


def test_a_question_that_takes_all_memory_is_stopped(asking: Asking) -> None:
    with pytest.raises(AnalystError, match=r"memory|Memory"):
        asking.ask("select repeat('a', 4000000000)", {}, 1)


def test_a_long_answer_is_cut_and_says_so(asking: Asking) -> None:
    answer = asking.ask("select range as n, repeat('x', 5000) as long from range(5000)", {}, 1000)
    assert answer.is_cut and len(answer.rows) == 1000 and len(answer.rows[0][1] or "") < 2_100
    with pytest.raises(AnalystError, match="longer than"):
        asking.ask("select 1" + " " * 30_000, {}, 1)
