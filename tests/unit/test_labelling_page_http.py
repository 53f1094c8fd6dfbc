"""The labelling page as a browser, and as somebody who means harm, asks for it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from labelling_queue import DRAW, desk_of, handed_in, task, write_draw
from starlette.testclient import TestClient

from apps.labelling.lists import code_of
from apps.labelling.pages import Labelling
from apps.labelling.serve import MADE_BY, serve
from apps.web.guard import LOOPBACK, Guard
from apps.web.serve import ServeError, is_loopback
from resources.contracts import SEEDS
from resources.labelling_seed import LABELLING_FILE, load_labelling

HERE = "http://127.0.0.1:3001"
LIST = f"/list/{code_of(DRAW)}/first"
HOSTILE = "</textarea></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{7*7}}"
WORDS = dict.fromkeys(("answer", "prompt", "system", "history"), HOSTILE)
TASKS = [task("r0"), task("r1", **WORDS, context=[HOSTILE]), task("r2", context=[], answer=" ")]
FOREIGN_HOSTS = ["evil.example", "evil.example:3001", "127.0.0.1.evil.example", "", "[::2]:3001", "a b", "[x"]
FOREIGN_ORIGINS = ["http://evil.example", "null", "", None, "http://127.0.0.1:3000", "http://localhost:3001", "[x"]
ELSEWHERE = r"(?:src|href|url|import)\s*[=(]\s*[\"']?(?:https?:)?//"


@pytest.fixture
def labelling(tmp_path: Path) -> Path:
    write_draw(tmp_path, TASKS, TASKS[:1])
    return tmp_path


def client_of(labelling: Path, base_url: str = HERE) -> TestClient:
    """A browser that nobody has let in."""
    desk = desk_of(labelling)
    page = Labelling(desk, load_labelling(SEEDS / LABELLING_FILE))
    return TestClient(Guard(page.app, desk.key(), LOOPBACK, MADE_BY), base_url=base_url, follow_redirects=False)


@pytest.fixture
def client(labelling: Path) -> Iterator[TestClient]:
    """One that has the key, and whose person is ana."""
    with client_of(labelling) as made:
        assert made.get(f"/?key={desk_of(labelling).key()}").status_code == 303
        assert made.post("/name", data={"name": " Ana "}, headers={"origin": HERE}).status_code == 303
        yield made


def form(client: TestClient, number: int = 1) -> dict[str, str]:
    """The hidden fields of an answer's form."""
    shown = client.get(f"{LIST}/{number}").text
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', shown))


def post(client: TestClient, number: int, act: str, **said: str) -> int:
    fields = form(client, number) | {"act": act, **said}
    return client.post(f"{LIST}/{number}", data=fields, headers={"origin": HERE}).status_code


# who is let in


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_name_that_was_made_to_point_here_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 400 and "ana" not in answer.text


