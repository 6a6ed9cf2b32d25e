"""The fork that goes over a run's directories: first for the caller, then to empty them."""

import json
import os

from . import collect, frames, wipe
from .child import Report


def sweep(config, plan, kept):
    """The work of such a fork. Its exit code says whether everything is gone."""

    def work(_config, job, pipe):
        os.close(job)
        report = Report(pipe)
        report.run = plan["run"]
        if plan.get("collect"):
            collector = collect.Collector(report, plan["collect"])
            collector.collect(config["work"])
            report.send(frames.DONE, json.dumps({"truncated": collector.truncated}).encode())
        if plan["wipe"]:
            for path in config["wipe"]:
                wipe.wipe(path, kept.get(path, ()))
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
            names = os.listdir(path)
            if names and not kept.get(path, frozenset()).issuperset(names):
                return False
    except OSError:
        return False
    return not wipe.ipc_left(tables)
