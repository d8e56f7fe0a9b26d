"""The edge hands a server as many requests at a time as max_conns allows, and refuses the rest."""

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPResponse

import pytest
import requests

from tests.overload.edge import edge
from tests.overload.held import holding
from tests.servers import PATIENCE, await_

CLIENTS = 200
BOUND = 64


@dataclass(frozen=True)
class Crowd:
    """What clients met who all came at the same time."""

    most: int  # requests that were in the server at once
    refused: list[HTTPResponse]  # while all others were still held
    health: set[int]  # meanwhile
    answered: list[HTTPResponse]  # in the end


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    folder = tmp_path_factory.mktemp("edge")
    with holding() as server, edge(folder, server.server_port) as front, ExitStack() as open_:
        address = ("127.0.0.1", front.port)
        clients = [
            open_.enter_context(socket.create_connection(address, PATIENCE)) for _ in range(CLIENTS)
        ]
        for client in clients:
            client.sendall(b"GET /predict HTTP/1.1\r\nHost: a\r\n\r\n")

        def answered() -> list[socket.socket]:
            return select.select(clients, [], [], 0)[0]

        await_(lambda: server.most >= BOUND, "the server has as many as it may have")
        await_(lambda: len(answered()) >= CLIENTS - BOUND, "all others are told")
        told = answered()
        health = {requests.get(f"{front.url}/healthz", timeout=PATIENCE).status_code for _ in "ab"}
        refused = [answer_to(client) for client in told]
        server.let_go()
        rest = [answer_to(client) for client in clients if client not in told]
        yield Crowd(server.most, refused, health, rest)


def answer_to(client: socket.socket) -> HTTPResponse:
    answer = HTTPResponse(client)
    answer.begin()
    answer.read()
    return answer


def test_a_server_has_at_most_64_requests(crowd: Crowd) -> None:
    assert crowd.most == BOUND


def test_who_finds_no_place_is_refused_while_the_others_wait(crowd: Crowd) -> None:
    assert len(crowd.refused) == CLIENTS - BOUND
    assert {answer.status for answer in crowd.refused} == {503}


def test_who_finds_no_place_is_told_when_to_come_again(crowd: Crowd) -> None:
    assert {answer.headers["Retry-After"] for answer in crowd.refused} == {"1"}


def test_who_found_a_place_is_answered(crowd: Crowd) -> None:
    assert [answer.status for answer in crowd.answered] == [200] * BOUND


def test_health_is_answered_meanwhile(crowd: Crowd) -> None:
    assert crowd.health == {200}
