"""The supervisor: takes one request after another, and answers each with how it went once nothing is left of it."""

import gc
import json
import os
import resource
import struct
import time

from . import child, frames, reaper, spawn, sweep
from .oom import Kills
from .run import Run
from .sweeping import Sweeping
from .verdict import verdict


CLOCK_REALTIME_COARSE = 5  # which the module time has no name for


class Request:
    """A run that the host is sending."""

    def __init__(self, number, payload):
        if len(payload) < 4:
            raise frames.BadFrame("a run without its parts")
        end = 4 + struct.unpack_from("!I", payload)[0]
        if end > len(payload):
            raise frames.BadFrame("a run whose parts are cut off")
        self.number = number
        self.control = json.loads(payload[4:end].decode())
        self.job = bytearray(frames.pack(frames.RUN, number, payload[end:]))
        self.given = []
        self.stdin = b""
        self.size = len(payload)
        self.complete = False

    def add(self, kind, payload):
        self.size += len(payload)
        if self.size > frames.LARGEST:
            raise frames.BadFrame("a run of more than %d bytes" % frames.LARGEST)
        if kind == frames.FILE:
            self.given.append(frames.split_named(payload)[0])
            self.job += frames.pack(kind, self.number, payload)
        elif kind == frames.STDIN and self.control["kind"] == "run":
            self.job += frames.pack(kind, self.number, payload)
        elif kind == frames.STDIN:
            self.stdin += payload
        else:
            self.job += frames.pack(frames.GO, self.number)
            self.job = bytes(self.job)
            self.complete = True


