"""Small trees in exactly the layout in which the authors of known data sets distribute them."""

from pathlib import Path

import numpy as np
import scipy.io


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def cub(root: Path) -> Path:
    files = [
        "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg",
        "100.Brown_Pelican/Brown_Pelican_0095_94251.jpg",
        "101.White_Pelican/White_Pelican_0009_95896.jpg",
        "101.White_Pelican/White_Pelican_0054_96145.jpg",
    ]
    write(root / "images.txt", *(f"{i} {name}" for i, name in enumerate(files, 1)))
    write(root / "image_class_labels.txt", "1 1", "2 100", "3 101", "4 101")
    write(root / "classes.txt", "1 001.Black_footed_Albatross", "100 100.Brown_Pelican", "101 101.White_Pelican")
    write(root / "train_test_split.txt", "1 0", "2 1", "3 1", "4 0")
    boxes = ["1 60.0 27.0 325.0 304.0", "2 0.0 0.0 500.0 375.0", "3 0.0 2.0 10.0 20.0", "4 5.0 6.0 7.0 8.0"]
    write(root / "bounding_boxes.txt", *boxes)
    write(root / "parts" / "parts.txt", "1 back", "7 left eye")
    write(root / "parts" / "part_locs.txt", "1 1 0.0 0.0 0", "1 7 312.0 182.0 1", "3 1 9.0 5.0 1")
    touch(root, *(f"images/{name}" for name in files))
    return root


def structs(fields: dict[str, list]) -> np.ndarray:
    """A MATLAB struct array of one row, as the authors of Cars196 saved it."""
    array = np.empty((1, len(next(iter(fields.values())))), dtype=[(name, object) for name in fields])
    for name, values in fields.items():
        for place, value in enumerate(values):
            array[0, place][name] = value
    return array


def car_boxes(count: int) -> dict[str, list]:
    # uint8 and uint16 as in the authors' files: 1 - 1 must not wrap around, nor 0 - 1.
    x_1 = [np.uint8(1), np.uint16(300), np.uint8(0)]
    boxes = {"bbox_x1": x_1, "bbox_y1": [np.uint8(7)] * 3, "bbox_x2": [np.uint16(589)] * 3}
    return {name: values[:count] for name, values in {**boxes, "bbox_y2": [np.uint8(254)] * 3}.items()}


def class_names() -> np.ndarray:
    names = np.empty((1, 196), dtype=object)
    names[0] = [f"Maker Model {number}" for number in range(1, 197)]
    return names


def cars_one_folder(root: Path) -> Path:
    files = [f"car_ims/{number:06d}.jpg" for number in (1, 2, 3)]
    labels = [np.uint8(1), np.uint8(98), np.uint8(99)]
    annotations = {"relative_im_path": files, **car_boxes(3), "class": labels, "test": [np.uint8(n) for n in (0, 1, 0)]}
    touch(root, *files)
    scipy.io.savemat(root / "cars_annos.mat", {"annotations": structs(annotations), "class_names": class_names()})
    return root


def cars_two_folders(root: Path) -> Path:
    touch(root, "cars_train/00001.jpg", "cars_train/00002.jpg", "cars_test/00001.jpg")
    (root / "devkit").mkdir()
    train = {**car_boxes(2), "class": [np.uint8(14), np.uint8(196)], "fname": ["00001.jpg", "00002.jpg"]}
    test = {**car_boxes(1), "class": [np.uint8(14)], "fname": ["00001.jpg"]}
    scipy.io.savemat(root / "devkit" / "cars_train_annos.mat", {"annotations": structs(train)})
    scipy.io.savemat(root / "devkit" / "cars_test_annos_withlabels.mat", {"annotations": structs(test)})
    scipy.io.savemat(root / "devkit" / "cars_meta.mat", {"class_names": class_names()})
    return root


def products(root: Path) -> Path:
    heading = "image_id class_id super_class_id path"
    train = ["bicycle_final/111085122871_0.JPG", "bicycle_final/111085122871_1.JPG"]
    test = ["coffee_maker_final/251952414262_0.JPG"]
    write(root / "Ebay_train.txt", heading, f"1 1 1 {train[0]}", f"2 1 1 {train[1]}")
    write(root / "Ebay_test.txt", heading, f"59552 11319 3 {test[0]}")
    touch(root, *train, *test)
    return root


def clothes(root: Path, images: str = "Img") -> Path:
    rows = [
        ("img/WOMEN/Dresses/id_00000002/02_1_front.jpg", "id_00000002", "train"),
        ("img/WOMEN/Dresses/id_00000002/02_2_side.jpg", "id_00000002", "train"),
        ("img/MEN/Jackets_Vests/id_00007982/01_1_front.jpg", "id_00007982", "query"),
        ("img/MEN/Jackets_Vests/id_00007982/01_4_full.jpg", "id_00007982", "gallery"),
    ]
    lines = [f"{name:<70}{item}    {status}" for name, item, status in rows]  # the authors pad with blanks
    write(root / "Eval" / "list_eval_partition.txt", "4", "image_name item_id evaluation_status", *lines)
    touch(root / images, *(name for name, _, _ in rows))
    return root


def vehicles(root: Path) -> Path:
    lists = root / "train_test_split"
    write(lists / "train_list.txt", "0000001 1", "0000002 1")
    write(lists / "test_list_800.txt", "0000003 7")
    write(lists / "test_list_1600.txt", "0000003 7", "0000004 8")
    write(lists / "test_list_2400.txt", "0000003 7", "0000004 8", "0000005 9")
    touch(root, *(f"image/{number:07d}.jpg" for number in range(1, 6)))
    return root


def persons(root: Path) -> Path:
    touch(root / "bounding_box_train", "0002_c1s1_000451_03.jpg", "0002_c6s4_001877_02.jpg", "Thumbs.db")
    touch(root / "query", "0001_c1s1_001051_00.jpg")
    gallery = ["0001_c2s1_000301_01.jpg", "0000_c1s1_000151_01.jpg", "-1_c1s1_000401_03.jpg", "Thumbs.db"]
    touch(root / "bounding_box_test", *gallery)
    return root


def views(root: Path) -> Path:
    lines = [
        f"bingmap/19/{n:07d}.jpg,streetview/panos/{n:07d}.jpg,streetview/annotations/{n:07d}.png" for n in (1, 2, 4)
    ]
    write(root / "splits" / "train-19zl.csv", *lines[:2])
    write(root / "splits" / "val-19zl.csv", lines[2])
    touch(root, *(f"{folder}/{n:07d}.jpg" for folder in ("bingmap/19", "streetview/panos") for n in (1, 2, 4)))
    return root


def imagenet(root: Path) -> Path:
    for wnid in ("n01440764", "n01443537", "n01484850"):
        touch(root, f"train/{wnid}/{wnid}_18.JPEG", f"val/{wnid}/ILSVRC2012_val_00000293.JPEG")
    return root


MAKERS = {
    "cub200_2011": cub,
    "cars196": cars_one_folder,
    "stanford_online_products": products,
    "inshop_clothes": clothes,
    "pku_vehicleid": vehicles,
    "market1501": persons,
    "cvusa": views,
    "imagenet_folder": imagenet,
}
