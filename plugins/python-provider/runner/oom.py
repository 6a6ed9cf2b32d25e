"""How often the kernel has killed something in this box for lack of memory."""

import os
import signal


class Kills:
    def __init__(self, memory=None):
        self.memory = memory
        self.descriptor = _find()
        self.seen = self.read()

    def read(self):
        if self.descriptor is None:
            return 0
        try:
            for line in os.pread(self.descriptor, 4096, 0).splitlines():
                if line.startswith(b"oom_kill "):
                    return int(line.split()[1])
        except (OSError, ValueError):
            pass
        return 0

    def more(self, status=None, peak=0):
        """How many since the last time. Where the kernel's count cannot be seen from inside, a process that was killed
        at the height of its memory, by whom nobody knows, is one."""
        if self.descriptor is None:
            killed = status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            return int(killed and bool(self.memory) and peak >= self.memory * 9 // 10)
        before, self.seen = self.seen, self.read()
        return max(0, self.seen - before)


def _find():
    """The counter of this process's control group: of the unified hierarchy, or of the one of old."""
    places = []
    try:
        with open("/proc/self/cgroup") as groups:
            for line in groups:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                if controllers == "":
                    places.append("/sys/fs/cgroup" + path + "/memory.events")
                elif "memory" in controllers.split(","):
                    places.append("/sys/fs/cgroup/memory" + path + "/memory.oom_control")
    except (OSError, ValueError):
        pass
    if os.getpid() == 1:
        # In a container the group is the root of what is mounted, whatever its name outside.
        places += ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"]
    for place in places:
        try:
            return os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
    return None
