"""Forks of the template: each with pipes of its own, and no rights."""

import _signal
import fcntl
import gc
import os
import resource

from . import frames, system

# The functions of the module signal make members of an enumeration of what they take and give, at ten times the cost.
_set_handler, _set_wakeup = _signal.signal, _signal.set_wakeup_fd
_SIGNALS = [int(_signal.SIGCHLD), int(_signal.SIGTERM)]
# Those that the interpreter ignores by itself, as it does everywhere.
_PYTHONS = (int(_signal.SIGPIPE), int(_signal.SIGXFSZ))
_DEFAULT = int(_signal.SIG_DFL)
_KILL = int(_signal.SIGKILL)


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

    def your_turn(self):
        """Lets a fork that waits give its rights away, and get ready for its run."""
        try:
            os.write(self.job, frames.pack(frames.TURN, 0))
        except OSError:
            pass  # it is dead; whoever uses it will see


def fork(config, work):
    """Forks a child that calls work(config, job, report), and never returns from that. It still has the supervisor's
    rights then, and is closed to everybody else: `give_away` ends both."""
    pipes = [os.pipe() for _ in range(5)]
    try:
        pid = system.fork()
    except OSError:
        for end in [end for pair in pipes for end in pair]:
            os.close(end)
        raise
    if pid == 0:
        try:
            (stdin, _), (job, _), (_, stdout), (_, stderr), (_, report) = pipes
            job, report = detach(config, stdin, stdout, stderr, job, report)
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


def common(config):
    """What holds for the supervisor as for its forks is set once, before the first of them. Called before the supervisor
    has handlers of its own: what is ignored now, whoever started the host has ignored (`nohup`), and code shall not."""
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    for number in range(1, _signal.NSIG):
        try:
            if number not in _PYTHONS and _signal.getsignal(number) == _signal.SIG_IGN:
                _SIGNALS.append(number)
        except ValueError:
            pass  # the C library keeps it for itself
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if config.get("uid") is not None:
        os.setgroups([])
    system.prctl(system.NO_NEW_PRIVS, 1)


def detach(config, stdin, stdout, stderr, job, report):
    """Leaves the supervisor's signals, session and descriptors. Gives back where the two pipes are now."""
    _set_wakeup(-1)
    for number in _SIGNALS:
        _set_handler(number, _DEFAULT)
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
    for name, which in (("file_bytes", resource.RLIMIT_FSIZE), ("open_files", resource.RLIMIT_NOFILE)):
        tighten(which, config.get(name))
    return kept[3], kept[4]


def give_away(config, private=False):
    """Gives away every right that the supervisor has and the code shall not. A private process stays closed to others of
    its own user: they may signal only who is that user by the real or the saved identity, and it is by neither."""
    if config.get("uid") is not None:
        os.setresgid(config["gid"], config["gid"], config["gid"])
        os.setresuid(-1 if private else config["uid"], config["uid"], -1 if private else config["uid"])
    elif os.getppid() != 1:
        # Not in a box of its own: it shall not outlive the supervisor.
        system.prctl(system.PDEATHSIG, _KILL)
    system.prctl(system.DUMPABLE, 0 if private else 1)
    # What is alive now is the supervisor's: the collector shall not look at it, and thereby copy its pages.
    gc.freeze()
    gc.enable()


def tighten(which, limit, spare=0):
    """Lowers a limit of this process, soft and hard; the hard one leaves so much to spare."""
    if limit is not None:
        soft, hard = resource.getrlimit(which)
        for old in (soft, hard):
            if old != resource.RLIM_INFINITY:
                limit = min(limit, old)
        hard = limit + spare if hard == resource.RLIM_INFINITY else min(hard, limit + spare)
        resource.setrlimit(which, (limit, hard))
