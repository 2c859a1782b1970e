"""One file to one tensor: decoding, preprocessing, augmentation, loading."""

from kinsight.pictures.archive import exists, read_bytes
from kinsight.pictures.augmentation import AUGMENTATIONS, augmentation
from kinsight.pictures.decoding import UnreadablePicture, open_picture
from kinsight.pictures.loading import Draw, PictureBatch, PictureSet, load
from kinsight.pictures.preprocessing import Preprocessing

__all__ = [
    "AUGMENTATIONS",
    "Draw",
    "PictureBatch",
    "PictureSet",
    "Preprocessing",
    "UnreadablePicture",
    "augmentation",
    "exists",
    "load",
    "open_picture",
    "read_bytes",
]
