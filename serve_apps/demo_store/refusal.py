"""How a demonstration server refuses a request."""

from __future__ import annotations

from typing import NoReturn

from fastapi import HTTPException


def refuse(status: int, code: str, message: str) -> NoReturn:
    """Answers with an error in the documented shape."""
    raise HTTPException(status, {"code": code, "message": message})
