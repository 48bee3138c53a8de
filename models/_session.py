"""Opening an ONNX file in ONNX Runtime so that it shares a small box with its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from protocol.errors import PatrolError, UnavailableError

if TYPE_CHECKING:
    import onnxruntime


def open_session(path: Path, providers: Sequence[str], threads: int) -> onnxruntime.InferenceSession:
    """A session that never spins while it waits and uses exactly `threads` threads.

    Args:
        path: the ONNX file.
        providers: execution providers in order of preference, by ONNX Runtime's names.
        threads: threads inside one operator; at least 1.

    Raises:
        PatrolError: the file is missing, empty, truncated or no ONNX model, or `threads` is below 1.
        UnavailableError: a provider is not part of this installation of ONNX Runtime.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    if threads < 1:
        raise PatrolError("expected at least one thread", field="threads", value=threads)
    if not providers:
        raise PatrolError(
            "expected at least one execution provider", field="providers", mend="Write CPUExecutionProvider."
        )
    available = onnxruntime.get_available_providers()
    for provider in providers:
        if provider not in available:
            raise UnavailableError(
                f"this installation of ONNX Runtime has no such execution provider; it has {', '.join(available)}",
                field="providers",
                value=provider,
                mend="Name one of those, or install the ONNX Runtime build that brings it.",
            )

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 4
    # Waiting threads sleep: a spinning pool burns the cores that decode video and other sessions need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # Weights outside the arena: the arena grows in powers of two and would round their size up.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except (
        state.InvalidProtobuf,
        state.InvalidGraph,
        state.InvalidArgument,
        state.NotImplemented,
        state.NoSuchFile,
        state.ModelLoaded,
        state.EPFail,
        state.Fail,
        state.RuntimeException,
    ) as error:
        size = path.stat().st_size
        raise PatrolError(
            f"expected an ONNX model that ONNX Runtime {onnxruntime.__version__} can load, found {size} bytes "
            f"that it refuses: {_first_line(error)}",
            file=path,
            mend="The file may be truncated: compare its hash (`patrol models verify`) and copy or fetch it again.",
        ) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:300] if text else type(error).__name__
