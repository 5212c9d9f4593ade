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
    │   ├── ModelRefused            … it will not answer this request; it works
    │   └── ModelDenied             … it lets nobody in who comes with these settings
    ├── ToolError                   a tool could not do what it was asked
    ├── BreakerOpen                 something failed again and again and is left alone for a while
    ├── ServiceError                a business's API failed
    │   ├── ServiceRefused          … it answered with an error of the request (4xx)
    │   ├── ServiceUnavailable      … it is slow, gone, or broken
    │   └── StoreError              … the store's
    │       ├── StoreRefused        … a ServiceRefused
    │       └── StoreUnavailable    … a ServiceUnavailable
    ├── KnowledgeUnavailable        the knowledge base is slow, gone, or broken
    └── LeaseError                  no replica could be had

``retryable`` says whether the same request may succeed when it is made again; ``outside`` that the fault lies with a
service that others run, so that another process of ours would meet the same.
"""

from __future__ import annotations


class TrunklineError(Exception):
    """Root of the tree."""

    retryable: bool = False
    outside: bool = False


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


class ModelRefused(ModelError):
    """The model will not answer this request (too long, against its provider's rules); another may be answered."""

    retryable = False


class ModelDenied(ModelError):
    """The provider refuses the key or does not know the model: no request is answered until somebody mends that."""

    retryable = False


class ToolError(TrunklineError):
    """A tool could not do what it was asked; the message may be told to the model."""


class BreakerOpen(TrunklineError):
    """What is asked for failed again and again and is left alone for a while.

    ``retry_in`` is seconds until it is tried again.
    """

    retryable = True

    def __init__(self, message: str, *, retry_in: float) -> None:
        super().__init__(message)
        self.retry_in = retry_in


class ServiceError(TrunklineError):
    """A business's API failed."""


class ServiceRefused(ServiceError):
    """The API answered that the request is wrong.

    ``code`` is its own error code, ``status`` the HTTP status.
    """

    def __init__(self, message: str, *, code: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class ServiceUnavailable(ServiceError):
    """The API is slow, gone or broken."""

    retryable = True


class StoreError(ServiceError):
    """The store's API failed."""


class StoreRefused(StoreError, ServiceRefused):
    """The store answered that the request is wrong."""


class StoreUnavailable(StoreError, ServiceUnavailable):
    """The store is slow, gone or broken."""


class KnowledgeUnavailable(TrunklineError):
    """The knowledge base is slow, gone or broken."""

    retryable = True


class LeaseError(TrunklineError):
    """No replica could be had."""

    retryable = True
