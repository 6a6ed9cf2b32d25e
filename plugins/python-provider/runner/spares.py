"""Forks that are ready before there is anything to do for them.

One is ready for the next run: it has given its rights away already. A second one waits behind it, so that a caller who
asks again at once does not wait for a fork. That one lives while code runs. It keeps the supervisor's rights until its
turn has come, so that code can neither look into it nor signal it nor set its limits.
"""

from . import child, spawn

# In a smaller box the second one's place is the code's.
ROOMY = 16


class Spares:
    def __init__(self, config, reaper):
        self.config, self.reaper = config, reaper
        self.ready = None
        self.behind = None
        # Where code is the same user as the supervisor, nothing could keep it from the one behind; and where a box does
        # not say whose children there are, nobody could tell that no other process is left.
        roomy = config.get("processes", ROOMY) >= ROOMY
        self.two = roomy and config.get("uid") is not None and reaper.can_tell

    def fork(self):
        made = spawn.fork(self.config, child.main)
        self.reaper.known[made.pid] = made
        return made

    def prepare(self):
        """Has one ready. Called when nothing of any run is left."""
        if self.ready is not None:
            return
        made, self.behind = self.behind, None
        self.reaper.waiting = None
        if made is not None and made.status is not None:
            made.close()
            made = None
        self.ready = made or self.fork()
        self.ready.your_turn()

    def another(self):
        """Has one more wait behind it, if there is room for one."""
        if self.two and self.behind is None:
            try:
                self.behind = self.fork()
            except OSError:
                return
            self.reaper.waiting = self.behind.pid

    def take(self):
        """The one that is ready, or another if it has died meanwhile."""
        taken, self.ready = self.ready, None
        if taken is None or taken.status is not None:
            if taken is not None:
                taken.close()
            taken = self.fork()
            taken.your_turn()
        return taken
