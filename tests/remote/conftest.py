from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import uuid
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")
make_server = pytest.importorskip("werkzeug.serving").make_server

# Tests of this folder share a small run, and processes that are started import it by name.
sys.path.append(str(Path(__file__).parent))


class Store:
    """An S3-compatible server, with one bucket for a test.

    Attributes:
        url: The server's address.
        bucket: `s3://BUCKET`.
        victim: A process to kill, and the number of uploads of checkpoints after which that is done, amid the next one.
    """

    def __init__(self, url, bucket):
        self.url = url
        self.bucket = f"s3://{bucket}"
        self.victim = None

    @property
    def backend_args(self):
        return {"endpoint_url": self.url, "key": "an-id", "secret": "a-key"}

    def driver(self):
        import s3fs

        return s3fs.S3FileSystem(
            endpoint_url=self.url, key="an-id", secret="a-key", use_listings_cache=False, skip_instance_cache=True
        )

    def names(self, folder):
        return sorted(each.rpartition("/")[2] for each in self.driver().ls(f"{self.bucket}/{folder}"))

    def read(self, name):
        return self.driver().cat_file(f"{self.bucket}/{name}")

    def write(self, name, content):
        self.driver().pipe_file(f"{self.bucket}/{name}", content)

    def killing(self, environ):
        """Whether this request is the upload amid which the victim is to die; it is dead then, and nothing was stored."""
        if self.victim is None or environ["REQUEST_METHOD"] != "PUT" or not environ["PATH_INFO"].endswith(".pth"):
            return False
        process, left = self.victim
        self.victim = (process, left - 1)
        if left:
            return False
        environ["wsgi.input"].read(1000)
        os.kill(process.pid, signal.SIGKILL)
        self.victim = None
        return True


@pytest.fixture(scope="session")
def server():
    from moto.server import DomainDispatcherApplication, create_backend_app

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    inner = DomainDispatcherApplication(create_backend_app)
    stores = {}

    def app(environ, start_response):
        store = stores.get(environ["PATH_INFO"].split("/")[1])
        if store is not None and store.killing(environ):
            start_response("500 Killed", [])
            return [b""]
        return inner(environ, start_response)

    served = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}", stores
    served.shutdown()
    thread.join()


@pytest.fixture
def store(server):
    url, stores = server
    bucket = f"b{uuid.uuid4().hex}"
    with urlopen(Request(f"{url}/{bucket}", method="PUT"), timeout=60) as answer:
        assert answer.status == 200
    stores[bucket] = Store(url, bucket)
    yield stores[bucket]
    stores.pop(bucket)


@pytest.fixture
def account(store, monkeypatch):
    """The environment of somebody who may write to the store."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "an-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-key")
    assert urlparse(store.url).hostname == "127.0.0.1"
    return store
