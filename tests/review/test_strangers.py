"""Requests by hand: who gets a page, who does not, and what no request can do."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_ladder.real.reviews import read_reviews
from pytest_ladder.review.server import MOST_BYTES, MOST_CONNECTIONS, Site
from tests.review.served import Rater, graded_items, served


def test_a_link_is_exchanged_for_a_cookie_and_leaves_the_address(site: Site) -> None:
    rater = Rater(site.links[0][1])
    answer = rater.enter()
    assert (answer.status, answer.to) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    token = rater.address.path.split("/")[-1]
    assert len(token) >= 22
    assert token not in cookie
    assert token not in rater.get("/").text


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.evil.example", ""]
)
def test_a_foreign_host_gets_nothing(ann: Rater, host: str) -> None:
    answer = ann.get("/", Host=host)
    assert answer.status == 421
    assert "ann" not in answer.text


def test_own_names_of_this_machine_are_no_foreign_host(ann: Rater) -> None:
    for name in ("127.0.0.1", "localhost", "[::1]"):
        assert ann.get("/", Host=f"{name}:{ann.address.port}").status == 200


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("https://evil.example", ""),
        ("https://evil.example", "cross-site"),
        ("https://evil.example", "same-origin"),
        ("http://127.0.0.1:1", ""),
        ("null", ""),
        ("null", "cross-site"),
        ("null", "same-site"),
        ("null", "none"),
        ("", ""),
    ],
)
def test_a_form_of_a_foreign_site_changes_nothing(
    ann: Rater, file: Path, origin: str, said: str
) -> None:
    page = ann.get("/next").to
    fields = {"csrf": ann.csrf, "verdict": "pass"}
    answer = ann.submit(page, fields, Origin=origin, Sec_Fetch_Site=said)
    assert answer.status == 403
    assert not file.exists()


@pytest.mark.parametrize("said", ["", "same-origin"])
def test_a_form_of_an_own_origin_is_taken(ann: Rater, said: str) -> None:
    own = f"http://{ann.address.netloc}"
    fields = {"csrf": ann.csrf, "verdict": "pass"}
    page = ann.get("/next").to
    assert ann.submit(page, fields, Origin=own, Sec_Fetch_Site=said).status == 303


def test_without_cookie_or_form_token_there_is_no_page(ann: Rater, file: Path) -> None:
    page = ann.get("/next").to
    assert ann.submit(page, {"verdict": "pass"}).status == 403
    assert ann.submit(page, {"csrf": "é" * 20, "verdict": "pass"}).status == 403
    for cookie in ("", "ladder-review=x", f"ladder-review-{ann.address.port}=wrong"):
        ann.cookie = cookie
        assert ann.get("/").status == 403
        assert ann.post(page, verdict="pass").status == 403
    assert not file.exists()


def test_the_cookie_of_one_rater_does_not_open_the_forms_of_another(
    file: Path,
) -> None:
    with served(file, graded_items(), ("ann", "ben")) as site:
        ann, ben = (Rater(link) for _, link in site.links)
        ann.enter()
        ben.enter()
        ann.csrf = ben.csrf
        assert ann.post(ann.get("/next").to, verdict="pass").status == 403


def test_after_many_wrong_links_nobody_gets_in_for_a_while(site: Site) -> None:
    rater = Rater(site.links[0][1])
    rater.enter()
    guesses = [rater.get(f"/enter/{'x' * n}").status for n in range(1, 23)]
    assert guesses == [403] * 20 + [429] * 2
    assert rater.get(rater.address.path).status == 429
    assert rater.get("/").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../reviews.jsonl",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2freviews.jsonl",
        "/item/../../etc/passwd",
        "//etc/passwd",
        "/item/1%00",
        "/item/0",
        "/item/-1",
        "/item/7",
        "/item/99999999999999999999",
        "/item/\u0661",
        "/item/1/",
        "/pair/1",
        "/reviews.jsonl",
        "/assets/review.css",
        "/file:///etc/passwd",
    ],
)
def test_no_address_leads_to_a_file(ann: Rater, path: str) -> None:
    target = path.encode().decode("latin-1")
    with socket.create_connection((ann.address.hostname, ann.address.port)) as raw:
        raw.sendall(
            f"GET {target} HTTP/1.1\r\nHost: {ann.address.netloc}\r\n"
            f"Cookie: {ann.cookie}\r\nConnection: close\r\n\r\n".encode("latin-1")
        )
        answer = b"".join(iter(lambda: raw.recv(9999), b""))
    assert int(answer.split()[1]) in (400, 404)
    assert b"root:" not in answer


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example", (400, 421)),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: {host}", (400, 421)),
        ("GET / HTTP/1.1\r\nX-Forwarded-Host: {host}", (400, 421)),
        ("GET / HTTP/1.1\r\nHost: {host}\r\nX-Long: " + "x" * 99_999, (400,)),
        (
            "POST /item/1 HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: same-origin\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            "Transfer-Encoding: chunked\r\n\r\n" + f"ffff\r\n{'y' * 0xFFFF}\r\n" * 2,
            (413,),
        ),
        (
            "POST /item/1 HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: same-origin\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nBOMB",
            (403,),
        ),
        ("TRACE / HTTP/1.1\r\nHost: {host}", (400, 405)),
    ],
    ids=["two hosts", "absolute", "proxy", "headers", "chunks", "packed", "trace"],
)
def test_odd_requests_are_refused_and_change_nothing(
    ann: Rater, file: Path, request_: str, status: Sequence[int]
) -> None:
    """By hand, as no client sends them; those with a cookie come from a rater."""
    head, _, rest = request_.partition("\r\n")
    asked = f"{head}\r\nCookie: {ann.cookie}\r\n{rest}"
    end = "" if head.startswith("POST") else "\r\n\r\n"
    where = ann.address.hostname, ann.address.port
    with socket.create_connection(where, timeout=30) as raw:
        raw.sendall((asked.replace("{host}", ann.address.netloc) + end).encode())
        answer = raw.recv(9999)
    assert int(answer.split()[1]) in status
    assert b"ann" not in answer
    assert not file.exists()


def test_get_writes_nothing(ann: Rater, file: Path) -> None:
    for path in ("/", "/next", "/item/1", "/item/1?verdict=pass", "/done", "/undo"):
        ann.get(path)
        ann.send("HEAD", path)
    assert not file.exists()
    assert ann.send("PUT", "/item/1").status == 405
    assert ann.send("DELETE", "/item/1").status == 405


def test_large_bodies_and_notes_are_bounded(ann: Rater, file: Path) -> None:
    page = ann.get("/next").to
    assert ann.post(page, verdict="pass", note="n" * MOST_BYTES).status == 413
    assert not file.exists()
    ann.post(page, verdict="pass", note="n" * 5000)
    assert len(read_reviews(file)[0].note) == 4000


def test_other_forms_and_answers_are_refused(ann: Rater, file: Path) -> None:
    page = ann.get("/next").to
    fields = {"csrf": ann.csrf, "verdict": "pass"}
    kind = {"Content_Type": "multipart/form-data; boundary=x"}
    assert ann.submit(page, fields, **kind).status == 415
    for verdict in ("", "maybe", "3", "left", "null", "PASS"):
        assert ann.post(page, verdict=verdict).status == 400
    many = {f"f{n}": "" for n in range(50)}
    assert ann.submit(page, fields | many).status == 403
    assert not file.exists()


def test_slow_requests_are_cut_off(ann: Rater) -> None:
    where = ann.address.hostname, ann.address.port
    for start in ("", "GET / HTTP/1.1\r\nHost:"):
        with socket.create_connection(where, timeout=30) as raw:
            raw.sendall(start.encode())
            assert raw.recv(9999) == b""
    with socket.create_connection(where, timeout=30) as raw:
        raw.sendall(
            f"POST /item/1 HTTP/1.1\r\nHost: {ann.address.netloc}\r\n"
            f"Cookie: {ann.cookie}\r\nSec-Fetch-Site: same-origin\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            "Content-Length: 500\r\n\r\ncsrf=".encode()
        )
        assert b" 408 " in raw.recv(9999)


def test_there_is_an_end_to_connections(site: Site, ann: Rater) -> None:
    where = ann.address.hostname, ann.address.port
    taken = [socket.create_connection(where) for _ in range(MOST_CONNECTIONS)]
    with pytest.raises(ConnectionError):
        ann.get("/")
    for one in taken:
        one.close()


def test_every_answer_carries_the_policies(ann: Rater) -> None:
    for answer in (ann.get("/"), ann.get("/no"), ann.get("/", Host="evil.example")):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'nonce-")
        assert "frame-ancestors 'none'; base-uri 'none'" in policy
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
    first, second = (
        re.findall(r"nonce-([\w-]+)", ann.get("/").headers["Content-Security-Policy"])
        for _ in range(2)
    )
    assert first != second


@pytest.mark.parametrize(
    ("public", "policy"),
    [("http://box.lan:8000", "same-origin"), ("https://box.lan", "no-referrer")],
)
def test_who_is_let_in_from_elsewhere_needs_that_name_and_its_origin(
    file: Path, public: str, policy: str
) -> None:
    name = public.partition("://")[2]
    with served(file, graded_items(), public=public) as site:
        link = site.links[0][1]
        assert link.startswith(f"{public}/enter/")
        ann = Rater(f"http://127.0.0.1:{site.port}/enter/{link.rpartition('/')[2]}")
        entered = ann.enter()
        cookie = entered.headers["Set-Cookie"]
        assert ("Secure" in cookie) is public.startswith("https")
        there = ann.get("/", Host=name)
        assert (there.status, there.headers["Referrer-Policy"]) == (200, policy)
        assert ann.get("/", Host="evil.lan").status == 421
        # From a link on another site, with the cookie that is kept back until then.
        came = {"Host": name}
        if public.startswith("https"):
            came["Sec-Fetch-Site"] = "cross-site"
        nobody = Rater(f"http://127.0.0.1:{site.port}/")
        arriving = nobody.send("GET", "/", **came)
        assert (arriving.status, "ann" in arriving.text) == (200, False)
        assert '<meta http-equiv="refresh" content="0;url=/?again">' in arriving.text
        for path in ("/?again", "/item/1", "/next"):
            assert nobody.send("GET", path, **came).status == 403
        fields = {"csrf": ann.csrf, "verdict": "pass"}
        other = public.replace("box", "evil")
        for origin, status in (("null", 403), (other, 403), (public, 303)):
            answer = ann.submit(
                "/item/1", fields, Host=name, Origin=origin, Sec_Fetch_Site=""
            )
            assert answer.status == status
