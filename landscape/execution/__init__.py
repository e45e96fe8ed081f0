"""Running a job: the order of its points, the loop, progress, signals."""

from landscape.execution.plan import FullGrid, coarse_to_fine
from landscape.execution.progress import Progress, Silent, progress_on
from landscape.execution.results import Results
from landscape.execution.run import run

__all__ = ["FullGrid", "Progress", "Results", "Silent", "coarse_to_fine", "progress_on", "run"]
