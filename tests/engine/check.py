"""Tries a running engine: does it answer, stream, and stop when its client leaves?

Usage: check.py BASE_URL, as serve.py printed it. Prints what was seen and "ok" at the end.
"""

import http.client
import json
import sys
import time
import urllib.parse

PATIENCE = 10


def connect(base):
    return http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=PATIENCE)


def get(base, path):
    connection = connect(base)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200, (path, answer.status)
    return json.loads(answer.read())


def chat(base, **more):
    body = {"model": "tiny", "messages": [{"role": "user", "content": "why is the sky blue?"}], **more}
    connection = connect(base)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200, (answer.status, answer.read())
    return connection, answer


def busy(base):
    return sum(slot["is_processing"] for slot in get(base, "/slots"))


def until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


def main(base):
    print("health:", get(base, "/health"))
    print("models:", [model["id"] for model in get(base, "/v1/models")["data"]])

    whole = json.loads(chat(base, max_tokens=24)[1].read())
    text = whole["choices"][0]["message"]["content"]
    assert len(text) == 24 and text.isascii(), text
    print("whole:", repr(text), whole["usage"])

    lines = chat(base, max_tokens=24, stream=True)[1].read().decode().splitlines()
    events = [line.removeprefix("data: ") for line in lines if line]
    assert events[-1] == "[DONE]" and len(events) > 24, events
    print("streamed:", len(events), "events")

    connection, answer = chat(base, stream=True)
    first = answer.readline()
    assert first.startswith(b"data: "), first
    assert busy(base) == 1
    left = time.monotonic()
    answer.close()
    connection.close()
    until("the engine to stop", lambda: busy(base) == 0)
    print(f"cancelled: the engine was idle {time.monotonic() - left:.3f} s after its client left")
    print("ok")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
