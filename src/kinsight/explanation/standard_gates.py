"""Gates that PyTorch's own functions have: for networks that know nothing of gates.

Smooth activations are the input times a gate, attention is its weights times the values, a normalisation is the centred input times a
scale. Holding these fixed makes any network of convolutions, linear layers, normalisations, activations and attention affine from a
layer on, as `ReLU` networks are by themselves.

The functions are written out here also where their gates are not held: PyTorch's fused ones have no forward derivatives of second order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_held: ContextVar[bool] = ContextVar("held", default=False)


@contextmanager
def written_out(*, hold_gates: bool) -> Iterator[None]:
    """Inside the block PyTorch's smooth functions are written out; with `hold_gates` no derivative sees their gates."""
    before = _held.set(hold_gates)
    try:
        with _WrittenOut():
            yield
    finally:
        _held.reset(before)


def _gate(value: Tensor) -> Tensor:
    return value.detach() if _held.get() else value


class _WrittenOut(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _RULES:
            return _RULES[func](*args, **kwargs)
        if _held.get() and func in _SELF_GATED:
            source = args[0].clone()  # which the function may change in place
            return _ratio(func(*args, **kwargs), source)
        if func in _WEIGHTS:
            return _gate(func(*args, **kwargs))
        return func(*args, **kwargs)


def _ratio(value: Tensor, source: Tensor) -> Tensor:
    """value = source * gate, for functions that are 0 at 0; near 0 both are lost in rounding."""
    tiny = source.abs() < 1e-12
    gate = value / torch.where(tiny, torch.ones_like(source), source)
    return torch.where(tiny, torch.zeros_like(gate), gate).detach() * source


def _silu(source: Tensor, inplace: bool = False) -> Tensor:
    return source * _gate(torch.sigmoid(source))


def _gelu(source: Tensor, approximate: str = "none") -> Tensor:
    if approximate == "none":
        return source * _gate((1 + torch.erf(source / math.sqrt(2))) / 2)
    inner = math.sqrt(2 / math.pi) * (source + 0.044715 * source * source * source)
    return source * _gate((1 + torch.tanh(inner)) / 2)


def _hardsigmoid(source: Tensor, inplace: bool = False) -> Tensor:
    return _gate(functional.relu6(source + 3) / 6)


def _hardswish(source: Tensor, inplace: bool = False) -> Tensor:
    return source * _hardsigmoid(source)


def _glu(source: Tensor, dim: int = -1) -> Tensor:
    values, weights = source.chunk(2, dim)
    return values * _sigmoid(weights)


def _mish(source: Tensor, inplace: bool = False) -> Tensor:
    return source * _gate(torch.tanh(torch.logaddexp(source, torch.zeros_like(source))))


def _power(source: Tensor, exponent: Any, **more: Any) -> Tensor:
    """Squares and higher powers, as of a squared ReLU: the input times a power of it."""
    if more or isinstance(exponent, bool) or not isinstance(exponent, int | float) or exponent <= 1 or not _held.get():
        return torch.pow(source, exponent, **more)
    return source * (source if exponent == 2 else source.pow(exponent - 1)).detach()


def _square(source: Tensor) -> Tensor:
    return source * _gate(source)


def _sigmoid(source: Tensor) -> Tensor:
    return _gate(torch.sigmoid(source))


def _layer_norm(
    source: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    axes = tuple(range(-len(tuple(normalized_shape)), 0))
    centred = source - source.mean(axes, keepdim=True)
    return _affine(centred * _scale(centred.square().mean(axes, keepdim=True), eps), weight, bias)


def _rms_norm(
    source: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    axes = tuple(range(-len(tuple(normalized_shape)), 0))
    eps = torch.finfo(source.dtype).eps if eps is None else eps
    return _affine(source * _scale(source.square().mean(axes, keepdim=True), eps), weight, None)


def _group_norm(
    source: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    grouped = source.unflatten(1, (num_groups, -1))  # (N, G, C / G, ...)
    axes = tuple(range(2, grouped.ndim))
    centred = grouped - grouped.mean(axes, keepdim=True)
    scaled = (centred * _scale(centred.square().mean(axes, keepdim=True), eps)).flatten(1, 2)
    channels = (-1, *[1] * (source.ndim - 2))
    return _affine(
        scaled, None if weight is None else weight.view(channels), None if bias is None else bias.view(channels)
    )


def _instance_norm(
    source: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if use_input_stats:
        return _group_norm(source, source.shape[1], weight, bias, eps)
    return functional.instance_norm(source, running_mean, running_var, weight, bias, False, momentum, eps)


def _normalize(source: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: None = None) -> Tensor:
    return source / _gate(source.norm(p, dim, keepdim=True).clamp_min(eps))


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    **_: Any,
) -> Tensor:
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query @ key.transpose(-2, -1) * scale
    if is_causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -math.inf)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return _gate(scores.softmax(-1)) @ value


def _multi_head_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    length: int,
    heads: int,
    in_weight: Tensor | None,
    in_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_weight: Tensor,
    out_bias: Tensor | None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """What stands behind `nn.MultiheadAttention`; with options that vision does not use PyTorch's own."""
    asked = ("key_padding_mask", "attn_mask", "use_separate_proj_weight", "static_k", "static_v")
    if query.ndim != 3 or in_weight is None or bias_k is not None or add_zero_attn or any(map(options.get, asked)):
        return functional.multi_head_attention_forward(
            query, key, value, length, heads, in_weight, in_bias, bias_k, bias_v, add_zero_attn, dropout_p, out_weight,
            out_bias, **options,
        )  # fmt: skip
    biases = (None, None, None) if in_bias is None else in_bias.chunk(3)
    q, k, v = (
        functional.linear(each, weight, bias).unflatten(-1, (heads, -1)).permute(1, 2, 0, 3)  # (N, H, L, d)
        for each, weight, bias in zip((query, key, value), in_weight.chunk(3), biases, strict=True)
    )
    attention = _gate((q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1))  # (N, H, L, L')
    mixed = functional.linear((attention @ v).permute(2, 0, 1, 3).flatten(2), out_weight, out_bias)  # (L, N, C)
    return mixed, attention.mean(1) if options.get("average_attn_weights", True) else attention


def _scale(square: Tensor, eps: float) -> Tensor:
    return _gate(torch.rsqrt(square + eps))


def _affine(scaled: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    scaled = scaled if weight is None else scaled * weight
    return scaled if bias is None else scaled + bias


_SELF_GATED = {
    functional.elu, functional.selu, functional.celu, functional.tanh, torch.tanh, Tensor.tanh, functional.softsign,
    functional.tanhshrink, functional.local_response_norm,
}  # fmt: skip
# Values that something else is multiplied with or divided by.
_WEIGHTS = {
    functional.softmax, torch.softmax, Tensor.softmax, torch.sigmoid, Tensor.sigmoid,
    torch.sigmoid_, Tensor.sigmoid_, torch.norm, Tensor.norm, torch.linalg.norm, torch.linalg.vector_norm, torch.std,
    Tensor.std, torch.var, Tensor.var, torch.rsqrt, Tensor.rsqrt,
}  # fmt: skip
_RULES: dict[Any, Callable[..., Any]] = {
    torch.pow: _power,
    Tensor.pow: _power,
    Tensor.__pow__: _power,
    torch.square: _square,
    Tensor.square: _square,
    functional.silu: _silu,
    functional.gelu: _gelu,
    functional.hardswish: _hardswish,
    functional.mish: _mish,
    functional.sigmoid: _sigmoid,
    functional.hardsigmoid: _hardsigmoid,
    functional.glu: _glu,
    functional.layer_norm: _layer_norm,
    functional.group_norm: _group_norm,
    functional.instance_norm: _instance_norm,
    functional.normalize: _normalize,
    functional.scaled_dot_product_attention: _attention,
    functional.multi_head_attention_forward: _multi_head_attention,
}
if hasattr(functional, "rms_norm"):
    _RULES[functional.rms_norm] = _rms_norm
