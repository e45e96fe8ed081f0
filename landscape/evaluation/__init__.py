"""Numbers at points: tasks, losses and metrics, sums, and the evaluator that defines them."""

from landscape.evaluation.arithmetic import refuse_precision, strict_arithmetic
from landscape.evaluation.batchnorm import Statistics, layers_of_each_batch, statistics_layers
from landscape.evaluation.captured import Captured, cannot_capture
from landscape.evaluation.compiled import Compiled, cannot_compile, is_compiled
from landscape.evaluation.evaluator import Evaluator, check_determinism
from landscape.evaluation.footprint import working_set
from landscape.evaluation.fused import Fused, cannot_fuse
from landscape.evaluation.metrics import LOSSES, METRICS
from landscape.evaluation.networks import Network, Plain
from landscape.evaluation.recording import Computation, Graphs, Recorder, Repetition
from landscape.evaluation.sums import Measurement, Sums
from landscape.evaluation.task import Task, make_task, moved

__all__ = [
    "LOSSES",
    "METRICS",
    "Captured",
    "Compiled",
    "Computation",
    "Evaluator",
    "Fused",
    "Graphs",
    "Measurement",
    "Network",
    "Plain",
    "Recorder",
    "Repetition",
    "Statistics",
    "Sums",
    "Task",
    "cannot_capture",
    "cannot_compile",
    "cannot_fuse",
    "check_determinism",
    "is_compiled",
    "layers_of_each_batch",
    "make_task",
    "moved",
    "refuse_precision",
    "statistics_layers",
    "strict_arithmetic",
    "working_set",
]
