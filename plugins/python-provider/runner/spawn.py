"""Forks of the template: each with pipes of its own, and no rights."""

import fcntl
import gc
import os
import resource
import signal

from . import system


class Child:
    """A fork, seen from the supervisor, with the ends of its pipes."""

    def __init__(self, pid, stdin, job, stdout, stderr, report):
        self.pid, self.stdin, self.job = pid, stdin, job
        self.stdout, self.stderr, self.report = stdout, stderr, report
        self.status = None  # as wait(2) tells it, once it is dead
        self.usage = None

    def close(self, *names):
        for name in names or ("stdin", "job", "stdout", "stderr", "report"):
            descriptor = getattr(self, name)
            if descriptor is not None:
                os.close(descriptor)
                setattr(self, name, None)


def fork(config, work, private=False):
    """Forks a child that confines itself and then calls work(config, job, report); it never returns from that. A private
    one is closed to others of its own user."""
    pipes = [os.pipe() for _ in range(5)]
    try:
        pid = os.fork()
    except OSError:
        for end in [end for pair in pipes for end in pair]:
            os.close(end)
        raise
    if pid == 0:
        try:
            (stdin, _), (job, _), (_, stdout), (_, stderr), (_, report) = pipes
            job, report = confine(config, stdin, stdout, stderr, job, report, private)
            work(config, job, report)
        except BaseException as error:  # nothing of the runner may run on in here
            try:
                os.write(2, ("the runner failed: %r\n" % (error,)).encode("utf-8", "replace"))
            finally:
                os._exit(71)
        os._exit(0)
    ends = []
    for index, (reading, writing) in enumerate(pipes):
        ours, theirs = (writing, reading) if index < 2 else (reading, writing)
        os.close(theirs)
        os.set_blocking(ours, False)
        ends.append(ours)
    return Child(pid, *ends)


def confine(config, stdin, stdout, stderr, job, report, private):
    """Gives away everything that the supervisor has and the code shall not. Gives back where the two pipes are now."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    # Far from the small numbers, which code likes to use for its own.
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    far = max(8, min(limit, 256) - 8)
    kept = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, far) for end in (stdin, stdout, stderr, job, report)]
    for below, end in zip([-1] + kept, kept + [limit]):
        os.closerange(below + 1, end)
    for number, end in enumerate(kept[:3]):
        os.dup2(end, number)
        os.close(end)
    try:
        adjust = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(adjust, b"1000")
        os.close(adjust)
    except OSError:
        pass  # then the kernel chooses; outside a box the process may not say
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, which in (("file_bytes", resource.RLIMIT_FSIZE), ("open_files", resource.RLIMIT_NOFILE)):
        tighten(which, config.get(name))
    os.umask(0o022)
    if config.get("uid") is not None:
        os.setgroups([])
        os.setresgid(config["gid"], config["gid"], config["gid"])
        os.setresuid(config["uid"], config["uid"], config["uid"])
    elif os.getppid() != 1:
        # Not in a box of its own: it shall not outlive the supervisor.
        system.prctl(system.PDEATHSIG, signal.SIGKILL)
    system.prctl(system.NO_NEW_PRIVS, 1)
    system.prctl(system.DUMPABLE, 0 if private else 1)
    # What is alive now is the supervisor's: the collector shall not look at it, and thereby copy its pages.
    gc.freeze()
    gc.enable()
    return kept[3], kept[4]


def tighten(which, limit, spare=0):
    """Lowers a limit of this process, soft and hard; the hard one leaves so much to spare."""
    if limit is not None:
        soft, hard = resource.getrlimit(which)
        for old in (soft, hard):
            if old != resource.RLIM_INFINITY:
                limit = min(limit, old)
        hard = limit + spare if hard == resource.RLIM_INFINITY else min(hard, limit + spare)
        resource.setrlimit(which, (limit, hard))
