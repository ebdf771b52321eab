#!/usr/bin/env python3
"""A Coppice plugin out of process: counts the words of a text.

It needs nothing but Python. It makes itself known to a node when it starts, says how it is when it
is asked, answers calls, and takes itself out of service on SIGTERM.

    COPPICE_URL=http://127.0.0.1:8080 COPPICE_OPERATOR_KEY=sk_live_... ./word_count.py

With COPPICE_SIGNING_KEY set to what the node has as COPPICE_PLUGIN_SECRET__WORD_COUNT__SIGNING_KEY,
it answers nobody but the node.

It prints `word_count ready http://HOST:PORT` once it listens, and `word_count registered` once the
node knows it.
"""

import collections
import hashlib
import hmac
import json
import os
import re
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = "word_count"
VERSION = "1.0.0"
ENVELOPE_VERSION = "1.0"

# A text that is larger than this is no text to be counted in one call.
BODY_BYTES_MAX = 1024 * 1024
# How old a signed request may be: longer than clocks differ and requests travel, and short enough
# that one that was seen on its way is soon of no use.
SIGNATURE_AGE_S = 300
# Answers that are kept for repeats, the oldest out first. A plugin that changes the world keeps them
# on disk, and for as long as its caller may come again.
ANSWERS_MAX = 1000
# Between two tries to register: doubled from the first up to the longest.
WAIT_FIRST_S = 0.5
WAIT_LONGEST_S = 10.0
# How long the node may take for an answer. Taking a version out waits for its calls.
NODE_TIMEOUT_S = 60.0

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")

MANIFEST = {
    "name": NAME,
    "version": VERSION,
    "description": "Counts the words of a text, and how often each occurs.",
    "capabilities": ["count words"],
    "category": "text",
    "input_schema": {
        "type": "object",
        "required": ["text"],
        "properties": {"text": {"type": "string"}, "top": {"type": "integer", "minimum": 0}},
    },
    "output_schema": {
        "type": "object",
        "required": ["words", "distinct", "top"],
        "properties": {
            "words": {"type": "integer", "minimum": 0},
            "distinct": {"type": "integer", "minimum": 0},
            "top": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["word", "count"],
                    "properties": {"word": {"type": "string"}, "count": {"type": "integer"}},
                },
            },
        },
    },
    "envelope_version": ENVELOPE_VERSION,
    "estimated_latency": "fast",
    "required_scopes": ["context:read"],
    "config": {"timeout_seconds": 10},
}


def count(text, top):
    """The words of a text, and the most frequent ones: in order of count, then of the alphabet."""
    found = collections.Counter(word.casefold() for word in WORD.findall(text))
    most = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:top]
    return {
        "words": sum(found.values()),
        "distinct": len(found),
        "top": [{"word": word, "count": times} for word, times in most],
    }


def execute(call):
    """An output envelope for an input envelope."""
    started = time.monotonic()
    answer = {"task_id": call["task_id"], "envelope_version": ENVELOPE_VERSION}
    text = call.get("input", {}).get("text")
    if not isinstance(text, str):
        failure = {"status": "failed", "error": "there is no text", "error_code": "INVALID_INPUT"}
        return answer | failure
    counted = count(text, call["input"].get("top", 10))
    return answer | {
        "status": "success",
        "result": f"{counted['words']} words, {counted['distinct']} of them distinct.",
        "output": counted,
        "confidence": 1.0,
        "execution_meta": {"latency_seconds": time.monotonic() - started},
    }


class Answers:
    """The first answer to each key. A repeat waits for it, and gets it again."""

    def __init__(self):
        self.lock = threading.Lock()
        self.known = collections.OrderedDict()

    def of(self, key, make):
        with self.lock:
            entry = self.known.get(key)
            if entry is None:
                entry = self.known[key] = {"lock": threading.Lock(), "answer": None, "made": 0}
                while len(self.known) > ANSWERS_MAX:
                    self.known.popitem(last=False)
        with entry["lock"]:
            if entry["answer"] is None:
                entry["answer"] = make()
            entry["made"] += 1
            return entry["answer"], entry["made"] > 1


ANSWERS = Answers()