class Supervisor:
    def __init__(self, config, loop, kept, tables, hello):
        self.config, self.loop, self.kept, self.tables, self.hello = config, loop, kept, tables, hello
        self.reaper = reaper.Reaper(loop)
        self.kills = Kills(config.get("memory"))
        self.channel = None
        self.door = None
        self.request = None
        self.run = None
        self.spare = None
        self.session = None
        self.watched = self.busy = self.leaving = False
        self.spent = 0.0
        self.performed = 0
        self.paused = 0
        self.ends = time.monotonic() + config["lifetime"] if config.get("lifetime") else None

    # The host.

    def connected(self, channel):
        self.channel = channel
        channel.send(frames.HELLO, 0, self.hello)

    def disconnected(self):
        self.channel = self.request = None
        if self.run is not None:
            self.run.end("cancelled", "the host hung up")
        if self.door is None:
            self.leave(0)
        elif not self.busy:
            self.door.opened()

    def on_frame(self, kind, number, payload):
        if kind == frames.PING:
            self.channel.send(frames.PONG, number, payload)
        elif kind == frames.CANCEL:
            # One that comes after the end of its run means nothing.
            if self.run is not None and self.run.number == number:
                self.run.end("cancelled", "the caller no longer wanted it")
        elif kind == frames.RUN:
            if self.request is not None or self.run is not None:
                raise frames.BadFrame("a run before the end of another")
            try:
                self.request = Request(number, payload)
            except (ValueError, KeyError, RecursionError):
                raise frames.BadFrame("a run that cannot be read")
        elif self.request is None or self.request.number != number or self.request.complete:
            raise frames.BadFrame("a part of a run that was not begun")
        else:
            self.request.add(kind, payload)

    def pass_on(self, kind, number, payload):
        """To the host: at once where somebody watches, else with what follows."""
        channel = self.channel
        if channel is not None:
            channel.put(kind, number, payload)
            if self.watched or len(channel.unsent) > 1 << 16:
                channel.flush()

    # Work.

    def serve(self):
        """Until the host ends, or the lifetime has passed."""
        while True:
            if self.spare is None and self.session is None:
                self.spare = self.fork()
            while self.request is None or not self.request.complete:
                self.loop.turn(self.ends)
                if self.ends is not None and time.monotonic() >= self.ends:
                    self.leave(0)
                if self.channel is None and self.session is not None:
                    self.hang_up()
            request, self.request = self.request, None
            self.busy = True
            self.spent = children_time()
            self.perform(request)
            self.busy = False
            # Forks carry what is here: none of it is the next run's business.
            request = self.run = None
            self.performed += 1
            if self.performed % 256 == 0:
                gc.collect()
                gc.freeze()
            if self.channel is None:
                self.door.opened()

    def hang_up(self):
        """The end of a session whose host has hung up."""
        session, self.session = self.session, None
        close = {"kind": "close", "timeout": 0, "output_bytes": 0}
        self.finish(Run(self, session, Request(0, frames_of(close))))
        self.spare = self.fork()

    def fork(self):
        made = spawn.fork(self.config, child.main)
        self.reaper.known[made.pid] = made
        return made

    def perform(self, request):
        kind = request.control["kind"]
        self.watched = request.control.get("stream", False)
        if kind == "close":
            session, self.session = self.session, None
            return self.finish(Run(self, session or self.take_spare(), request))
        if kind == "run" and (self.session is None or self.session.status is not None):
            return self.finish_lost(request)
        used = self.session if kind == "run" else self.take_spare()
        self.run = Run(self, used, request, in_session=kind in ("open", "run"))
        if kind == "run":
            self.run.since = self.tick()
        self.run.begin()
        self.run.drive()
        run, self.run = self.run, None
        if run.in_session and used.status is None and run.done is not None:
            self.session = used
            return self.pause(run)
        self.session = None
        self.finish(run)

    def take_spare(self):
        spare, self.spare = self.spare, None
        if spare is None or spare.status is not None:
            if spare is not None:
                spare.close()
            spare = self.fork()
        return spare

    def pause(self, run):
        """The end of a run in a session that goes on."""
        wall = time.monotonic() - run.began
        run.drain_all()
        kills = self.kills.more()
        status = 0 if run.done.get("kind") == "ok" else 1 << 8
        found = verdict(run.reason, status, run.done, kills)
        plan = self.collecting(run)
        if plan is not None and run.reason is None and has_entries(self.config["work"]):
            sweeping = Sweeping(self, {"run": run.number, "collect": plan, "wipe": False})
            sweeping.run()
            run.truncated["files"] = sweeping.truncated
        self.paused = time.time_ns()
        self.answer(run, found, wall, clean=True, session=True)

    def tick(self):
        """The time that the files of the coming run will bear at the earliest, and those of earlier runs cannot bear."""
        while has_entries(self.config["work"]) and file_time() <= self.paused:
            time.sleep(0.0005)
        return file_time()

    def finish(self, run):
        """The end of a run, or of a session: nothing is left of it when the host hears of it."""
        child = run.child
        clean = self.reaper.clear()
        wall = time.monotonic() - run.began
        run.drain_all()
        # Had anybody been left, an end of a pipe would still be open.
        clean = clean and child.stdout is None and child.stderr is None
        why = None if clean else "processes of the run could not be killed"
        run.read_on(False)
        for descriptor in (child.stdin, child.job, child.stdout, child.stderr, child.report):
            if descriptor is not None:
                self.loop.forget(descriptor)
        child.close()
        peak = child.usage.ru_maxrss * 1024 if child.usage else 0
        found = verdict(run.reason, child.status, run.done, self.kills.more(child.status, peak))
        if run.control["kind"] == "close":
            found = {"outcome": "ok"}
        if clean and not sweep.is_tidy(self.config, self.tables, self.kept):
            plan = {"run": run.number, "collect": self.collecting(run), "wipe": True}
            sweeping = Sweeping(self, plan)
            clean = sweeping.run() and self.reaper.clear() and sweep.is_empty(self.config, self.tables, self.kept)
            why = None if clean else sweeping.why or "something is left in its directories"
            run.truncated["files"] = sweeping.truncated
        found["unclean"] = why
        self.answer(run, found, wall, clean, session=False)
        if not clean:
            self.leave(1)

    def finish_lost(self, request):
        """A run in a session whose process has ended by itself since."""
        self.take_down_session()
        run = Run(self, self.take_spare(), request)
        run.reason = ("infrastructure", "the session has ended")
        self.finish(run)

    def take_down_session(self):
        if self.session is not None:
            self.session.close()
            self.session = None

    def collecting(self, run):
        plan = run.control.get("collect")
        if plan is not None:
            since = run.since if plan["changed"] else None
            plan = dict(plan, given=run.given, since=since)
        return plan

    def answer(self, run, found, wall, clean, session):
        if self.channel is None:
            return run.forget()
        spent = children_time() - self.spent
        found.update(
            result_error=(run.done or {}).get("result_error"),
            truncated=run.truncated,
            spoiled=run.spoiled,
            wall_ms=round(wall * 1000, 3),
            # Of a session it is known only in the end.
            cpu_ms=None if session else round(max(0.0, spent) * 1000, 3),
            peak_memory_bytes=run.child.usage.ru_maxrss * 1024 if run.child.usage else None,
            clean=clean,
            session=session,
        )
        run.forget()
        self.channel.send(frames.END, run.number, json.dumps(found).encode())

    # The end.

    def leave(self, code):
        """Ends everything, as far as that is in this process's power."""
        if self.leaving:
            return
        self.leaving = True
        if self.channel is not None:
            until = time.monotonic() + 1.0
            while self.channel is not None and self.channel.unsent and time.monotonic() < until:
                self.loop.turn(until)
        self.reaper.clear(2.0)
        if self.config.get("own_directory"):
            plan = {"run": 0, "wipe": True}
            Sweeping(self, plan).run()
            try:
                os.rmdir(self.config["own_directory"])
            except OSError:
                pass
        os._exit(code)


def file_time():
    """The clock that files are never dated before, in nanoseconds. It moves on every few milliseconds."""
    return time.clock_gettime_ns(CLOCK_REALTIME_COARSE)


def children_time():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def frames_of(control):
    """The payload of a run that this process asks of itself."""
    control = json.dumps(control).encode()
    return struct.pack("!I", len(control)) + control


def has_entries(path):
    try:
        return bool(os.listdir(path))
    except OSError:
        return True
