"""Each known data set is read from a small tree in exactly its authors' layout."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io

from kinsight.data.sources import SOURCES, describe_sources, read_source, recognise, verify
from kinsight.data.sources.cub200_2011 import read_parts
from kinsight.errors import KinsightError
from source_trees import (
    MAKERS,
    cars_one_folder,
    cars_two_folders,
    clothes,
    cub,
    imagenet,
    persons,
    products,
    structs,
    touch,
    vehicles,
    views,
    write,
)


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_recognised_as_itself_and_gives_an_image_table(name: str, tmp_path: Path) -> None:
    root = MAKERS[name](tmp_path / "data")
    assert [other for other, source in SOURCES.items() if source.recognises(root)] == [name]
    table = recognise(root)
    assert table is not None
    pd.testing.assert_frame_equal(table, read_source(name, str(root)))
    assert list(table.columns[:4]) == ["id", "path", "label", "split"]
    assert all(
        path == str(root / name) and Path(path).is_file() for path, name in zip(table.path, table.id, strict=True)
    )
    assert set(table.split) == {"train", "test"}
    assert not set(table.label[table.split == "train"]) & set(table.label[table.split == "test"])
    assert table.id.is_unique
    assert table.notna().all(axis=None)


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.top_folders])
def test_the_folder_above_does_too_and_gives_the_same_ids(name: str, tmp_path: Path) -> None:
    root = MAKERS[name](tmp_path / SOURCES[name].top_folders[0])
    above = recognise(tmp_path)
    assert above is not None
    pd.testing.assert_frame_equal(above, read_source(name, root))


@pytest.mark.parametrize("name", SOURCES)
def test_a_relative_folder_gives_absolute_paths(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    MAKERS[name](tmp_path / "here")
    monkeypatch.chdir(tmp_path)
    assert read_source(name, "here").path.map(lambda path: Path(path).is_absolute()).all()


def test_pairs_of_panorama_and_aerial_picture(tmp_path: Path) -> None:
    table = read_source("cvusa", views(tmp_path))
    assert table["view"].tolist() == ["street", "aerial"] * 3
    assert table["pair"].tolist() == ["0000001"] * 2 + ["0000002"] * 2 + ["0000004"] * 2
    assert table["split"].tolist() == ["train"] * 4 + ["test"] * 2
    assert table["id"][1] == "bingmap/19/0000001.jpg"
    write(tmp_path / "splits" / "val-19zl.csv", "bingmap/19/0000004.jpg,streetview/panos/0000003.jpg")
    with pytest.raises(KinsightError, match="line 1 puts"):
        read_source("cvusa", tmp_path)
    write(tmp_path / "splits" / "val-19zl.csv", "bingmap/19/0000004.jpg")
    with pytest.raises(KinsightError, match="line 1 is not"):
        read_source("cvusa", tmp_path)


def test_birds(tmp_path: Path) -> None:
    table = read_source("cub200_2011", cub(tmp_path))
    assert table.id[0] == "images/001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg"
    assert table.label.tolist() == [1, 100, 101, 101]
    assert table.split.tolist() == ["train", "train", "test", "test"]
    assert table.official_split.tolist() == ["test", "train", "train", "test"]
    assert table.class_name[0] == "Black footed Albatross"
    boxes = table[["x_1", "y_1", "x_2", "y_2"]].to_numpy().tolist()
    assert boxes == [[60, 27, 385, 331], [0, 0, 500, 375], [0, 2, 10, 22], [5, 6, 12, 14]]


def test_parts_of_birds_are_the_visible_ones(tmp_path: Path) -> None:
    parts = read_parts(cub(tmp_path))
    assert parts.part.tolist() == ["left eye", "back"]
    assert parts[["x", "y"]].to_numpy().tolist() == [[312, 182], [9, 5]]
    assert parts.id[1] == "images/101.White_Pelican/White_Pelican_0009_95896.jpg"


def test_cars_in_one_folder(tmp_path: Path) -> None:
    table = read_source("cars196", cars_one_folder(tmp_path))
    assert table.id.tolist() == ["car_ims/000001.jpg", "car_ims/000002.jpg", "car_ims/000003.jpg"]
    assert table.label.tolist() == [1, 98, 99]
    assert table.split.tolist() == ["train", "train", "test"]
    assert table.official_split.tolist() == ["train", "test", "train"]
    assert table.class_name[1] == "Maker Model 98"
    boxes = table[["x_1", "y_1", "x_2", "y_2"]].to_numpy().tolist()
    assert boxes == [[0, 6, 589, 254], [299, 6, 589, 254], [0, 6, 589, 254]]


def test_cars_in_two_folders_wherever_the_test_labels_lie(tmp_path: Path) -> None:
    root = cars_two_folders(tmp_path)
    table = read_source("cars196", root)
    assert table.id.tolist() == ["cars_train/00001.jpg", "cars_train/00002.jpg", "cars_test/00001.jpg"]
    assert table.label.tolist() == [14, 196, 14]
    assert table.split.tolist() == ["train", "test", "train"]
    assert table.official_split.tolist() == ["train", "train", "test"]
    assert table.class_name.tolist() == ["Maker Model 14", "Maker Model 196", "Maker Model 14"]
    name = "cars_test_annos_withlabels.mat"
    (root / "devkit" / name).rename(root / name)
    pd.testing.assert_frame_equal(read_source("cars196", root), table)
    (root / name).unlink()
    with pytest.raises(KinsightError, match=f"has no devkit/{name}; put it there"):
        recognise(root)


def test_cars_without_their_pictures_or_with_a_broken_file(tmp_path: Path) -> None:
    root = cars_one_folder(tmp_path)
    (root / "cars_annos.mat").write_bytes(b"no MAT file at all")
    with pytest.raises(KinsightError, match=r"cars_annos\.mat is not a readable MAT file"):
        read_source("cars196", root)
    scipy.io.savemat(root / "cars_annos.mat", {"annotations": structs({"fname": ["a.jpg"]}), "class_names": ["x"]})
    with pytest.raises(KinsightError, match="no field relative_im_path"):
        read_source("cars196", root)
    (root / "car_ims").rename(root / "pictures")
    with pytest.raises(KinsightError, match="not its pictures; put the folder car_ims"):
        read_source("cars196", root)


def test_products(tmp_path: Path) -> None:
    table = read_source("stanford_online_products", products(tmp_path))
    assert table.label.tolist() == [1, 1, 11319]
    assert table.category.tolist() == ["bicycle", "bicycle", "coffee_maker"]
    assert table.split.tolist() == ["train", "train", "test"]


@pytest.mark.parametrize("images", ["Img", "."])
def test_clothes(images: str, tmp_path: Path) -> None:
    table = read_source("inshop_clothes", clothes(tmp_path, images))
    assert table.id[0] == ("Img/" if images == "Img" else "") + "img/WOMEN/Dresses/id_00000002/02_1_front.jpg"
    assert table.label.tolist() == ["id_00000002"] * 2 + ["id_00007982"] * 2
    assert table.split.tolist() == ["train", "train", "test", "test"]
    assert table.is_query.tolist() == [False, False, True, False]
    assert table.is_gallery.tolist() == [False, False, False, True]
    assert table.category.tolist() == ["WOMEN/Dresses"] * 2 + ["MEN/Jackets_Vests"] * 2


def test_clothes_take_the_list_beside_img_and_refuse_an_unknown_status(tmp_path: Path) -> None:
    root = clothes(tmp_path, ".")
    (root / "Eval" / "list_eval_partition.txt").rename(root / "list_eval_partition.txt")
    assert len(read_source("inshop_clothes", root)) == 4
    text = (root / "list_eval_partition.txt").read_text().replace("query", "val")
    (root / "list_eval_partition.txt").write_text(text)
    with pytest.raises(KinsightError, match="line 5: 'val' is not an evaluation status; write train, query, gallery"):
        read_source("inshop_clothes", root)


@pytest.mark.parametrize(("test_list", "labels"), [("large", [7, 8, 9]), ("medium", [7, 8]), ("small", [7])])
def test_vehicles(test_list: str, labels: list[int], tmp_path: Path) -> None:
    table = read_source("pku_vehicleid", vehicles(tmp_path), test_list=test_list)
    assert table.id.tolist()[:2] == ["image/0000001.jpg", "image/0000002.jpg"]
    assert table.label[table.split == "test"].tolist() == labels


def test_the_largest_list_of_vehicles_is_the_default(tmp_path: Path) -> None:
    root = vehicles(tmp_path)
    table = recognise(root)
    assert table is not None
    pd.testing.assert_frame_equal(table, read_source("pku_vehicleid", root, test_list="large"))


def test_options_are_checked(tmp_path: Path) -> None:
    root = vehicles(tmp_path)
    with pytest.raises(KinsightError, match="'huge' is not a value of test_list of pku_vehicleid; write one of large"):
        read_source("pku_vehicleid", root, test_list="huge")
    with pytest.raises(KinsightError, match="size is not an option of pku_vehicleid; its options: test_list"):
        read_source("pku_vehicleid", root, size="large")
    with pytest.raises(KinsightError, match="'cub' is not a known data set; write one of cub200_2011, cars196"):
        read_source("cub", root)


def test_persons_keep_distractors_and_leave_out_and_count_junk(tmp_path: Path) -> None:
    root = persons(tmp_path)
    table = read_source("market1501", root).set_index("id")
    assert len(table) == 5
    assert not table.index.str.contains("-1_").any()
    distractor = table.loc["bounding_box_test/0000_c1s1_000151_01.jpg"]
    assert (distractor.label, distractor.split, distractor.is_gallery) == (0, "test", True)
    query = table.loc["query/0001_c1s1_001051_00.jpg"]
    assert (query.label, query.camera, query.is_query, query.is_gallery) == (1, 1, True, False)
    train = table.loc["bounding_box_train/0002_c6s4_001877_02.jpg"]
    assert (train.label, train.camera, train.sequence, train.split) == (2, 6, "0002_c6s4", "train")
    assert (train.is_query, train.is_gallery) == (False, False)
    assert "left out has 1 picture of 1 class, published are 3819 pictures of 1 class" in verify("market1501", root)


def test_imagenet_halves_the_classes_over_both_folders(tmp_path: Path) -> None:
    table = read_source("imagenet_folder", imagenet(tmp_path))
    assert len(table) == 6
    assert set(table.label[table.split == "train"]) == {"n01440764"}
    assert set(table.label[table.split == "test"]) == {"n01443537", "n01484850"}
    assert set(table.official_split[table.label == "n01440764"]) == {"train", "validation"}


def test_imagenet_with_unsorted_validation_pictures_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "train/n01440764/a.JPEG", "train/n01443537/b.JPEG", "val/ILSVRC2012_val_00000293.JPEG")
    with pytest.raises(KinsightError, match="val has no class folders; sort its pictures"):
        recognise(tmp_path)


def look_alike_nabirds(root: Path) -> None:
    cub(root)
    write(root / "classes.txt", "0 Birds", "1 Ducks, Geese, and Swans")


def look_alike_celeba(root: Path) -> None:
    write(root / "Eval" / "list_eval_partition.txt", "000001.jpg 0", "000002.jpg 1")


def look_alike_other_deepfashion(root: Path) -> None:
    write(root / "Eval" / "list_eval_partition.txt", "1", "image_name evaluation_status", "img/a.jpg train")


def look_alike_duke(root: Path) -> None:
    touch(root, *(f"{folder}/0001_c2_f0046182.jpg" for folder in ("bounding_box_train", "bounding_box_test", "query")))


def look_alike_class_folders(root: Path) -> None:
    touch(root, "train/n01440764/a.jpg", "train/cats/b.jpg")


@pytest.mark.parametrize(
    "make",
    [
        look_alike_nabirds,
        look_alike_celeba,
        look_alike_other_deepfashion,
        look_alike_duke,
        look_alike_class_folders,
        lambda root: None,
    ],
)
def test_look_alikes_are_not_taken_for_a_known_data_set(make, tmp_path: Path) -> None:
    make(tmp_path)
    assert recognise(tmp_path) is None


def test_what_is_no_folder_is_no_data_set(tmp_path: Path) -> None:
    touch(tmp_path, "table.csv")
    assert recognise(tmp_path / "table.csv") is None
    assert recognise(tmp_path / "nowhere") is None
    with pytest.raises(KinsightError, match="does not hold CUB-200-2011; give the folder"):
        read_source("cub200_2011", tmp_path)


def test_a_folder_with_two_data_sets_is_refused(tmp_path: Path) -> None:
    cub(tmp_path / "CUB_200_2011")
    products(tmp_path / "Stanford_Online_Products")
    with pytest.raises(KinsightError, match=r"more than one data set \(CUB-200-2011 in .*; give the folder of one"):
        recognise(tmp_path)


@pytest.mark.parametrize(
    "name", ["cub200_2011", "cars196", "stanford_online_products", "inshop_clothes", "pku_vehicleid"]
)
def test_missing_pictures_are_named_and_counted(name: str, tmp_path: Path) -> None:
    root = MAKERS[name](tmp_path)
    table = read_source(name, root)
    for path in table.path[1:]:
        Path(path).unlink()
    message = f"{len(table) - 1} of the {len(table)} pictures .* the first is expected at {table.path[1]}; unpack"
    with pytest.raises(KinsightError, match=message):
        read_source(name, root)
    assert verify(name, root)[0] == f"{len(table) - 1} listed pictures are missing, the first is {table.id[1]}"


def test_missing_folders_count_as_missing_pictures(tmp_path: Path) -> None:
    root = products(tmp_path)
    (root / "coffee_maker_final" / "251952414262_0.JPG").unlink()
    (root / "coffee_maker_final").rmdir()
    with pytest.raises(KinsightError, match="1 of the 3 pictures"):
        read_source("stanford_online_products", root)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("1 1", "2 100", "3", "4 101"), "image_class_labels.txt is not the authors' list .line 3 has too few fields"),
        (("1 1", "2 100 5", "3 101", "4 101"), "image_class_labels.txt is not the authors' list .*line 2"),
        (("1 1 0", "2 100 0", "3 101 0", "4 101 0"), "3 fields in a line.*must read 'image_id label'"),
        (("1 one", "2 100", "3 101", "4 101"), "image_class_labels.txt is not the authors' list .*one"),
        (("1 1", "2 100", "3 101"), "image_class_labels.txt and images.txt do not list the same pictures"),
        (("1 1", "2 100", "3 101", "3 101"), "image_class_labels.txt and images.txt do not list the same pictures"),
        ((), "image_class_labels.txt is not the authors' list"),
    ],
)
def test_a_damaged_list_is_named(lines: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    root = cub(tmp_path)
    write(root / "image_class_labels.txt", *lines)
    with pytest.raises(KinsightError, match=reason):
        read_source("cub200_2011", root)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    root = cub(tmp_path)
    (root / "bounding_boxes.txt").unlink()
    with pytest.raises(KinsightError, match=r"bounding_boxes\.txt is missing; unpack"):
        recognise(root)


def test_reading_warns_where_the_size_is_not_the_published_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="kinsight"):
        read_source("cub200_2011", cub(tmp_path))
    assert [record.getMessage() for record in caplog.records] == [
        f"CUB-200-2011 in {tmp_path}: train has 2 pictures of 2 classes, published are 5864 pictures of 100 classes",
        f"CUB-200-2011 in {tmp_path}: test has 2 pictures of 1 class, published are 5924 pictures of 100 classes",
    ]


@pytest.mark.long
def test_a_whole_data_set_is_as_published(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # CUB-200-2011 in full size, with empty pictures.
    labels = np.r_[np.arange(5_864) % 100 + 1, np.arange(5_924) % 100 + 101]
    classes = {number: f"{number:03d}.Bird_{number}" for number in range(1, 201)}
    files = [f"{classes[label]}/{place:05d}.jpg" for place, label in enumerate(labels)]
    write(tmp_path / "images.txt", *(f"{i} {name}" for i, name in enumerate(files, 1)))
    write(tmp_path / "image_class_labels.txt", *(f"{i} {label}" for i, label in enumerate(labels, 1)))
    write(tmp_path / "classes.txt", *(f"{label} {name}" for label, name in classes.items()))
    write(tmp_path / "train_test_split.txt", *(f"{i} {i % 2}" for i, _ in enumerate(files, 1)))
    write(tmp_path / "bounding_boxes.txt", *(f"{i} 1.0 1.0 9.0 9.0" for i, _ in enumerate(files, 1)))
    touch(tmp_path, *(f"images/{name}" for name in files))
    with caplog.at_level(logging.WARNING, logger="kinsight"):
        table = recognise(tmp_path)
    assert table is not None
    assert len(table) == 11_788
    assert not caplog.records
    assert verify("cub200_2011", tmp_path) == []


def test_published_counts_add_up() -> None:
    pictures = {source["name"]: source["pictures"] for source in describe_sources()}
    for name in ("cub200_2011", "cars196", "stanford_online_products", "inshop_clothes"):
        assert sum(count.pictures or 0 for count in SOURCES[name].counts.values()) == pictures[name]
    for name in ("cub200_2011", "cars196", "stanford_online_products"):
        assert sum(count.classes or 0 for count in SOURCES[name].counts.values()) == SOURCES[name].total.classes
    market = SOURCES["market1501"].counts
    assert (market["gallery"].pictures or 0) + (market["left out"].pictures or 0) == 19_732
    assert (market["train"].pictures or 0) + 19_732 == pictures["market1501"]


def test_sources_describe_themselves_for_the_command_line() -> None:
    described = describe_sources()
    assert [source["name"] for source in described] == list(SOURCES)
    for source in described:
        assert all(source[key] for key in ("title", "pictures", "classes", "counts", "home", "terms", "layout"))
    cars = next(source for source in described if source["name"] == "cars196")
    assert "gone" in cars["home"]
    vehicles_ = next(source for source in described if source["name"] == "pku_vehicleid")
    assert vehicles_["options"] == {"test_list": ["large", "medium", "small"]}
    assert vehicles_["counts"]["test"] == "19777 pictures of 2400 classes"
