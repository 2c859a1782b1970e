"""The gradient methods that decomposition is compared with: CAM, Grad-CAM and gradient x activation.

Gradients are taken afresh for each map, so that none contains another, and no hook is left behind (the authors' demo
accumulates them). The algebra between these maps and decomposition: Visual Explanation, section 4.3 and appendices A.4
and A.5.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from kinsight.errors import KinsightError
from kinsight.explanation.contributions import whole_of
from kinsight.explanation.opening import Opened
from kinsight.explanation.tied_maxima import SharedMaxima
from kinsight.models.modes import evaluating


def similarity_gradient(opened: Opened, others: Tensor, *, normalized: bool = True) -> Tensor:
    """The gradient of each picture's similarity to its partner with respect to its feature map; tied maxima share it.

    Args:
        opened: N pictures at the opening.
        others: (N, D), the embeddings of their partners before normalisation.
        normalized: of the cosine; without it of the inner product E . others.

    Returns:
        A tensor like the feature map.

    Raises:
        KinsightError: the partners are not N vectors of the model's length.
    """
    modules = [opened.head] if isinstance(opened.head, torch.nn.Module) else []
    with torch.enable_grad(), evaluating(*modules), SharedMaxima():
        feature_map = opened.feature_map.detach().requires_grad_()
        whole = whole_of(opened.head(feature_map.clone()))  # (N, D)
        if whole.shape != others.shape:
            raise KinsightError(
                f"the partners' embeddings have the shape {tuple(others.shape)}; give one for each picture, {tuple(whole.shape)}"
            )
        others = others.detach().to(whole)
        score = functional.cosine_similarity(whole, others) if normalized else (whole * others).sum(1)
        # Pictures do not influence each other, so the gradient of the sum is that of each.
        return torch.autograd.grad(score.sum(), feature_map)[0]


def grad_cam(opened: Opened, gradient: Tensor) -> Tensor:
    """Grad-CAM: the map's channels weighted by their mean gradient, (N, h, w), signed (the published drops negatives)."""
    return _weighted(opened, opened.layout.places(gradient).mean((1, 2)))


def gradient_times_activation(opened: Opened, gradient: Tensor) -> Tensor:
    """The "rectified" Grad-CAM of the authors: no mean over the places, (N, h, w), signed.

    Of the inner product it is |E| |E'| times Decomposition+Bias for every head of linear pieces (property 3); of the
    cosine it sums to -(dS/dE) . b, zero without a bias (property 5).
    """
    return opened.layout.channel_sums(gradient * opened.feature_map)


def class_activation_map(opened: Opened, weights: Tensor) -> Tensor:
    """CAM (equation 1): the map's channels weighted for a class by a linear classifier on its average, (N, h, w), signed.

    Args:
        opened: N pictures at the opening.
        weights: (N, C), the classifier's row for the class of each picture.

    Raises:
        KinsightError: the weights are not one number a channel for each picture.
    """
    height, width = opened.layout.size(opened.feature_map)
    return _weighted(opened, weights) / (height * width)


def _weighted(opened: Opened, weights: Tensor) -> Tensor:
    places = opened.layout.places(opened.feature_map)  # (N, h, w, C)
    wanted = (places.shape[0], places.shape[3])
    if tuple(weights.shape) != wanted:
        raise KinsightError(
            f"the weights have the shape {tuple(weights.shape)}; give one number a channel for each picture, {wanted}"
        )
    return torch.einsum("nhwc,nc->nhw", places, weights.to(places))