def is_signed(key, header, body, now):
    """Whether `x-coppice-signature: t=SECONDS,v1=HEX` is that of SECONDS, a dot and the body's bytes
    as they came, under the key, and not older than it may be."""
    parts = dict(part.split("=", 1) for part in (header or "").split(",") if "=" in part)
    seconds, given = parts.get("t", ""), parts.get("v1", "")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 12):
        return False
    expected = hmac.new(key, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
    # In constant time, and before the age is looked at: a wrong one learns nothing of either.
    is_good = hmac.compare_digest(expected.encode(), given.encode())
    return is_good and abs(now - int(seconds)) <= SIGNATURE_AGE_S


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    key = os.environ.get("COPPICE_SIGNING_KEY", "").encode()

    def is_from_the_node(self, body):
        header = self.headers.get("x-coppice-signature")
        return not self.key or is_signed(self.key, header, body, time.time())

    def do_GET(self):
        if not self.is_from_the_node(b""):
            return self.answer(401, {"error": "the signature is missing or not valid"})
        if self.path != "/health":
            return self.answer(404, {"error": "there is nothing here"})
        return self.answer(200, {"status": "healthy", "components": {"counter": "healthy"}})

    def do_POST(self):
        if self.path != "/execute":
            return self.answer(404, {"error": "there is nothing here"})
        length = int(self.headers.get("content-length", "0"))
        if length > BODY_BYTES_MAX:
            self.close_connection = True
            return self.answer(413, {"error": "the call is too large"})
        body = self.rfile.read(length)
        # Before anything is made of it.
        if not self.is_from_the_node(body):
            return self.answer(401, {"error": "the signature is missing or not valid"})
        try:
            call = json.loads(body)
            task = call["task_id"]
        except (ValueError, KeyError, TypeError):
            return self.answer(400, {"error": "this is no input envelope"})
        key = self.headers.get("idempotency-key") or task
        answer, repeated = ANSWERS.of(key, lambda: execute(call))
        return self.answer(200, answer, repeated)

    def answer(self, status, body, repeated=False):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if repeated:
            self.send_header("idempotency-hit", "true")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        print(f"{self.command} {self.path} {arguments[1]}", file=sys.stderr, flush=True)


class Node:
    """The node that this plugin makes itself known to."""

    def __init__(self, url, key):
        self.url, self.key = url.rstrip("/"), key
        # The plugin and its node are on one machine or in one network: no proxy stands between.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("authorization", f"Bearer {self.key}")
        if data is not None:
            request.add_header("content-type", "application/json")
        with self.opener.open(request, timeout=NODE_TIMEOUT_S) as response:
            return response.status

    def register(self, url, stopping):
        """Tries until the node has taken it, refuses it for good, or this process is to stop."""
        wait = WAIT_FIRST_S
        while not stopping.is_set():
            try:
                self.ask("POST", "/internal/registry/register", {"manifest": MANIFEST, "url": url})
                return True
            except urllib.error.HTTPError as refused:
                detail = refused.read().decode(errors="replace")
                print(f"not registered: {refused.code} {detail}", file=sys.stderr, flush=True)
                if 400 <= refused.code < 500 and refused.code not in (408, 409, 429):
                    return False
            except OSError as error:
                print(f"the node can not be reached: {error}", file=sys.stderr, flush=True)
            stopping.wait(wait)
            wait = min(wait * 2, WAIT_LONGEST_S)
        return False

    def deregister(self):
        try:
            self.ask("DELETE", f"/internal/registry/{NAME}/{VERSION}")
        except OSError as error:
            print(f"not taken out of service: {error}", file=sys.stderr, flush=True)


def main():
    node = Node(os.environ["COPPICE_URL"], os.environ["COPPICE_OPERATOR_KEY"])
    host, port = os.environ.get("LISTEN", "127.0.0.1:0").rsplit(":", 1)
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.daemon_threads = True
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Behind a name or another port, whoever runs it says where it is reached.
    url = os.environ.get("PLUGIN_URL", f"http://{host}:{server.server_address[1]}")
    print(f"{NAME} ready {url}", flush=True)
    registered = node.register(url, stopping)
    if registered:
        print(f"{NAME} registered", flush=True)
        stopping.wait()
        # It goes on answering meanwhile: the node waits for the calls that are under way.
        node.deregister()
    server.shutdown()
    return 0 if registered or stopping.is_set() else 1


if __name__ == "__main__":
    sys.exit(main())
