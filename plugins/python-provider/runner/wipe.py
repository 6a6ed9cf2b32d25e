"""What a run has left in its directories is removed, however deep, odd or forbidden, without following anything.

Called in a fork with the code's own user, once all processes of the run are dead: nothing changes meanwhile.
"""

import os
import stat

from . import system

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Kept:
    """What of a directory outlives a run: the names in it, and its own mode and attributes."""

    def __init__(self, path):
        self.names = frozenset(os.listdir(path))
        self.look = _look(path)

    def is_there(self, path):
        """Whether the directory is as it was, with nothing new in it. Of what was there, something may be gone."""
        return self.names.issuperset(os.listdir(path)) and self.look == _look(path)

    def restore(self, path):
        """Makes it so."""
        mode, attributes = self.look
        if stat.S_IMODE(os.stat(path).st_mode) != mode:
            os.chmod(path, mode)
        for name in _attributes(path):
            if name not in attributes:
                os.removexattr(path, name)
        wipe(path, self.names)


def _look(path):
    return stat.S_IMODE(os.stat(path).st_mode), _attributes(path)


def _attributes(path):
    try:
        return {name: os.getxattr(path, name) for name in os.listxattr(path)}
    except OSError:
        return {}  # this file system has none


def wipe(path, kept):
    """Removes everything in a directory but the names in `kept`.

    Directories are emptied by moving what is in them up to the top, so that depth costs neither stack nor descriptors,
    and no path ever grows too long.
    """
    top = os.open(path, _DIRECTORY)
    moved = 0
    try:
        while True:
            names = [name for name in os.listdir(top) if name not in kept]
            if not names:
                return
            progress = False
            for name in names:
                removed, moved_now = _remove(top, name, moved)
                moved += moved_now
                progress = progress or removed or moved_now > 0
            if not progress:
                raise OSError("%s cannot be emptied" % path)
    finally:
        os.close(top)


def _remove(top, name, number):
    """Removes one entry of the top: whether it is gone, and how many entries came up from it."""
    if not stat.S_ISDIR(os.lstat(name, dir_fd=top).st_mode):
        os.unlink(name, dir_fd=top)
        return True, 0
    try:
        os.rmdir(name, dir_fd=top)
        return True, 0
    except OSError:
        pass
    # It is a directory, so that this follows no link.
    os.chmod(name, 0o700, dir_fd=top)
    inner = os.open(name, _DIRECTORY, dir_fd=top)
    raised = 0
    try:
        for entry in os.listdir(inner):
            if stat.S_ISDIR(os.lstat(entry, dir_fd=inner).st_mode):
                # A directory is moved only where it may be written, because its `..` changes.
                os.chmod(entry, 0o700, dir_fd=inner)
                os.rename(entry, _free(top, number + raised), src_dir_fd=inner, dst_dir_fd=top)
                raised += 1
            else:
                os.unlink(entry, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)
    return True, raised


def _free(top, number):
    """A name that nothing in the top has; the code may have guessed at the first."""
    while True:
        name = "moved-%d-%s" % (number, os.urandom(4).hex())
        try:
            os.lstat(name, dir_fd=top)
        except FileNotFoundError:
            return name


def ipc_tables():
    """Open lists of System V objects by table, as far as this kernel has them."""
    found = {}
    for table in ("shm", "sem", "msg"):
        try:
            found[table] = os.open("/proc/sysvipc/" + table, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
    return found


def ipc_left(tables):
    """System V objects that exist: (table, identifier). `tables` holds open files of /proc/sysvipc by table."""
    found = []
    for table, descriptor in tables.items():
        # One object a line after the first; its identifier is the second column.
        for line in os.pread(descriptor, 1 << 16, 0).split(b"\n")[1:]:
            columns = line.split()
            if len(columns) > 1:
                found.append((table, int(columns[1])))
    return found


def wipe_ipc():
    """Removes them all. A list is read a page at a time, so it is asked for again until it is empty, or stays as it is."""
    tables, before = ipc_tables(), None
    try:
        while True:
            left = ipc_left(tables)
            if not left or left == before:
                return
            for table, identifier in left:
                system.remove_ipc(table, identifier)
            before = left
    finally:
        for descriptor in tables.values():
            os.close(descriptor)
