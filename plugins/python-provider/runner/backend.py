"""A backend of matplotlib that draws into memory and shows a figure by sending it to the host."""

from matplotlib.backend_bases import FigureManagerBase as FigureManager  # noqa: F401  (matplotlib looks for these names)
from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas  # noqa: F401

from . import figures


def show(*args, **kwargs):
    """What `plt.show()` does."""
    figures.deliver()
