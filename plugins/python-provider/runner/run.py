"""One run, from the supervisor's side: what goes into the fork, what comes out, and when it has to end."""

import json
import os
import signal
import time

from . import figures, frames
from .loop import READ, WRITE
from .verdict import checked

# How long code that has been interrupted at its deadline may go on, to print where it was.
GRACE = 0.04
# The same in a session, which is lost if it does not yield.
SESSION_GRACE = 0.5
# What the interpreter says of itself.
DONE_BYTES = 1 << 16


class Stream:
    """Standard output or standard error of a run."""

    def __init__(self, kind, most):
        self.kind, self.most = kind, most
        self.taken = 0


class Run:
    def __init__(self, supervisor, child, request, in_session=False):
        control = request.control
        self.host, self.loop, self.child = supervisor.host, supervisor.loop, child
        self.number, self.control, self.in_session = request.number, control, in_session
        self.job, self.stdin, self.given = request.job, request.stdin, request.given
        self.since = None  # in a session, files dated earlier are not this run's
        self.reason = None  # (outcome, error), where the supervisor ended it
        self.done = None
        self.spoiled = False
        self.images = control.get("images", 0)
        self.image_bytes = control.get("image_bytes", 0)
        self.decoder = frames.Decoder(self.largest)
        self.out = Stream(frames.OUT, control["output_bytes"])
        self.err = Stream(frames.ERR, control["output_bytes"])
        # What is more than that is read and forgotten, so that the code can end by itself; up to here.
        self.drain = control.get("drain_bytes", 64 << 20)
        self.truncated = {"stdout": False, "stderr": False, "images": False, "files": False}
        self.began = time.monotonic()
        self.deadline = self.began + control["timeout"]
        self.interrupted = False
        self.reading = False

    # Into the fork.

    def begin(self):
        if self.child.stdin is not None and not self.in_session:
            if self.stdin:
                self.loop.watch(self.child.stdin, WRITE, self.feed_stdin)
            else:
                self.child.close("stdin")
        self.feed_job()
        self.read_on(True)

    def feed_job(self):
        self.job = self.feed("job", self.job, self.feed_job)
        if not self.job and not self.in_session and self.child.job is not None:
            self.loop.forget(self.child.job)
            self.child.close("job")

    def feed_stdin(self):
        self.stdin = self.feed("stdin", self.stdin, self.feed_stdin)
        if not self.stdin and self.child.stdin is not None:
            self.loop.forget(self.child.stdin)
            self.child.close("stdin")

    def feed(self, name, left, again):
        """Writes what the pipe takes, and gives back what is left."""
        descriptor = getattr(self.child, name)
        if descriptor is None:
            return b""
        try:
            while left:
                left = left[os.write(descriptor, left[: 1 << 16]) :]
        except BlockingIOError:
            self.loop.watch(descriptor, WRITE, again)
            return left
        except OSError:
            return b""  # the code has closed it, or is dead
        self.loop.forget(descriptor)
        return b""

    # Out of the fork.

    def read_on(self, on):
        """Whether its output is read: not while the host takes nothing."""
        if on == self.reading:
            return
        self.reading = on
        child = self.child
        for descriptor, callback in ((child.stdout, self.read_out), (child.stderr, self.read_err), (child.report, self.read_report)):
            if descriptor is not None:
                if on:
                    self.loop.watch(descriptor, READ, callback)
                else:
                    self.loop.forget(descriptor)

    def read_out(self):
        return self.read_stream("stdout", self.out)

    def read_err(self):
        return self.read_stream("stderr", self.err)

    def piece(self, name):
        """Some bytes, or None where there are none now, or no more ever."""
        descriptor = getattr(self.child, name)
        if descriptor is None:
            return None
        try:
            piece = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return None
        except OSError:
            piece = b""
        if not piece:
            self.loop.forget(descriptor)
            self.child.close(name)
            return None
        return piece

    def read_stream(self, name, stream):
        """Takes one piece of it; whether there was one."""
        piece = self.piece(name)
        if piece is None:
            return False
        wanted = piece[: stream.most - stream.taken]
        stream.taken += len(wanted)
        if wanted:
            self.host.pass_on(stream.kind, self.number, wanted)
        if len(wanted) < len(piece):
            self.truncated[name] = True
            self.drain -= len(piece) - len(wanted)
            if self.control.get("output") == "kill" or self.drain < 0:
                self.end("output_limit", "the code wrote more than %d bytes to %s" % (stream.most, name))
        return True

    def largest(self, kind):
        if kind == frames.RESULT:
            return self.control["result_bytes"]
        if kind == frames.IMAGE:
            return self.image_bytes
        return DONE_BYTES if kind == frames.DONE else None

    def read_report(self):
        piece = self.piece("report")
        if piece is None:
            return False
        if self.spoiled:
            return True
        try:
            for kind, number, payload in self.decoder.feed(piece):
                if number == self.number:
                    self.reported(kind, payload)
        except (frames.BadFrame, ValueError, RecursionError):
            # The code has written there itself: nothing that comes is the interpreter's word any more.
            self.spoiled, self.done = True, {}
        return True

    def reported(self, kind, payload):
        if kind == frames.RESULT:
            self.host.pass_on(kind, self.number, payload)
        elif kind == frames.IMAGE:
            if self.images > 0 and len(payload) <= self.image_bytes and figures.size(payload):
                self.images -= 1
                self.image_bytes -= len(payload)
                self.host.pass_on(kind, self.number, payload)
            else:
                self.truncated["images"] = True
        elif kind == frames.DONE:
            self.done = checked(json.loads(payload.decode("utf-8", "replace")))
            self.truncated["images"] |= self.done.pop("truncated", False)

    # Its end.

    def end(self, outcome, error):
        """The supervisor ends it, for this reason if there was none before."""
        if self.reason is None:
            self.reason = (outcome, error)

    def drive(self):
        """Goes on until it has ended or has to."""
        while not self.over():
            self.loop.turn(self.deadline)
            self.read_on(self.host.takes_more())
            if time.monotonic() >= self.deadline:
                self.time_is_up()
        self.read_on(False)

    def overran(self):
        """Whether it used up the processor time that it was given."""
        most, used = self.control.get("cpu_seconds"), self.child.usage
        return bool(most and used) and used.ru_utime + used.ru_stime >= 0.9 * most

    def forget(self):
        """Lets go of what holds it: the collector of cycles is off in this process."""
        self.decoder = self.host = None

    def over(self):
        if self.child.status is not None:
            return True
        if self.reason is not None and self.reason[0] != "timeout":
            return True
        if self.interrupted and self.reason is not None and time.monotonic() >= self.deadline:
            return True
        # A session that says it leaves is waited for.
        return self.in_session and self.done is not None and self.done.get("kind") != "exit"

    def time_is_up(self):
        """First an interrupt, so that Python can say where it was; that has to be enough."""
        if self.interrupted:
            return
        self.interrupted = True
        self.end("timeout", "the code did not end within %g s" % self.control["timeout"])
        self.deadline = time.monotonic() + (SESSION_GRACE if self.in_session else GRACE)
        try:
            os.kill(self.child.pid, signal.SIGINT)
        except ProcessLookupError:
            pass

    def drain_all(self):
        """Reads what is left in the pipes: all of it, because nobody writes any more, or what is there now."""
        # A session's threads may write for ever; what comes later belongs to its next run.
        for read in (self.read_out, self.read_err, self.read_report):
            pieces = 64 if self.in_session and self.child.status is None else None
            while pieces != 0 and read():
                pieces = pieces and pieces - 1
