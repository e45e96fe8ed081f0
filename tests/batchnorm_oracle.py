"""Batch normalization from its formulas (Ioffe & Szegedy 2015, 1502.03167): forward, gradients and inference.

A batch is an array of shape (m, C): m counts examples and their positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Gradients:
    """Derivatives of a loss with respect to the quantities of the transform."""

    x_hat: np.ndarray
    variance: np.ndarray
    mean: np.ndarray
    x: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray


def statistics(x):
    """mu_B = (1/m) sum x_i and sigma_B^2 = (1/m) sum (x_i - mu_B)^2, each of shape (C,)."""
    mean = x.sum(0) / len(x)
    return mean, ((x - mean) ** 2).sum(0) / len(x)


def normalised(x, mean, variance, eps):
    """x_hat_i = (x_i - mu) / sqrt(sigma^2 + eps)."""
    return (x - mean) / np.sqrt(variance + eps)


def train(x, gamma, beta, eps):
    """y_i = gamma x_hat_i + beta."""
    return gamma * normalised(x, *statistics(x), eps) + beta


def gradients(x, gamma, eps, dy):
    """The chain rule through y, x_hat, sigma_B^2 and mu_B."""
    m, (mean, variance) = len(x), statistics(x)
    inverse = (variance + eps) ** -0.5
    x_hat = dy * gamma
    d_variance = (x_hat * (x - mean)).sum(0) * -0.5 * inverse**3
    d_mean = -(x_hat * inverse).sum(0) + d_variance * (-2 * (x - mean)).sum(0) / m
    return Gradients(
        x_hat=x_hat,
        variance=d_variance,
        mean=d_mean,
        x=x_hat * inverse + d_variance * 2 * (x - mean) / m + d_mean / m,
        gamma=(dy * normalised(x, mean, variance, eps)).sum(0),
        beta=dy.sum(0),
    )


def population(batches):
    """E[x] = E_B[mu_B] and Var[x] = m / (m - 1) E_B[sigma_B^2], over batches of m."""
    m = len(batches[0])
    means, variances = zip(*(statistics(batch) for batch in batches), strict=True)
    return np.mean(means, 0), m / (m - 1) * np.mean(variances, 0)


def infer(x, gamma, beta, eps, mean, variance):
    """y = gamma / sqrt(Var[x] + eps) x + (beta - gamma E[x] / sqrt(Var[x] + eps))."""
    scale = gamma / np.sqrt(variance + eps)
    return scale * x + (beta - scale * mean)
