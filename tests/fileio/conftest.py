from __future__ import annotations

import http.server
import threading
from functools import partial

import pytest


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; some paths fail in ways of their own."""

    def do_GET(self):
        if self.path.startswith("/secret") and self.headers.get("Authorization") != "Bearer abc":
            self.send_error(403)
        elif self.path == "/cut.bin":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"short")
            self.close_connection = True
        else:
            super().do_GET()

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def served(tmp_path):
    """A folder and the address that it is served at."""
    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
