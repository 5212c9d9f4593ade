"""How the embedded models are run by onnxruntime: modestly, beside other processes on few cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.errors import ConfigurationError


def quiet_session(path: Path) -> Any:
    """An onnxruntime session of one thread that does not spin. Raises ConfigurationError where the file is no model."""
    import onnxruntime  # noqa: PLC0415  45 MB that only a process with models should carry

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # Utterances differ in length: an arena would keep the largest it ever saw, for every shape anew.
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    if not path.is_file():
        raise ConfigurationError(f"model file {path} does not exist")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions have no common base but this
        raise ConfigurationError(f"model file {path}: {error}") from error
