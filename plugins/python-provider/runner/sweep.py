"""The fork that goes over a run's directories: first for the caller, then to empty them."""

import json
import os

from . import collect, frames, spawn, wipe
from .child import Report


def sweep(config, plan, kept):
    """The work of such a fork. Its exit code says whether everything is gone."""

    def work(_config, job, pipe):
        # The code may still run, as the same user: it shall not get at this process's memory and pipes.
        spawn.give_away(config, private=True)
        os.close(job)
        report = Report(pipe)
        report.run = plan["run"]
        if plan.get("collect"):
            collector = collect.Collector(report, plan["collect"])
            collector.collect(config["work"])
            report.send(frames.DONE, json.dumps({"truncated": collector.truncated}).encode())
        if plan["wipe"]:
            for path in config["wipe"]:
                kept[path].restore(path)
            if config.get("ipc"):
                wipe.wipe_ipc()
        os._exit(0)

    return work


def is_tidy(config, tables, kept):
    """Whether a run has left nothing, which costs a few system calls and no fork. Removes the empty working directory."""
    try:
        if os.listdir(config["work"]):
            return False
        os.rmdir(config["work"])
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return is_empty(config, tables, kept)


def is_empty(config, tables, kept):
    """Whether every directory that the code may write holds what it held at the beginning."""
    try:
        for path in config["wipe"]:
            if not kept[path].is_there(path):
                return False
    except OSError:
        return False
    return not wipe.ipc_left(tables)
