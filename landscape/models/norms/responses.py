"""Normalizations that divide each response by what its neighbours, or all responses of the example, amount to."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from landscape.errors import LandscapeError
from landscape.models.norms.norm import Norm, Tokens, over_channels, over_positions, widened
from landscape.models.settings import is_number, require_positive


def local_response(size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> Norm:
    """Divide each response by those of the neighbouring channels at its position (Krizhevsky et al. 2012, section 3.3).

    y_c = x_c / (k + alpha sum_j x_j^2)^beta, over the `size` channels j around c that exist. The constants are the
    paper's, in which alpha multiplies the sum; that of `torch.nn.LocalResponseNorm` multiplies sum / size. Nothing is
    learned, and with so small an alpha responses near 1 are all but scaled by k^-beta.

    Args:
        size: Number of channels, from c - size // 2 to c + (size - 1) // 2.
        alpha: Factor of the sum.
        beta: The power.
        k: Added to the sum.

    Returns:
        The normalization.

    Raises:
        LandscapeError: If the size or k is not positive, alpha is negative, or beta is no number.
    """
    require_positive("local-response", size=size)
    if not (is_number(k) and is_number(alpha) and is_number(beta) and k > 0 and alpha >= 0):
        raise LandscapeError(
            f"local-response needs numbers, k above 0 and alpha of at least 0, not k={k!r}, alpha={alpha!r}, "
            f"beta={beta!r}; type for example k=2.0, alpha=0.0001, beta=0.75"
        )
    return Norm(lambda channels, dimensions: LocalResponse(size, alpha, beta, k))


def divisive(size: int = 5, semisaturation: float = 1.0) -> Norm:
    """Divide each response by the root of its neighbourhood's mean square (after Lyu & Simoncelli 2008).

    y_c(p) = gain_c x_c(p) / sqrt(b + mean of x_j(q)^2), the mean over all channels j and the positions q in a window
    around p. The paper (CVPR 2008, doi 10.1109/CVPR.2008.4587821) divides by the root of a linear combination of the
    squares of a cluster of neighbours with weights fitted to images; here they are equal, and the gain is learned.
    With b = eps and a window as large as the image it is `rms`. All features of a vector, or of a token, are
    neighbours.

    Args:
        size: Width of the window in positions, odd; it ends at the border of the image.
        semisaturation: b, which keeps weak responses weak.

    Returns:
        The normalization.

    Raises:
        LandscapeError: If the size is not odd and positive, or b is not positive.
    """
    require_positive("divisive", size=size)
    if size % 2 == 0:
        raise LandscapeError(f"size of divisive must be an odd number of positions, not {size}; type size=5")
    if not is_number(semisaturation) or semisaturation <= 0:
        raise LandscapeError(
            f"semisaturation of divisive must be positive, not {semisaturation!r}; type semisaturation=1.0"
        )
    return Norm(
        lambda channels, dimensions: DivisiveNorm(channels, size, semisaturation),
        tokens=lambda channels: Tokens(DivisiveNorm(channels, 1, semisaturation)),
    )


def global_response(eps: float = 1e-6) -> Norm:
    """Let channels compete by their norms over all positions (GRN of ConvNeXt V2, Woo et al. 2023, 2301.00808).

    With gamma and beta at 0, where they begin, it is the identity: unlike other normalizations it does not keep the
    signal of an untrained network in range.

    Args:
        eps: Added to the mean norm.

    Returns:
        The normalization, see `GlobalResponseNorm`.
    """
    return Norm(lambda channels, dimensions: GlobalResponseNorm(channels, eps))


class LocalResponse(nn.Module):
    """y_c = x_c / (k + alpha sum_j x_j^2)^beta over the channels j from c - size // 2 to c + (size - 1) // 2.

    Args:
        size: Number of channels in the sum.
        alpha: Factor of the sum.
        beta: The power.
        k: Added to the sum.
    """

    def __init__(self, size: int, alpha: float, beta: float, k: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        positions = over_positions(widened(x))
        y = functional.local_response_norm(positions, self.size, self.size * self.alpha, self.beta, self.k)
        return y.reshape(x.shape).to(x.dtype)


class DivisiveNorm(nn.Module):
    """y_c(p) = gain_c x_c(p) / sqrt(b + mean of x_j(q)^2) over all channels j and the positions q around p.

    Args:
        channels: C.
        size: Width of the window of positions, odd.
        semisaturation: b.
    """

    def __init__(self, channels: int, size: int, semisaturation: float) -> None:
        super().__init__()
        self.size, self.semisaturation = size, semisaturation
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        square = widened(x).square().mean(1, keepdim=True)
        if self.size > 1 and x.ndim > 2:
            pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[x.ndim - 3]
            square = pool(square, self.size, stride=1, padding=self.size // 2, count_include_pad=False)
        return (x * (square + self.semisaturation).rsqrt() * over_channels(self.weight, x)).to(x.dtype)


class GlobalResponseNorm(nn.Module):
    """y_c = gamma_c x_c g_c / (mean over channels of g + eps) + beta_c + x_c, with g_c the 2-norm of x_c's positions.

    Args:
        channels: C.
        eps: Added to the mean norm.
    """

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.gamma = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        values = over_positions(widened(x))
        norms: Tensor = torch.linalg.vector_norm(values, dim=2, keepdim=True)
        shares = norms / (norms.mean(1, keepdim=True) + self.eps)
        y = values * (1 + over_channels(self.gamma, values) * shares) + over_channels(self.beta, values)
        return y.reshape(x.shape).to(x.dtype)
