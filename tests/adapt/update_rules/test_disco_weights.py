"""Published weights: fetched from a server and checked, and refused where they are not what they should be."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.cli import main
from adapt.errors import AdaptError
from adapt.update_rules import disco_network
from adapt.update_rules.disco_weights import ATTRIBUTION, SHA256, fetch_disco103, load_disco, weights_sha256
from tests.adapt.small import save_arrays, small_weights


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where fetched weights go: nothing is there yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ADAPT_CACHE", str(folder))
    return folder


@contextmanager
def served(content: bytes | None) -> Iterator[tuple[str, list[str]]]:
    """A server with one file, or none; its address, and what was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/disco_103.npz", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_file_is_fetched_once(cache):
    content = small_weights().read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    with served(content) as (url, asked):
        path = fetch_disco103(url, digest)
        assert fetch_disco103(url, digest) == path == cache / "disco_103.npz"
        assert path.read_bytes() == content
        assert weights_sha256() == digest
        path.write_bytes(b"damaged since")
        assert fetch_disco103(url, digest).read_bytes() == content
    assert len(asked) == 2
    assert [each.name for each in cache.iterdir()] == ["disco_103.npz"]


def test_the_published_file_is_fetched_and_its_source_named(disco_data, cache, capsys):
    with served((disco_data / "disco_103.npz").read_bytes()) as (url, _):
        assert main(["fetch", "disco103", "--url", url]) == 0
        printed = capsys.readouterr()
        assert printed.out == f"{cache / 'disco_103.npz'}\n"
        assert "CC-BY 4.0" in printed.err
        assert "google-deepmind/disco_rl" in printed.err
        assert main(["fetch", "disco103", "--url", url, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"file": str(cache / "disco_103.npz"), "sha256": SHA256, "attribution": ATTRIBUTION}
    rule, params = load_disco()
    assert rule.sizes == disco_network.Sizes()
    assert sum(value.numel() for value in params.values()) == 754_778


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"], ids=["empty", "a page"])
def test_a_wrong_file_is_refused_and_not_kept(content, cache, capsys):
    with served(content) as (url, _):
        assert main(["fetch", "disco103", "--url", url]) == 2
    said = capsys.readouterr().err
    assert f"sha256 {hashlib.sha256(content).hexdigest()}, {len(content)} bytes; expected {SHA256}" in said
    assert not cache.exists()


def test_one_bit_of_the_published_file_is_enough(disco_data, cache, capsys):
    content = bytearray((disco_data / "disco_103.npz").read_bytes())
    content[len(content) // 2] ^= 1
    with served(bytes(content)) as (url, _):
        assert main(["fetch", "disco103", "--url", url]) == 2
    assert f"expected {SHA256}. Nothing was kept" in capsys.readouterr().err
    assert not cache.exists()


def test_a_wrong_file_does_not_take_the_place_of_a_good_one(cache):
    content = small_weights().read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    cache.mkdir()
    (cache / "disco_103.npz").write_bytes(content)
    with served(b"wrong") as (url, asked):
        assert fetch_disco103(url, digest).read_bytes() == content
    assert asked == []


def nobody_listens() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/disco_103.npz"


@contextmanager
def nonsense() -> Iterator[str]:
    """A server that does not speak HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"what?\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/disco_103.npz"
        thread.join()


def test_without_a_connection_it_is_said_how_to_go_on(cache, capsys):
    url = nobody_listens()
    assert main(["fetch", "disco103", "--url", url]) == 2
    said = capsys.readouterr().err
    assert url in said
    assert "refused" in said
    assert "with the file at hand, give its path instead" in said
    with served(None) as (url, _):
        assert main(["fetch", "disco103", "--url", url]) == 2
    assert "404" in capsys.readouterr().err
    with nonsense() as url:
        assert main(["fetch", "disco103", "--url", url]) == 2
    assert "what?" in capsys.readouterr().err
    assert main(["fetch", "disco103", "--url", "somewhere"]) == 2
    assert "somewhere" in capsys.readouterr().err
    assert not cache.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "file"))
    content = small_weights().read_bytes()
    with (
        served(content) as (url, _),
        pytest.raises(AdaptError, match=r"file/disco_103.npz: cannot be written"),
    ):
        fetch_disco103(url, hashlib.sha256(content).hexdigest())


def test_missing_weights_are_answered_with_the_command_that_fetches_them():
    with pytest.raises(AdaptError, match=r"disco_103.npz: No such file.*`adapt fetch disco103` downloads"):
        load_disco()


def test_fetched_weights_that_are_not_the_published_ones_are_refused(cache):
    cache.mkdir()
    (cache / "disco_103.npz").write_bytes(small_weights().read_bytes())
    with pytest.raises(AdaptError, match=f"expected {SHA256}"):
        load_disco()


def test_a_small_rule_is_loaded_at_its_size():
    rule, params = load_disco(small_weights(), weights_sha256(small_weights()))
    assert rule.sizes == disco_network.Sizes(7, 6, 5, 4, (3, 2))
    assert {name: tuple(value.shape) for name, value in params.items()} == rule.sizes.shapes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("lstm/linear_3/b"), r"a discovered rule: lstm/linear_3/b: missing, expected \(7,\)"),
        (lambda a: a.update(extra=np.zeros(3, np.float32)), r"extra: \(3,\), expected none"),
        (lambda a: a.update({"lstm/linear_3/b": np.zeros(8, np.float32)}), r"lstm/linear_3/b: \(8,\), expected \(7,\)"),
        (lambda a: a.update({"lstm/linear_3/b": np.full(7, np.inf, np.float32)}), "not all numbers are finite"),
        (lambda a: a.update({"lstm/linear_3/b": np.zeros(7)}), "lstm/linear_3/b: float64; expected float32"),
        (lambda a: a.clear(), "not the weights of a discovered rule"),
        (lambda a: a.update({"lstm/linear_3/b": np.array([object()])}), "not a readable .npz file"),
    ],
    ids=["missing", "too many", "shape", "nan", "type", "none", "pickled"],
)  # fmt: skip
def test_other_arrays_are_refused_by_name(change, words, tmp_path):
    arrays = {name: value.numpy() for name, value in load_disco(small_weights())[1].items()}
    change(arrays)
    save_arrays(tmp_path / "other.npz", arrays)
    with pytest.raises(AdaptError, match=words):
        load_disco(tmp_path / "other.npz")


def test_what_is_no_archive_is_refused(tmp_path):
    for content in (b"", b"text", small_weights().read_bytes()[:-100]):
        (tmp_path / "w.npz").write_bytes(content)
        with pytest.raises(AdaptError, match=r"not a readable .npz file"):
            load_disco(tmp_path / "w.npz")


def test_first_weights_are_within_two_deviations_and_biases_zero():
    sizes = disco_network.Sizes()
    params = disco_network.initial_params(sizes, torch.Generator().manual_seed(0))
    assert {name: tuple(value.shape) for name, value in params.items()} == sizes.shapes()
    assert all((value == 0).all() for name, value in params.items() if name.endswith("/b"))
    weight = params["lstm/lstm/linear/w"]
    assert weight.abs().max() <= 2 / len(weight) ** 0.5
