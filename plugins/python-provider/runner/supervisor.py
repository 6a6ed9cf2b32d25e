"""The supervisor: takes one request after another, and answers each with how it went once nothing is left of it."""

import gc
import json
import os
import resource
import time

from . import frames, reaper, spares, sweep
from .host import Host, Request
from .oom import Kills
from .run import Run
from .sweeping import Sweeping
from .verdict import verdict


CLOCK_REALTIME_COARSE = 5  # which the module time has no name for


class Supervisor:
    def __init__(self, config, loop, kept, tables, hello):
        self.config, self.loop, self.kept, self.tables = config, loop, kept, tables
        self.reaper = reaper.Reaper(loop)
        self.spares = spares.Spares(config, self.reaper)
        self.kills = Kills(config.get("memory"))
        self.host = Host(hello, self.cancel, self.host_gone)
        self.run = None
        self.session = None
        self.leaving = False
        self.spent = 0.0
        self.performed = 0
        self.paused = 0
        self.ends = time.monotonic() + config["lifetime"] if config.get("lifetime") else None

    # The host.

    def cancel(self, number):
        # A word that comes after the end of its run means nothing.
        if self.run is not None and self.run.number == number:
            self.run.end("cancelled", "the caller no longer wanted it")

    def host_gone(self):
        if self.run is not None:
            self.run.end("cancelled", "the host hung up")
        if self.host.door is None:
            self.leave(0)
        elif not self.host.busy:
            self.host.door.opened()

    # Work.

    def serve(self):
        """Until the host ends, or the lifetime has passed."""
        while True:
            if self.session is None:
                self.prepare()
            while not self.host.has_asked():
                self.loop.turn(self.ends)
                if self.ends is not None and time.monotonic() >= self.ends:
                    self.leave(0)
                if self.host.channel is None and self.session is not None:
                    self.hang_up()
            self.spent = children_time()
            self.perform(self.host.take())
            # Forks carry what is here: none of it is the next run's business.
            self.run = None
            self.performed += 1
            if self.performed % 256 == 0:
                gc.collect()
                gc.freeze()
            self.host.done()

    def hang_up(self):
        """The end of a session whose host has hung up."""
        session, self.session = self.session, None
        close = {"kind": "close", "timeout": 0, "output_bytes": 0}
        self.finish(Run(self, session, Request.of_ours(close)))
        self.spares.prepare()

    def prepare(self):
        """Gets ready for a run; and for the one after it, unless somebody waits already."""
        self.spares.prepare()
        if self.performed:
            self.loop.turn(time.monotonic())
            if self.host.is_quiet():
                self.spares.another()

    def perform(self, request):
        kind = request.control["kind"]
        if kind == "close":
            session, self.session = self.session, None
            return self.finish(Run(self, session or self.spares.take(), request))
        if kind == "run" and (self.session is None or self.session.status is not None):
            return self.finish_lost(request)
        used = self.session if kind == "run" else self.spares.take()
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
        kills = self.kills.more(child.status, peak)
        found = verdict(run.reason, child.status, run.done, kills, run.overran())
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
        run = Run(self, self.spares.take(), request)
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
        if self.host.channel is None:
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
        self.host.tell(frames.END, run.number, json.dumps(found).encode())

    # The end.

    def leave(self, code):
        """Ends everything, as far as that is in this process's power."""
        if self.leaving:
            return
        self.leaving = True
        until = time.monotonic() + 1.0
        while self.host.has_unsent() and time.monotonic() < until:
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


def has_entries(path):
    try:
        return bool(os.listdir(path))
    except OSError:
        return True