@pytest.mark.parametrize("host", ["localhost:3001", "127.0.0.1:3001", "[::1]:3001", "LOCALHOST:3001"])
def test_this_machine_is_known_by_its_names(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code != 400


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_form_of_another_page_is_refused(client: TestClient, labelling: Path, origin: str | None) -> None:
    fields = form(client) | {"act": "judge", "hallucinated": "yes"}
    headers = {} if origin is None else {"origin": origin}
    assert client.post(f"{LIST}/1", data=fields, headers=headers).status_code == 403
    assert desk_of(labelling).waiting("ana") == 0


@pytest.mark.parametrize("path", ["/", LIST, f"{LIST}/1", "/static/page.js", "/?key=wrong", "/?key=", "/?key=%C3%A9"])
def test_without_the_key_nothing_is_shown(labelling: Path, path: str) -> None:
    with client_of(labelling) as stranger:
        answer = stranger.get(path)
    assert answer.status_code == 401 and "answer to" not in answer.text


def test_the_key_leaves_the_address_and_comes_back_from_this_page_alone(labelling: Path) -> None:
    with client_of(labelling) as made:
        answer = made.get(f"/?key={desk_of(labelling).key()}")
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie


def test_others_come_by_the_name_that_was_said_and_over_tls(labelling: Path) -> None:
    desk, host = desk_of(labelling), "desk.example"
    guard = Guard(Labelling(desk, load_labelling(SEEDS / LABELLING_FILE)).app, desk.key(), {host}, MADE_BY)
    with TestClient(guard, base_url=f"https://{host}", follow_redirects=False) as other:
        assert "; secure" in other.get(f"/?key={desk.key()}").headers["set-cookie"].lower()
        assert other.post("/name", data={"name": "bo"}, headers={"origin": f"https://{host}"}).status_code == 303
        assert other.get("/", headers={"host": "localhost"}).status_code == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(client: TestClient, method: str) -> None:
    assert client.request(method, "/").status_code == 405


@pytest.mark.parametrize("path", ["/", f"{LIST}/2", "/static/page.css", "/nowhere", "/list/x/first", "/static/../pages.py"])
def test_every_answer_is_kept_nowhere_and_runs_nothing_foreign(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["cache-control"] == "no-store" and headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]


def test_a_refusal_has_the_same_headers(client: TestClient) -> None:
    answer = client.get("/", headers={"host": "evil.example"})
    assert answer.headers["x-frame-options"] == "DENY" and "server" not in answer.headers


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"x=1", "text/plain"), (b'{"act": "judge"}', "application/json"), (b"a=" + b"x" * 100_001, None), (b"\xff", None),
        (b"&".join([b"a=1"] * 99), None), (b"", None),
    ],
)  # fmt: skip
def test_what_is_no_form_of_this_page_is_refused(client: TestClient, body: bytes, kind: str | None) -> None:
    headers = {"origin": HERE, "content-type": kind or "application/x-www-form-urlencoded"}
    assert client.post(f"{LIST}/1", content=body, headers=headers).status_code == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "desk.example", "::"])
def test_an_open_address_needs_a_name(labelling: Path, host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ServeError, match="--name"):
        serve(labelling, SEEDS, desk_of(labelling).clock, host, 0, [], print)


# what is shown


def test_words_are_words_whatever_they_spell(client: TestClient) -> None:
    shown = client.get(f"{LIST}/2").text
    assert shown.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 5 and "{{7*7}}" in shown
    assert "<script>alert" not in shown and "<img src=x" not in shown


def test_what_was_not_given_is_said_not_to_be(client: TestClient) -> None:
    shown = client.get(f"{LIST}/3").text
    assert "No documents were given to the model." in shown and "The answer is empty." in shown
    assert "No documents" not in client.get(f"{LIST}/1").text


def test_a_comment_comes_back_as_words(client: TestClient) -> None:
    assert post(client, 1, "draft", comment=HOSTILE) == 200
    shown = client.get(f"{LIST}/1").text
    assert "<script>alert" not in shown and "&lt;/textarea&gt;" in shown


def test_nothing_on_the_page_tells_what_is_expected(client: TestClient, labelling: Path) -> None:
    write_draw(labelling, TASKS, name="2026-11-09-targeted-2026-11-10")
    pages = [client.get(path).text.lower() for path in ("/", f"{LIST}/1", f"{LIST}/all")]
    hints = ("targeted", "draw-1", "score", "probability", "thumbs", "leak_", "priority")
    assert [hint for page in pages for hint in hints if hint in page] == []


def test_no_page_asks_another_host_for_anything(client: TestClient) -> None:
    pages = [client.get(path).text for path in ("/", f"{LIST}/1", "/static/page.css", "/static/page.js")]
    assert [found for page in pages for found in re.findall(ELSEWHERE, page)] == []
    assert not any(re.search(r"<script>|\son\w+=|\sstyle=", page) for page in pages[:2]), "the policy would refuse it"


# what is done


def test_a_judgement_leads_to_the_next_and_the_last_one_is_handed_in(client: TestClient, labelling: Path) -> None:
    for number in (1, 2, 3):
        assert client.get(LIST).headers["location"] == f"{LIST}/{number}"
        assert post(client, number, "judge", hallucinated="no") == 303
    assert "Done" in client.get(LIST).text
    assert [line["request_id"] for line in handed_in(labelling)] == ["r0", "r1", "r2"]


@pytest.mark.parametrize("number", ["0", "01", "4", "-1", "x", "9" * 5_000])
def test_a_number_that_no_answer_has_is_nowhere(client: TestClient, number: str) -> None:
    assert client.get(f"{LIST}/{number}").status_code == 404


