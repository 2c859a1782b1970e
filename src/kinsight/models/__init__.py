"""Trunks, heads, and the embedders they make: picture -> feature map -> embedding."""

from kinsight.models.building import Model, build_model, load_model, settings_of_streams
from kinsight.models.embedder import Embedder, Encoded, build_embedder, load_embedder
from kinsight.models.embedding import Embedding
from kinsight.models.gates import frozen_gates, gate
from kinsight.models.heads import HEADS, LinearHead, make_head
from kinsight.models.network_input import preprocessing_of
from kinsight.models.pooling import make_pooling
from kinsight.models.trunk import Trunk, is_own_trunk
from kinsight.models.two_streams import InStreams, TwoStreams
from kinsight.models.warm_start import model_folder, settings_of_model, take_head
from kinsight.settings.model import ModelSettings

__all__ = [
    "HEADS",
    "Embedder",
    "Embedding",
    "Encoded",
    "InStreams",
    "LinearHead",
    "Model",
    "ModelSettings",
    "Trunk",
    "TwoStreams",
    "build_embedder",
    "build_model",
    "frozen_gates",
    "gate",
    "is_own_trunk",
    "load_embedder",
    "load_model",
    "make_head",
    "make_pooling",
    "model_folder",
    "preprocessing_of",
    "settings_of_model",
    "settings_of_streams",
    "take_head",
]
