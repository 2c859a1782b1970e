"""Where places stand in the picture: following convolutions, and drawing there."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from kinsight.explanation import Layout, View, open_model
from kinsight.explanation.centres import Axis, Centres
from kinsight.explanation.geometry import Geometry


def followed(trunk: nn.Module, size: int | tuple[int, int], layout: Layout | None = None) -> Centres:
    height, width = (size, size) if isinstance(size, int) else size
    found = open_model((trunk.eval(), lambda values: values.flatten(1)), layout=layout)(torch.rand(1, 3, height, width))
    assert found.centres is not None
    return found.centres


def looked_at(trunk: nn.Module, size: int, row: slice, column: slice) -> tuple[float, float]:
    """The centre (y, x) of gravity of what some places look at, of a network whose weights are all alike."""
    for name, value in trunk.named_parameters():
        nn.init.constant_(value, 1 / value[0].numel() if value.ndim == 4 else float(not name.endswith("bias")))
    image = torch.full((1, 3, size, size), 1e-3, requires_grad=True)
    trunk.double().eval()(image.double())[0, :, row, column].sum().backward()
    assert image.grad is not None
    seen = image.grad[0].sum(0).double()
    at = torch.arange(size, dtype=torch.float64)
    return float((seen.sum(1) * at).sum() / seen.sum()), float((seen.sum(0) * at).sum() / seen.sum())


def convolution(kernel: int, stride: int, padding: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(3, 3, kernel, stride, padding, dilation, bias=False)


PLAIN = {
    "one with stride": [convolution(3, 2, 1)],
    "several": [convolution(7, 2, 3), nn.AvgPool2d(3, 2, 1), convolution(3, 1, 1), convolution(3, 2, 0)],
    "patches": [convolution(4, 4, 0), nn.AvgPool2d(2)],
    "dilated": [convolution(3, 2, 1, 2), convolution(3, 2, 2, 2)],
    "padded on one side": [nn.ZeroPad2d((0, 1, 0, 1)), convolution(3, 2, 0), nn.ZeroPad2d((3, 0, 1, 0)), convolution(5, 2, 1)],
    "enlarged": [convolution(3, 2, 1), convolution(3, 2, 1), nn.Upsample(scale_factor=2), convolution(3, 1, 1)],
    "transposed": [convolution(3, 2, 1), convolution(3, 2, 1), nn.ConvTranspose2d(3, 3, 4, 2, 1, bias=False)],
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_places_stand_at_the_centre_of_what_they_look_at(name: str) -> None:
    trunk = nn.Sequential(*PLAIN[name])
    centres = followed(trunk, 96)
    row, column = centres.rows.places // 2, centres.columns.places // 2 + 1
    # Two by two places: after enlarging, every second one looks a little aside of the others.
    ends = np.array([centres.centre(row, column), centres.centre(row + 1, column + 1)])
    seen = looked_at(trunk, 96, slice(row, row + 2), slice(column, column + 2))
    assert ends.mean(0) == pytest.approx(seen, abs=1e-6)


class Residual(nn.Module):
    """Two ways of different padding that meet, weighed by what the whole map says."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = convolution(3, 2, 1), nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), convolution(3, 2, 0))

    def forward(self, values: Tensor) -> Tensor:
        both = self.left(values) + self.right(values)
        return both * both.mean((2, 3), keepdim=True).sigmoid()


def test_where_ways_meet_the_mean_of_their_centres_counts() -> None:
    centres = followed(nn.Sequential(Residual(), Residual()), 32)
    assert (centres.rows, centres.columns) == (Axis(32, 8, 1.5, 4.0), Axis(32, 8, 1.5, 4.0))


@pytest.mark.parametrize(
    ("name", "options", "first"),
    [
        ("mobilenetv2_100", {"pad_type": "same"}, 31.0),  # 15.5 + 15.5 of 0.5 (1 + 2 + 4 + 8 + 16)
        ("mobilenetv2_100", {}, 0.0),
        ("resnet18", {}, 0.0),
        ("convnext_atto", {}, 15.5),
        ("efficientnet_b0", {"pad_type": "same"}, 31.0),
        ("densenet121", {}, 14.0),  # its poolings between blocks have 2 x 2 pixels and look straight ahead
    ],
)
def test_networks_of_timm(name: str, options: dict[str, str], first: float) -> None:
    trunk = timm.create_model(name, features_only=False, num_classes=0, global_pool="", **options)
    centres = followed(trunk, (224, 160))
    assert centres == Centres(Axis(224, 7, first, 32.0), Axis(160, 5, first, 32.0))


@pytest.mark.long
def test_networks_look_where_their_geometry_says() -> None:
    for options in ({"pad_type": "same"}, {}):
        trunk = timm.create_model("mobilenetv2_100", num_classes=0, global_pool="", **options)
        centres = followed(trunk, 416)
        middle = centres.rows.places // 2
        assert centres.centre(middle, middle) == pytest.approx(
            looked_at(trunk, 416, slice(middle, middle + 1), slice(middle, middle + 1)), abs=1.0
        )


def test_a_picture_that_strides_do_not_divide_keeps_their_steps() -> None:
    # 97 pixels with stride 32: the centres reach from the first to the last pixel.
    trunk = nn.Sequential(*(convolution(3, 2, 1) for _ in range(5)))
    assert followed(trunk, 97).rows == Axis(97, 4, 0.0, 32.0)


