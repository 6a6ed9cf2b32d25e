"""From a fresh interpreter to a supervisor that is ready."""

import gc
import importlib
import json
import os
import resource
import signal
import sys

# Everything that a fork needs is imported here, once; so are a few modules that nearly every program imports.
import ast, atexit, base64, collections, datetime, decimal, functools, io, itertools, linecache, math, random, re, threading, time, traceback  # noqa: E401,F401

from . import child, execute, figures, frames, spawn, supervisor, sweep, system, wipe  # noqa: F401
from .channel import Channel, Door
from .loop import READ, Loop


def main(config):
    if config.get("uid") is not None and os.getuid() != 0:
        sys.exit("the runner was told to give rights away, and has none: it has to start as root")
    # Nobody of this box may look into the supervisor, or trace it.
    system.prctl(system.DUMPABLE, 0)
    if os.getpid() != 1:
        system.prctl(system.SUBREAPER, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    # Whatever was left open by whoever started this is nobody's here.
    os.closerange(3, min(soft, 1 << 16))
    config = directories(config)
    before = {path: wipe.Kept(path) for path in config["wipe"]}
    os.chdir("/")
    watched = system.Watched()
    try:
        with watched:
            for name in config.get("preimport", ()):
                importlib.import_module(name)
    except BaseException:
        if config.get("own_directory"):
            wipe.wipe(config["own_directory"], ())
            os.rmdir(config["own_directory"])
        raise
    for path, kept in before.items():
        kept.restore(path)
    hello = {
        "protocol": 1,
        "python": sys.version.split()[0],
        "implementation": sys.implementation.name,
        "preimported": {name: getattr(sys.modules[name], "__version__", None) for name in config.get("preimport", ())},
        "alone": os.getpid() == 1,
    }
    # Where the box has no such objects of its own, they are not ours to remove.
    tables = wipe.ipc_tables() if config.get("ipc") else {}
    path = os.environ.pop("GLEITZEIT_CONTROL", "stdio")
    child.prepare(config)
    system.settle(watched)
    spawn.common(config)
    loop = Loop()
    rung = bell(loop)
    boss = supervisor.Supervisor(config, loop, before, tables, json.dumps(hello).encode())
    rung(boss)
    # What is alive now lives for ever: no fork shall copy its pages only to count references for the collector.
    gc.collect()
    gc.freeze()
    gc.disable()
    open_door(loop, boss, path)
    boss.serve()


def directories(config):
    """The configuration with directories that exist. Where the box has none of its own, one is made."""
    config = dict(config)
    if config.get("work") is None:
        made = os.path.join(os.environ.get("TMPDIR", "/tmp"), "gleitzeit-" + os.urandom(8).hex())
        os.mkdir(made, 0o700)
        config.update(own_directory=made, work=os.path.join(made, "work"), wipe=[made])
        # Shared directories of the host are no place for what the interpreter writes by itself.
        own = {"TMPDIR": made, "HOME": config["work"], "MPLCONFIGDIR": os.path.join(made, ".matplotlib")}
        config["environment"] = dict(config["environment"], **own)
        os.environ.update(own)
    shared = {"/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"}.intersection(config["wipe"])
    if os.getpid() != 1 and (shared or config.get("ipc")):
        # Emptied after every run, they would be everybody's.
        sys.exit("the runner was told to empty directories that are its own in a box only, and is in none")
    config["wipe"] = [path for path in config["wipe"] if os.path.isdir(path) and os.access(path, os.W_OK)]
    return config


def bell(loop):
    """Signals wake the loop. Gives back what to call with the supervisor, once there is one."""
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    holder = []

    def rung():
        numbers = os.read(reading, 4096)
        if holder:
            if signal.SIGTERM in numbers:
                holder[0].leave(0)
            holder[0].reaper.reap()

    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    # Process 1 of a box gets no signal from inside that it has no handler for, and that is as it should be: at a level
    # where code is the same user it could end its runner. From outside it is ended by its standard input, or killed.
    for number in (signal.SIGCHLD,) if os.getpid() == 1 else (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop.watch(reading, READ, rung)
    return holder.append


def open_door(loop, boss, path):

    def connect(incoming, outgoing, owner=None):
        host = boss.host
        host.connected(Channel(loop, incoming, outgoing, host.on_frame, host.disconnected, owner))

    if path == "stdio":
        # What is printed by mistake shall not be taken for frames.
        incoming, outgoing = os.dup(0), os.dup(1)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(2, 1)
        for end in (incoming, outgoing):
            os.set_blocking(end, False)
        return connect(incoming, outgoing)

    def host_gone():
        if not os.read(0, 65536):
            loop.forget(0)
            boss.leave(0)

    loop.watch(0, READ, host_gone)
    boss.host.door = Door(loop, path, connect)
