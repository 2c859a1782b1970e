"""What a head answers."""

import torch

from kinsight.models import Embedding


def test_a_single_part_is_the_whole():
    whole = torch.arange(6.0).reshape(2, 3)
    embedding = Embedding.single(whole)
    assert embedding.parts.shape == (2, 1, 3)
    assert torch.equal(embedding.parts[:, 0], whole)
    assert embedding.whole is whole
    assert embedding.extras == {}


def test_normalised_rows_are_float32_of_length_one():
    whole = torch.tensor([[3.0, 4.0], [0.0, -2.0]], dtype=torch.bfloat16)
    normalized = Embedding.single(whole).normalized
    assert normalized.dtype == torch.float32
    assert torch.allclose(normalized, torch.tensor([[0.6, 0.8], [0.0, -1.0]]))


def test_two_embeddings_do_not_share_their_extras():
    first, second = Embedding.single(torch.ones(1, 2)), Embedding.single(torch.ones(1, 2))
    first.extras["attention"] = torch.ones(1)
    assert second.extras == {}
