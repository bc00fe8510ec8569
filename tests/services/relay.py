"""A relay before a TCP service that cuts its connections at a chosen moment, as a network may."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress


class Relay:
    """Listens on the loopback and passes bytes on to `port` and back.

    `cut(sent, answered)` is asked with every piece of a connection, in either direction; one of the two is empty.
    Where it says yes, that piece is withheld and both ends are closed.
    """

    def __init__(self, port: int, cut: Callable[[bytes, bytes], bool]) -> None:
        self._to_port = port
        self._cut = cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._to_port)) as server:
            back = threading.Thread(target=_pump, args=(server, client, lambda piece: self._cut(b"", piece)))
            back.start()
            _pump(client, server, lambda piece: self._cut(piece, b""))
            back.join()


def _pump(source: socket.socket, target: socket.socket, cut: Callable[[bytes], bool]) -> None:
    """Pass pieces on until an end is closed or a piece is cut; then close both ways of both."""
    with suppress(OSError):
        while (piece := source.recv(65_536)) and not cut(piece):
            target.sendall(piece)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
