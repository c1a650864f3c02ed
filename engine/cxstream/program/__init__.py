"""What is asked: programs, read from TOML or tables, validated once, compiled to a plan."""

from cxstream.program.block import WEIGHT_STEPS_MAX, Block, BlockKind, WeightedBlock
from cxstream.program.plan import (
    CountSlot,
    Plan,
    View,
    compile_block,
    compile_plan,
    rollups,
    weighted_blocks,
)
from cxstream.program.program import (
    ROLLUPS,
    TIME_UNITS,
    Dimension,
    Index,
    IndexPart,
    Kind,
    MissingPolicy,
    Model,
    Option,
    Program,
    Question,
    SurveyWeight,
    TimeColumn,
)
from cxstream.program.read import RESPONSES_MAX, program_from_dict, read_program

__all__ = [
    "RESPONSES_MAX",
    "ROLLUPS",
    "TIME_UNITS",
    "WEIGHT_STEPS_MAX",
    "Block",
    "BlockKind",
    "CountSlot",
    "Dimension",
    "Index",
    "IndexPart",
    "Kind",
    "MissingPolicy",
    "Model",
    "Option",
    "Plan",
    "Program",
    "Question",
    "SurveyWeight",
    "TimeColumn",
    "View",
    "WeightedBlock",
    "compile_block",
    "compile_plan",
    "program_from_dict",
    "read_program",
    "rollups",
    "weighted_blocks",
]
