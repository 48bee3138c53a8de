"""The two networks that turn a flat line of characters into probabilities, and the fold to plate characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from models._session import open_session
from models.detections import Image
from models.plates._weights import READER, SECOND_READER, Weights, find_weights
from models.plates.decoder import Floats, Fold
from models.plates.grammar import Automaton
from protocol.errors import PatrolError

SECOND_ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ云京使冀吉学宁川挂新晋桂沪津浙渝港湘澳琼甘皖粤苏蒙藏警豫贵赣辽鄂闽陕青领鲁黑"
"""Characters of the second reader after its blank, in the order of its package's list."""


class Recogniser:
    """One network that reads lines of a given height."""

    def __init__(self, weights: Weights, automaton: Automaton, height: int, *, threads: int = 1) -> None:
        path = find_weights(weights)
        self._session: Any = open_session(path, ["CPUExecutionProvider"], threads)
        self.height = height
        columns = self._session.get_outputs()[0].shape[-1]
        listed = self._session.get_modelmeta().custom_metadata_map.get("character")
        alphabet: Sequence[str] = ["", *(SECOND_ALPHABET if listed is None else listed.split("\n"))]
        if len(alphabet) + 1 == columns:
            alphabet = [*alphabet, " "]
        if len(alphabet) != columns:
            raise PatrolError(
                f"the reader's network has {columns} outputs for {len(alphabet)} characters",
                file=path,
                mend="Install the version of the package that street-patrol was measured with.",
            )
        self._fold = Fold(automaton, alphabet)

    def read(self, lines: Sequence[Image]) -> list[Floats]:
        """Per line: T x (1 + plate characters) probabilities, blank first; T is the width by 8 or by 4.

        Args:
            lines: pictures of one size, BGR; resized to the network's height if they have another.
        """
        batch = np.stack([self._blob(line) for line in lines])
        (output,) = self._session.run(None, {"x": batch})
        return [self._fold(probabilities) for probabilities in output]

    def _blob(self, line: Image) -> np.ndarray[Any, np.dtype[np.float32]]:
        if line.shape[0] != self.height:
            width = max(8, round(line.shape[1] * self.height / line.shape[0]))
            line = cv2.resize(line, (width, self.height), interpolation=cv2.INTER_AREA).astype(
                np.uint8, copy=False
            )
        return (line.astype(np.float32) / 127.5 - 1.0).transpose(2, 0, 1)


def first_reader(automaton: Automaton, *, threads: int = 1) -> Recogniser:
    """PP-OCRv4: good at every province."""
    return Recogniser(READER, automaton, 48, threads=threads)


def second_reader(automaton: Automaton, *, threads: int = 1) -> Recogniser:
    """The plate network: a second opinion on letters and digits."""
    return Recogniser(SECOND_READER, automaton, 32, threads=threads)
