"""The supervisor's side of a sweep: a fork goes over the directories, and what it finds is passed on to the host."""

import json
import os
import signal
import time

from . import frames, spawn, sweep
from .loop import READ

# Collecting has its own time, told in the plan, and may end so much later; emptying may take so long after it.
LATE = 1.0
WIPE_SECONDS = 10.0


class Sweeping:
    def __init__(self, supervisor, plan):
        self.supervisor, self.loop, self.plan = supervisor, supervisor.loop, plan
        self.truncated = False
        self.why = None
        collect = plan.get("collect")
        self.until = time.monotonic() + (collect["seconds"] if collect else 0)
        self.until += WIPE_SECONDS if plan["wipe"] else LATE
        most = collect["bytes"] + 65538 if collect else 0
        self.decoder = frames.Decoder({frames.MADE: most, frames.DONE: 64}.get)
        self.files, self.bytes = (collect["files"], collect["bytes"]) if collect else (0, 0)
        self.child = None
        work = sweep.sweep(supervisor.config, plan, supervisor.kept)
        try:
            self.child = spawn.fork(supervisor.config, work)
        except OSError as error:
            self.why = "no process to clean up with: %s" % error
            return
        supervisor.reaper.known[self.child.pid] = self.child
        self.child.close("stdin", "job")

    def run(self):
        """Whether the fork did all it was asked to."""
        if self.child is None:
            self.truncated = True
            return False
        self.loop.watch(self.child.report, READ, self.read)
        reading = True
        while self.child.status is None and time.monotonic() < self.until:
            self.loop.turn(self.until)
            free = self.supervisor.host.takes_more()
            if free != reading and self.child.report is not None:
                reading = free
                if free:
                    self.loop.watch(self.child.report, READ, self.read)
                else:
                    self.loop.forget(self.child.report)
        if self.child.status is None:
            os.kill(self.child.pid, signal.SIGKILL)
            self.truncated = True
            while self.child.status is None and time.monotonic() < self.until + 1.0:
                self.loop.turn(self.until + 1.0)
        while self.read():
            pass
        if self.child.report is not None:
            self.loop.forget(self.child.report)
        if self.child.status != 0:
            self.truncated = True
            self.why = self.why or self.last_words()
        self.child.close()
        self.decoder = None
        return self.child.status == 0 and self.why is None

    def last_words(self):
        """Why the fork failed, as far as it could say."""
        try:
            return os.read(self.child.stderr, 4096).decode("utf-8", "replace") or "the sweep was killed"
        except OSError:
            return "the sweep took too long"

    def read(self):
        if self.child.report is None:
            return False
        try:
            piece = os.read(self.child.report, 1 << 16)
        except BlockingIOError:
            return False
        if not piece:
            self.loop.forget(self.child.report)
            self.child.close("report")
            return False
        try:
            for kind, number, payload in self.decoder.feed(piece):
                self.understand(kind, number, payload)
        except (frames.BadFrame, AttributeError, ValueError, RecursionError):
            # It speaks with the rights of the code, so it is believed no more than that.
            self.why = "what the sweep said cannot be read"
            self.truncated = True
            self.loop.forget(self.child.report)
            self.child.close("report")
            return False
        return True

    def understand(self, kind, number, payload):
        if number != self.plan["run"]:
            raise frames.BadFrame("a word about another run")
        if kind == frames.MADE:
            name, contents = frames.split_named(payload)
            self.files, self.bytes = self.files - 1, self.bytes - len(contents)
            parts = name.split("/")
            if self.files < 0 or self.bytes < 0 or "\0" in name or not {"", ".", ".."}.isdisjoint(parts):
                raise frames.BadFrame("a file that nobody asked for")
            self.supervisor.host.pass_on(kind, number, payload)
        else:
            self.truncated = bool(json.loads(payload.decode()).get("truncated"))
