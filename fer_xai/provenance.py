"""On what and from which code a result was made."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import torch


def commit() -> str:
    """The commit of this code, ``-dirty`` where files differ from it.

    The environment variable FER_XAI_COMMIT goes first, for code that was copied to a machine
    without its history; with neither it is "unknown".

    Examples
    --------
    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, FER_XAI_COMMIT="1a2b3c4"):
    ...     commit()
    '1a2b3c4'
    """
    if told := os.environ.get("FER_XAI_COMMIT"):
        return told
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return found.stdout.strip() or "unknown"


def processor(device: str = "cpu") -> str:
    """The name of the GPU that a device means, otherwise the processor's.

    Examples
    --------
    >>> processor() != ""  # such as AMD EPYC 9354 32-Core Processor
    True
    """
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"
