"""Traces of a program that was started, taken by a receiver of OTLP on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from scripted_server import ScriptedServer, text


class Collector(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[tuple[str, bytes]] = []
        self.is_deaf = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.is_deaf.is_set():
            time.sleep(60)
        self.server.bodies.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(cwd: Path, server: ScriptedServer, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qcode", "run", "--base-url", server.base_url, "-m", "m", "go"],
        cwd=cwd,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.slow
def test_a_run_is_sent_to_the_collector_that_the_standard_variables_name(
    collector: Collector, tmp_path: Path
) -> None:
    where = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "nightly"}
    with ScriptedServer(lambda _seen: text("done")) as server:
        plain = run(tmp_path, server, **where)
        assert (plain.stdout, collector.bodies) == ("done\n", [])  # they alone send nothing
        traced = run(tmp_path, server, **where, QCODE_TRACING="1")

    assert (traced.returncode, traced.stdout, "collector" in traced.stderr) == (0, "done\n", False)
    bodies = dict(collector.bodies)
    traces = ExportTraceServiceRequest.FromString(bodies["/v1/traces"]).resource_spans[0]
    named = {pair.key: pair.value.string_value for pair in traces.resource.attributes}
    assert named["service.name"] == "nightly"
    spans = traces.scope_spans[0].spans
    assert [span.name for span in spans] == ["chat m", "invoke_agent qcode"]
    assert spans[0].parent_span_id == spans[1].span_id
    metrics = ExportMetricsServiceRequest.FromString(bodies["/v1/metrics"]).resource_metrics[0]
    assert sorted(metric.name for metric in metrics.scope_metrics[0].metrics) == [
        "gen_ai.client.operation.duration",
        "gen_ai.client.token.usage",
    ]


@pytest.mark.slow
def test_a_collector_that_does_not_answer_fails_no_run(
    collector: Collector, tmp_path: Path
) -> None:
    collector.is_deaf.set()
    with ScriptedServer([text("done")]) as server:
        begun = time.monotonic()
        done = run(tmp_path, server, QCODE_TRACING="1", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        took_s = time.monotonic() - begun

    assert (done.returncode, done.stdout) == (0, "done\n")
    assert f"the collector at {collector.url} took no traces" in done.stderr
    assert "Traceback" not in done.stderr
    assert took_s < 10


@pytest.mark.parametrize(
    "variables, told",
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "qcode knows `otlp` and `none`"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "qcode speaks `http/protobuf`"),
    ],
)
def test_what_cannot_be_had_is_said_in_a_line(
    variables: dict[str, str], told: str, tmp_path: Path
) -> None:
    with ScriptedServer([]) as server:
        done = run(tmp_path, server, QCODE_TRACING="1", **variables)

    assert done.returncode == 2
    assert told in done.stderr.splitlines()[-1]


def test_missing_packages_are_named(tmp_path: Path) -> None:
    (tmp_path / "hidden/opentelemetry").mkdir(parents=True)
    (tmp_path / "hidden/opentelemetry/__init__.py").write_text("raise ImportError(name='sdk')")
    with ScriptedServer([]) as server:
        done = run(tmp_path, server, QCODE_TRACING="1", PYTHONPATH=str(tmp_path / "hidden"))

    assert done.returncode == 2
    assert "pip install 'qcode-agent[otel]'" in done.stderr.splitlines()[-1]
