"""A run from the inside: what happens in the fork, under the code's own user."""

import io
import json
import linecache
import os
import resource
import signal
import sys

from . import execute, frames, spawn, workdir


# So often the interpreter has to see code before it takes all the short cuts it has.
REHEARSALS = 20
# A job like any other, with nothing to show for it.
_REHEARSED = b'{"kind": "once", "code": "print(end=\'\')", "name": "<rehearsal>"}'


class Report:
    """The pipe to the supervisor, which believes nothing of what it carries. Without a descriptor it leads nowhere."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.run = 0

    def send(self, kind, *parts):
        left = memoryview(frames.pack(kind, self.run, *parts))
        while left and self.descriptor is not None:
            left = left[os.write(self.descriptor, left) :]


def read_exactly(descriptor, count):
    """So many bytes, or None where the pipe has ended."""
    pieces = []
    while count:
        piece = os.read(descriptor, min(count, 1 << 20))
        if not piece:
            return None
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def jobs(descriptor):
    """The jobs that come down the pipe, each with its files: (number, job, [(name, contents)])."""
    job, files = None, []
    while True:
        header = read_exactly(descriptor, frames.HEADER.size)
        if header is None:
            return
        length, kind, run = frames.HEADER.unpack(header)
        payload = read_exactly(descriptor, length)
        if payload is None:
            return
        if kind == frames.RUN:
            job = json.loads(payload.decode())
        elif kind == frames.FILE:
            files.append(frames.split_named(payload))
        elif kind == frames.STDIN:
            sys.stdin = io.TextIOWrapper(io.BytesIO(payload), "utf-8", "surrogateescape")
        elif kind == frames.GO:
            yield run, job, files
            job, files = None, []


def main(config, job_pipe, report_pipe):
    """Everything that a fork does, up to its end."""
    report = Report(report_pipe)
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    rehearse()
    if read_exactly(job_pipe, frames.HEADER.size) is None:
        os._exit(0)
    spawn.give_away(config)
    os.mkdir(config["work"], 0o755)
    os.chdir(config["work"])
    # Only here: what the supervisor imports shall never be a file of the code's.
    sys.path.insert(0, config["work"])
    sys.stdin, sys.stdout, sys.stderr = prepared
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = prepared
    coming = jobs(job_pipe)
    run, job, files = next(coming, (None, None, None))
    if run is None:
        os._exit(0)
    report.run = run
    if job["kind"] != "open":
        os.close(job_pipe)
    spawn.tighten(resource.RLIMIT_FSIZE, job.get("file_bytes"))
    if job.get("cpu_seconds"):
        # At the hard limit it would be killed without a word of why.
        spawn.tighten(resource.RLIMIT_CPU, job["cpu_seconds"], 1)
    namespace = execute.fresh_main()
    try:
        settle(job, files)
    except OSError as error:
        execute.leave(report, 72, {"kind": "files", "error": str(error), "errno": error.errno})
    if job["kind"] == "open":
        session(coming, report, job, namespace)
    else:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code, done = execute.perform(job, namespace, report)
        execute.leave(report, code, done)


def rehearse():
    """Does once what every run does. In the template, so that the interpreter has its short cuts for it; in a fork, so that
    the memory it takes is the fork's own before anybody waits for that."""
    mute = Report(None)
    job = json.loads(_REHEARSED.decode())
    _, done = execute.perform(job, execute.fresh_main(), mute)
    execute.tell(mute, done)
    linecache.cache.pop(job["name"], None)


def settle(job, files):
    """Puts in place what comes with each run."""
    for name, contents in files:
        workdir.place(name, contents, job["stamp"])
    if job.get("environment"):
        os.environ.update(job["environment"])


def session(coming, report, job, namespace):
    """Runs one job after another in one namespace, until no more come."""
    handler = signal.default_int_handler
    done = {"kind": "ok"}
    while True:
        if job.get("code") is not None or job.get("file"):
            # Between runs an interrupt that comes late means nothing.
            signal.signal(signal.SIGINT, handler)
            try:
                code, done = execute.perform(job, namespace, report)
            finally:
                handler = signal.signal(signal.SIGINT, signal.SIG_IGN) or signal.SIG_IGN
            if done["kind"] == "exit":
                execute.leave(report, code, done)
        execute.tell(report, done)
        run, job, files = next(coming, (None, None, None))
        if run is None:
            execute.leave(report, 0, None)
        report.run = run
        done = {"kind": "ok"}
        try:
            settle(job, files)
        except OSError as error:
            done = {"kind": "files", "error": str(error), "errno": error.errno}
            job = {}


def streams():
    """Standard streams of Python over those of the process, whatever they are by then: made once, in the template. What
    cannot be encoded is escaped, lines go out as they end."""
    made = [io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "r", closefd=False)), "utf-8", "surrogateescape")]
    for number in (1, 2):
        raw = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
        made.append(io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True))
    return made


def prepare(config):
    """Does in the template what would be the same in every fork."""
    global prepared
    prepared = streams()
    os.environ.clear()
    os.environ.update(config["environment"])
    for _ in range(REHEARSALS):
        rehearse()
    sys.argv = [""]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv = []
