from __future__ import annotations

import socket

import pytest

from infra.embedded import PortTaken, ports
from infra.embedded.ports import GRPC_OFFSET, LOOPBACK, choose_ports, reserve_ports


def choose() -> int:
    return choose_ports({"any": (0, None)}, {}, lambda _name, _port: True)["any"]


@pytest.mark.parametrize("of_it", [0, GRPC_OFFSET], ids=["the port", "its gRPC twin"])
def test_a_reserved_port_is_nobody_s_choice_and_may_be_listened_on(
    monkeypatch: pytest.MonkeyPatch, of_it: int
) -> None:
    port = choose()
    monkeypatch.setattr(ports, "FREE_RANGE", [port])
    with reserve_ports([port]):
        with pytest.raises(PortTaken, match="no free port is left"):
            choose()
        with socket.socket() as service:
            service.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            service.bind((LOOPBACK, port + of_it))
            service.listen()
    assert choose() == port
