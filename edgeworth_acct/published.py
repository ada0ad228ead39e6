"""Figures that others published, as data: what EW-Tune reports for its fine-tuning runs.

Source: the logs that the authors of EW-Tune published with their code (repository star-ailab/LLM_Tune), and R. Behnia,
M. Ebrahimi, J. Pacheco, B. Padmanabhan, "EW-Tune: A Framework for Privately Fine-Tuning Large Language Models with
Differential Privacy", 2022, arXiv:2210.15042.  RoBERTa-base, target epsilon 8, batch 2000 unless said otherwise, 20
epochs, q = batch/size, steps = epochs * floor(size/batch).
"""

from dataclasses import dataclass

SIZES = {"MNLI": 392702, "QQP": 363849, "QNLI": 104743, "SST-2": 67349}
EPOCHS = 20
TARGET = 8.0


@dataclass(frozen=True)
class Run:
    """A published run: its task, delta and batch."""

    task: str
    delta: float
    batch: int = 2000

    @property
    def q(self) -> float:
        """Sampling rate."""
        return self.batch / SIZES[self.task]

    @property
    def steps(self) -> int:
        """Number of steps that are accounted."""
        return EPOCHS * (SIZES[self.task] // self.batch)


#: Noise multipliers chosen for epsilon 8 by (an Edgeworth estimate of order 1, an FFT accountant, RDP).
NOISE = {
    Run("MNLI", 1e-5): (0.5570, 0.5810, 0.6255),
    Run("MNLI", 1e-6): (0.5730, 0.6070, 0.6500),
    Run("QQP", 1e-5): (0.5635, 0.5870, 0.6325),
    Run("QQP", 1e-6): (0.5800, 0.6135, 0.6575),
    Run("QNLI", 1e-5): (0.7110, 0.7295, 0.7930),
    Run("QNLI", 1e-6): (0.7395, 0.7680, 0.8290),
    Run("SST-2", 1e-5): (0.7865, 0.8170, 0.8775),
    Run("SST-2", 1e-4): (0.7470, 0.7605, 0.8300),
}

#: (run, sigma, order, epsilon by the Edgeworth estimate of that order).
EDGEWORTH = (
    (Run("SST-2", 1e-5), 0.7865, 1, 7.9928989025),
    (Run("SST-2", 1e-5), 0.7865, 2, 8.3702442526),
    (Run("SST-2", 1e-5), 0.7865, 3, 8.6294495690),
    (Run("SST-2", 1e-4), 0.7470, 1, 7.9966087920),
    (Run("SST-2", 1e-4, 1000), 0.6460, 1, 7.9940396078),
    (Run("QNLI", 1e-5), 0.7110, 1, 7.9979723868),
    (Run("QNLI", 1e-5, 4000), 0.8420, 1, 7.9999919471),
)

#: (run, sigma, epsilon by RDP): orders 2.0, 2.1, ..., 31.9 and the conversion rdp + log(1/delta)/(order - 1).
RDP = (
    (Run("SST-2", 1e-5), 0.8775, 7.9982551808),
    (Run("SST-2", 1e-4), 0.8300, 7.9984649398),
    (Run("SST-2", 1e-4, 1000), 0.7160, 7.9911599003),
)
RDP_ORDERS = tuple(k / 10 for k in range(20, 320))

#: (run, sigma, epsilon by an FFT accountant with eps_error 0.1, its upper end).
FFT = ((Run("SST-2", 1e-5), 0.8170, 7.6706), (Run("SST-2", 1e-4), 0.7605, 7.7727))