@pytest.mark.long
def test_tokens_and_merged_places_stand_in_the_middle_of_their_patches() -> None:
    layout = Layout("tokens", prefix=1, grid=(4, 4))
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=0, global_pool="", img_size=64)
    assert followed(vit, 64, layout).rows == Axis.even(64, 4)
    swin = timm.create_model("swin_tiny_patch4_window7_224", num_classes=0, global_pool="")
    assert followed(swin, 224, Layout("NHWC")).columns == Axis.even(224, 7)


def test_what_is_not_known_stands_in_the_middle() -> None:
    images = torch.rand(1, 3, 16, 16)
    with Geometry(images) as geometry:
        forgotten = torch.from_numpy(images.numpy().copy())[..., ::4, ::4]
    assert geometry.centres(forgotten, (4, 4)) == Centres.even((16, 16), (4, 4))


def test_the_first_pictures_of_a_size_show_the_way() -> None:
    opening = open_model((convolution(3, 2, 1), lambda values: values.flatten(1)))
    first, again, other = (opening(torch.rand(1, 3, size, 8)) for size in (8, 8, 16))
    assert first.centres == again.centres
    assert other.centres is not None
    assert other.centres.rows == Axis(16, 8, 0.0, 2.0)


def test_what_was_followed_belongs_to_what_lies_below_and_its_layout() -> None:
    head = nn.Flatten()
    images = torch.rand(1, 3, 16, 16)
    left, right = convolution(3, 2, 1), nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), convolution(3, 2, 0))
    for trunk in (lambda values: left(values), lambda values: right(values)):
        aside = 0.0 if trunk(images).equal(left(images)) else 1.0
        found = open_model((trunk, head))(images).centres
        assert found == Centres(Axis(16, 8, aside, 2.0), Axis(16, 8, aside, 2.0))
    tokens = nn.Sequential(convolution(4, 4, 0), nn.Flatten(2))
    for grid in ((1, 3), (3, 1)):
        found = open_model((tokens, head), layout=Layout("tokens", prefix=0, grid=grid))(images).centres
        assert found is not None
        assert (found.rows.places, found.columns.places) == grid


def test_layers_are_followed_too() -> None:
    model = nn.Sequential(convolution(3, 2, 1), convolution(3, 2, 1), nn.Flatten(), nn.Linear(48, 4))
    assert open_model(model, layer="0")(torch.rand(1, 3, 16, 16)).centres == Centres(
        Axis(16, 8, 0, 2), Axis(16, 8, 0, 2)
    )
    assert open_model(model, layer="1")(torch.rand(1, 3, 16, 16)).centres == Centres(
        Axis(16, 4, 0, 4), Axis(16, 4, 0, 4)
    )


def test_a_planted_object_is_found_where_it_is() -> None:
    """A blot brightens the places that look at it: drawn at the true centres, the map has its centre of gravity there."""
    trunk = nn.Sequential(*(convolution(3, 2, 1) for _ in range(4)))
    for value in trunk.parameters():
        nn.init.constant_(value, 0.1)
    image = torch.zeros(1, 3, 160, 160)
    image[..., 60:76, 80:96] = 1
    opened = open_model((trunk, lambda values: values.flatten(1)))(image)
    assert opened.centres is not None
    brightness = opened.feature_map[0].sum(0).numpy()
    drawn = opened.centres.upsample(brightness)
    at = np.arange(160)
    centre = [float((drawn.sum(axis) * at).sum() / drawn.sum()) for axis in (1, 0)]
    assert centre == pytest.approx([67.5, 87.5], abs=1)
    even = Centres.even((160, 160), (10, 10)).upsample(brightness)
    assert (even.sum(1) * at).sum() / even.sum() == pytest.approx(67.5 + 7.5, abs=1)


def test_drawing_follows_the_centres() -> None:
    axis = Axis(10, 3, 2.0, 3.0)
    assert axis.centres.tolist() == [2, 5, 8]
    assert axis.edges.tolist() == [0, 4, 7, 10]
    values = np.array([1.0, 4.0, -2.0])
    drawn = axis.weights(np.arange(10)) @ values
    assert drawn == pytest.approx([1, 1, 1, 2, 3, 4, 2, 0, -2, -2])
    assert axis.scaled(20).centres.tolist() == [4.5, 10.5, 16.5]
    assert Axis(10, 3, -2.0, 6.0).centres.tolist() == [-0.5, 4, 9.5]
    centres = Centres(axis, Axis.even(8, 2))
    assert centres.nearest(6.0, 4.2) == (1, 1)
    assert centres.weights(3.5, 1.5) == pytest.approx(np.array([[0.5, 0], [0.5, 0], [0, 0]]))


def test_regions_take_the_pixels_nearest_to_each_place() -> None:
    view = View(
        np.zeros((3, 2, 1)), np.zeros(1), np.ones(1), (10, 8), centres=Centres(Axis(10, 3, 2.0, 3.0), Axis.even(8, 2))
    )
    mask = np.random.default_rng(0).random((10, 8))
    rows = [mask[:4], mask[4:7], mask[7:]]
    wanted = [[part[:, :4].mean(), part[:, 4:].mean()] for part in rows]
    assert view.share_of(mask) == pytest.approx(np.array(wanted))
    beyond = View(
        np.zeros((2, 1, 1)), np.zeros(1), np.ones(1), (4, 4), centres=Centres(Axis(4, 2, 3.0, 9.0), Axis.even(4, 1))
    )
    assert beyond.share_of(np.ones((4, 4))).tolist() == [[1.0], [0.0]]
