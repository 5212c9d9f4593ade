"""Every error the engine raises on purpose.

    TrunklineError
    ├── ConfigurationError          a setting or a playbook is wrong; says which and what was expected
    ├── ProtocolError               the peer broke a wire protocol
    │   ├── AudioSocketError        … on the telephone side
    │   └── TetherError             … between ingress and call
    ├── CapacityError               no room for another call
    ├── SpeechError                 a recogniser or a synthesiser failed
    │   ├── RecognitionError
    │   └── SynthesisError
    ├── ModelError                  the chat model failed
    ├── ToolError                   a tool could not do what it was asked
    ├── StoreError                  the store's API failed
    │   ├── StoreRefused            … it answered with an error of the request (4xx)
    │   └── StoreUnavailable        … it is slow, gone, or broken
    └── LeaseError                  no replica could be had

``retryable`` says whether the same request may succeed when it is made again.
"""

from __future__ import annotations


class TrunklineError(Exception):
    """Root of the tree."""

    retryable: bool = False


class ConfigurationError(TrunklineError):
    """A setting or a playbook is wrong."""


class ProtocolError(TrunklineError):
    """The peer broke a wire protocol."""


class AudioSocketError(ProtocolError):
    """The telephone side sent what AudioSocket does not allow."""


class TetherError(ProtocolError):
    """A message between ingress and call could not be understood."""


class CapacityError(TrunklineError):
    """No room for another call."""

    retryable = True


class SpeechError(TrunklineError):
    """A recogniser or a synthesiser failed."""

    retryable = True


class RecognitionError(SpeechError):
    """The recogniser failed."""


class SynthesisError(SpeechError):
    """The synthesiser failed."""


class ModelError(TrunklineError):
    """The chat model failed."""

    retryable = True


class ToolError(TrunklineError):
    """A tool could not do what it was asked; the message may be told to the model."""


class StoreError(TrunklineError):
    """The store's API failed."""


class StoreRefused(StoreError):
    """The store answered that the request is wrong.

    ``code`` is the store's own error code, ``status`` the HTTP status.
    """

    def __init__(self, message: str, *, code: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class StoreUnavailable(StoreError):
    """The store is slow, gone or broken."""

    retryable = True


class LeaseError(TrunklineError):
    """No replica could be had."""

    retryable = True
