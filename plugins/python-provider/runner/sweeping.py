"""The supervisor's side of a sweep: a fork goes over the directories, and what it finds is passed on to the host."""

import json
import os
import signal
import time

from . import frames, spawn, sweep
from .channel import BACKLOG
from .loop import READ

# Collecting has its own time, told in the plan; emptying may take so long after it.
WIPE_SECONDS = 10.0


class Sweeping:
    def __init__(self, supervisor, plan):
        self.supervisor, self.loop, self.plan = supervisor, supervisor.loop, plan
        self.truncated = False
        self.why = None
        collect = plan.get("collect")
        self.until = time.monotonic() + (collect["seconds"] if collect else 0) + WIPE_SECONDS
        most = collect["bytes"] + 65538 if collect else 0
        self.decoder = frames.Decoder({frames.MADE: most, frames.DONE: 64}.get)
        work = sweep.sweep(supervisor.config, plan, supervisor.kept)
        self.child = spawn.fork(supervisor.config, work)
        supervisor.reaper.known[self.child.pid] = self.child
        self.child.close("stdin", "job")

    def run(self):
        """Whether the fork did all it was asked to."""
        self.loop.watch(self.child.report, READ, self.read)
        reading = True
        while self.child.status is None and time.monotonic() < self.until:
            self.loop.turn(self.until)
            channel = self.supervisor.channel
            free = channel is None or len(channel.unsent) < BACKLOG
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
            self.why = self.last_words()
        self.child.close()
        self.decoder = None
        return self.child.status == 0

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
        for kind, number, payload in self.decoder.feed(piece):
            if kind == frames.MADE:
                self.supervisor.pass_on(kind, number, payload)
            else:
                self.truncated = json.loads(payload.decode())["truncated"]
        return True
