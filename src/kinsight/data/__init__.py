"""Pictures and labels: the image table, its checks and splits, known data sets, rendered scenes, batches."""

from kinsight.data.batches import Batch, BatchSampler, MPerClassBatches, PairBatches, UniformBatches, share
from kinsight.data.boxes import read_boxes
from kinsight.data.checking import check_table, describe, require_sound, table_digest
from kinsight.data.class_names import class_names
from kinsight.data.masks import MaskFiles, PartMaskFiles, read_mask, read_part_mask
from kinsight.data.pairs import require_pairs, view_numbers
from kinsight.data.parts import read_part_labels, read_parts
from kinsight.data.scenes import write_scenes
from kinsight.data.sources import describe_sources
from kinsight.data.splits import with_validation
from kinsight.data.table import read_pictures, read_table
from kinsight.data.towns import write_towns

__all__ = [
    "Batch",
    "BatchSampler",
    "MPerClassBatches",
    "MaskFiles",
    "PairBatches",
    "PartMaskFiles",
    "UniformBatches",
    "check_table",
    "class_names",
    "describe",
    "describe_sources",
    "read_boxes",
    "read_mask",
    "read_part_labels",
    "read_part_mask",
    "read_parts",
    "read_pictures",
    "read_table",
    "require_pairs",
    "require_sound",
    "share",
    "table_digest",
    "view_numbers",
    "with_validation",
    "write_scenes",
    "write_towns",
]