def test_what_is_wrong_with_a_form_is_said_beside_what_one_chose(client: TestClient, labelling: Path) -> None:
    fields = form(client) | {"act": "judge", "comment": "look here"}
    answer = client.post(f"{LIST}/1", data=fields, headers={"origin": HERE})
    assert answer.status_code == 400 and "answer one question at least" in answer.text and "look here" in answer.text
    assert desk_of(labelling).waiting("ana") == 0


def test_a_form_from_an_older_tab_is_shown_again_and_can_be_saved(client: TestClient, labelling: Path) -> None:
    old = form(client)
    assert post(client, 1, "judge", hallucinated="yes", severity="minor") == 303
    assert client.post(f"{LIST}/1", data=old | {"act": "draft", "toxic": "no"}, headers={"origin": HERE}).status_code == 409
    answer = client.post(f"{LIST}/1", data=old | {"act": "judge", "hallucinated": "no"}, headers={"origin": HERE})
    assert answer.status_code == 409 and "in another tab" in answer.text and 'name="version" value="1"' in answer.text
    assert re.search(r'name="hallucinated" value="no" checked', answer.text)
    assert post(client, 1, "judge", hallucinated="no") == 303
    client.post("/hand-in", headers={"origin": HERE}, data={"a": "b"})
    assert [line["hallucinated"] for line in handed_in(labelling)] == ["no"]


def test_a_form_of_a_list_that_was_written_anew_judges_nothing_else(client: TestClient, labelling: Path) -> None:
    old = form(client, 2)
    path = labelling / "queue" / DRAW / "first.jsonl"
    path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[1:]))
    answer = client.post(f"{LIST}/2", data=old | {"act": "judge", "hallucinated": "yes"}, headers={"origin": HERE})
    assert answer.status_code == 409 and desk_of(labelling).waiting("ana") == 0


def test_a_list_whose_words_are_gone_says_so(client: TestClient, labelling: Path) -> None:
    fields = form(client) | {"act": "draft", "hallucinated": "yes"}
    os.rename(labelling / "queue" / DRAW, labelling / "elsewhere")
    assert client.post(f"{LIST}/1", data=fields, headers={"origin": HERE}).status_code == 410
    answer = client.get(f"{LIST}/1")
    assert answer.status_code == 410 and "not kept any more" in answer.text
    assert "Nothing waits to be judged" in client.get("/").text


def test_a_desk_that_cannot_be_read_says_which_file(client: TestClient, labelling: Path) -> None:
    assert post(client, 1, "judge", hallucinated="no") == 303
    [path] = (labelling / "desk").rglob("*.jsonl")
    path.write_text("{")
    answer = client.get("/")
    assert answer.status_code == 500 and path.name in answer.text
    path.unlink()


def test_two_annotators_have_progress_of_their_own(client: TestClient, labelling: Path) -> None:
    assert post(client, 1, "judge", hallucinated="no") == 303
    with client_of(labelling) as other:
        other.get(f"/?key={desk_of(labelling).key()}")
        other.post("/name", data={"name": "bo"}, headers={"origin": HERE})
        assert other.get(LIST).headers["location"] == f"{LIST}/2"
        assert other.get(f"{LIST}/1").status_code == 404
        assert "1 of 3" in other.get("/").text


def test_a_name_that_is_none_is_asked_for_again(labelling: Path) -> None:
    with client_of(labelling) as made:
        made.get(f"/?key={desk_of(labelling).key()}")
        assert "Who judges?" in made.get("/").text
        assert made.get(f"{LIST}/1").headers["location"] == "/"
        answer = made.post("/name", data={"name": "  "}, headers={"origin": HERE})
        assert answer.status_code == 400 and "1 to 60 characters" in answer.text


def test_what_waits_is_handed_in_when_the_page_ends(labelling: Path) -> None:
    with client_of(labelling) as made:
        made.get(f"/?key={desk_of(labelling).key()}")
        made.post("/name", data={"name": "ana"}, headers={"origin": HERE})
        assert post(made, 1, "judge", hallucinated="no") == 303
        assert handed_in(labelling) == []
    assert [line["request_id"] for line in handed_in(labelling)] == ["r0"]
