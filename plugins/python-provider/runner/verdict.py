"""How a run ended: one word, and what goes with it."""

import errno
import os
import signal

_DISK = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def verdict(reason, status, done, kills, overran=False):
    """`reason` is why the supervisor ended it, if it did; `status` is what wait(2) said; `done` is what the code's
    interpreter said of itself, which is believed only where the status agrees; `kills` counts deaths for lack of memory;
    `overran` says that the processor time that was used is as much as the kernel ends a process for."""
    found = {"outcome": "ok", "exit_code": None, "signal": None, "error": None}
    done = done or {}
    number = 0
    if status is not None and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        found["signal"] = _signal_name(number)
    elif status is not None:
        found["exit_code"] = os.WEXITSTATUS(status)
    if reason is not None:
        found["outcome"], found["error"] = reason
    elif number:
        _killed(found, number, kills, overran)
    elif done.get("kind") in ("exception", "memory", "files") and found["exit_code"] != 0:
        found["outcome"], found["error"] = "exception", done.get("error")
        if done["kind"] == "memory":
            found["outcome"] = "oom"
        elif done.get("errno") in _DISK:
            found["outcome"] = "disk_limit"
    elif found["exit_code"]:
        found["outcome"] = "exit"
        found["error"] = done.get("error") or "the code ended with exit code %d" % found["exit_code"]
    if kills and found["outcome"] in ("exception", "exit"):
        found["error"] = "%s; a process that it had started was killed for lack of memory" % found["error"]
    return found


def _killed(found, number, kills, overran):
    if number == signal.SIGKILL and kills:
        found["outcome"], found["error"] = "oom", "the memory was used up"
    elif number == signal.SIGXCPU and overran:
        found["outcome"], found["error"] = "timeout", "the processor time was used up"
    elif number == signal.SIGXFSZ:
        found["outcome"], found["error"] = "disk_limit", "a file grew too large"
    else:
        found["outcome"], found["error"] = "signal", "the code was killed by %s" % found["signal"]


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return "SIG%d" % number


def checked(done):
    """What the interpreter said, with only what is expected, of the types that are expected."""
    if not isinstance(done, dict):
        return {}
    # Half of a surrogate pair is a word of Python's, and of JSON's in no parser but Python's own.
    words = lambda key: done[key][:4096].encode("utf-8", "replace").decode()
    text = {key: words(key) for key in ("kind", "error", "result_error") if isinstance(done.get(key), str)}
    if isinstance(done.get("errno"), int):
        text["errno"] = done["errno"]
    text["truncated"] = done.get("truncated") is True
    return text
