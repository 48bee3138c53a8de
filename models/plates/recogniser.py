"""The networks that turn a flat line of characters into probabilities, and the fold to plate characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models._session import open_session
from models.detections import Image
from models.plates._weights import READER, SECOND_READER, THIRD_READER, Bundled, Weights, find_weights
from models.plates.decoder import Floats, Fold
from models.plates.grammar import Automaton
from protocol.errors import PatrolError

SECOND_ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ云京使冀吉学宁川挂新晋桂沪津浙渝港湘澳琼甘皖粤苏蒙藏警豫贵赣辽鄂闽陕青领鲁黑"
"""Characters of the second reader after its blank, in the order of its package's list."""

THIRD_ALPHABET = "京沪津渝冀晋蒙辽吉黑苏浙皖闽赣鲁豫鄂湘粤桂琼川贵云藏陕甘青宁新0123456789ABCDEFGHJKLMNPQRSTUVWXYZ港学使警澳挂军北南广沈兰成济海民航空"
"""Characters of the third reader, its blank after them, in the order of its package's list."""

UNKNOWN = 0.3
"""What a character that a reader was never taught may look like to it: anything, but less than a known one does."""


@dataclass(frozen=True, slots=True)
class Network:
    """How a recogniser wants its pictures.

    Attributes:
        weights: its file.
        height: of a line, pixels.
        input: name of its input.
        alphabet: its characters, column by column, the blank as the empty string; None: the file says.
        centred: pixels from -1 to 1 instead of 0 to 1.
        lying: the picture lies on its side: width before height.
    """

    weights: Weights | Bundled
    height: int
    input: str
    alphabet: tuple[str, ...] | None
    centred: bool = True
    lying: bool = False


FIRST = Network(READER, 48, "x", None)
SECOND = Network(SECOND_READER, 32, "x", ("", *SECOND_ALPHABET))
THIRD = Network(THIRD_READER, 40, "plate", (*THIRD_ALPHABET, ""), centred=False, lying=True)


class Recogniser:
    """One network that reads lines of a given height. Thread-safe."""

    def __init__(self, network: Network, automaton: Automaton, *, threads: int = 1) -> None:
        path = find_weights(network.weights)
        self._session: Any = open_session(path, ["CPUExecutionProvider"], threads)
        self._network = network
        alphabet = self._alphabet(path)
        self._fold = Fold(automaton, alphabet)
        known = {place for place in range(self._fold.width) if self._fold.knows(place)}
        self._unknown = [place for place in range(1, self._fold.width) if place not in known]

    @property
    def height(self) -> int:
        """Of a line, pixels."""
        return self._network.height

    def read(self, lines: Sequence[Image]) -> list[Floats]:
        """Per line: T x (1 + plate characters) probabilities, blank first; T is the width by 8 or by 4.

        Args:
            lines: pictures of one size, BGR; resized to the network's height if they have another.
        """
        batch = np.stack([self._blob(line) for line in lines])
        (output,) = self._session.run(None, {self._network.input: batch})
        folded = [self._fold(probabilities) for probabilities in output]
        if self._unknown:
            for probabilities in folded:
                guess = UNKNOWN * probabilities[:, 1:].max(axis=1)
                probabilities[:, self._unknown] = guess[:, None]
        return folded

    def _alphabet(self, path: Path) -> Sequence[str]:
        columns = self._session.get_outputs()[0].shape[-1]
        alphabet: Sequence[str]
        if self._network.alphabet is not None:
            alphabet = self._network.alphabet
        else:
            listed = self._session.get_modelmeta().custom_metadata_map.get("character", "")
            alphabet = ["", *listed.split("\n")]
            if len(alphabet) + 1 == columns:
                alphabet = [*alphabet, " "]
        if len(alphabet) != columns:
            raise PatrolError(
                f"the reader's network has {columns} outputs for {len(alphabet)} characters",
                file=path,
                mend="Install the version of the package that street-patrol was measured with.",
            )
        return alphabet

    def _blob(self, line: Image) -> NDArray[np.float32]:
        if line.shape[0] != self.height:
            width = max(8, round(line.shape[1] * self.height / line.shape[0]))
            line = cv2.resize(line, (width, self.height), interpolation=cv2.INTER_AREA).astype(
                np.uint8, copy=False
            )
        values = line.astype(np.float32)
        values = (
            values / np.float32(127.5) - np.float32(1.0)
            if self._network.centred
            else values / np.float32(255.0)
        )
        return values.transpose(2, 1, 0) if self._network.lying else values.transpose(2, 0, 1)
