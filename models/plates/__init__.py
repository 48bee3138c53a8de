"""Number plates: found, straightened, read by a legal grammar, voted over frames."""

from models.plates.colour import Colour
from models.plates.grammar import Automaton, Grammar, china, compile_grammar, load_grammar
from models.plates.reader import THRESHOLD, PlateReader, open_plate_reader
from models.plates.reading import PlateReading, Unreadable, mask_plate
from models.plates.vote import vote

__all__ = [
    "THRESHOLD",
    "Automaton",
    "Colour",
    "Grammar",
    "PlateReader",
    "PlateReading",
    "Unreadable",
    "china",
    "compile_grammar",
    "load_grammar",
    "mask_plate",
    "open_plate_reader",
    "vote",
]
