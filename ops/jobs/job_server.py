"""Ray's job server as the scheduler needs it: two questions, each with a time limit, and told apart from silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

ASK_SECONDS: Final = 20.0
"""For one answer; a healthy server gives it within tens of milliseconds."""
DRIPS: Final = 2.0
"""Times that: for an answer that comes in drops, where each restarts the client's own time limit."""
_NOT_ENDED: Final = frozenset({"PENDING", "RUNNING"})


class JobServerAway(Exception):
    """It does not answer, or with an error of its own; the text holds no more than the kind."""


class JobServer:
    """One Ray cluster's. Nothing is asked until there is something to ask, so that it may be away at the start.

    Its client blocks: each question is a thread's, and while one waits for an answer that does not come no other is
    asked, so that a silent server costs one thread and no more.
    """

    def __init__(self, url: str, *, seconds: float = ASK_SECONDS) -> None:
        """``url``: such as ``http://127.0.0.1:8265``; ``seconds``: for one answer."""
        self._url = url
        self._seconds = seconds
        self._client: Any = None
        self._asking: asyncio.Future[Any] | None = None

    async def submit(self, line: str, submission: str) -> bool:
        """Have a shell's line run under that id; False where the id was taken. Raises JobServerAway: then it may have
        been taken or not."""
        try:
            await self._ask(lambda client: client.submit_job(entrypoint=line, submission_id=submission))
        except RuntimeError as error:  # Ray's client raises it for all that its server says
            if "already exists" in str(error):
                return False
            raise JobServerAway(type(error).__name__) from error
        return True

    async def lives(self, submission: str) -> bool:
        """Whether it waits or runs; False where it ended, or nobody knows of it. Raises JobServerAway."""
        try:
            status = await self._ask(lambda client: client.get_job_status(submission))
        except RuntimeError as error:
            if "status code 404" in str(error):  # the cluster was made anew
                return False
            raise JobServerAway(type(error).__name__) from error
        return str(getattr(status, "value", status)) in _NOT_ENDED

    async def _ask(self, question: Callable[[Any], Any]) -> Any:
        """Raises JobServerAway, and RuntimeError as the client does."""
        if self._asking is not None and not self._asking.done():
            raise JobServerAway("no answer to the question before")
        self._asking = asyncio.ensure_future(asyncio.to_thread(self._answer, question))
        self._asking.add_done_callback(_look_at)
        done, _ = await asyncio.wait({self._asking}, timeout=DRIPS * self._seconds)
        if not done:
            raise JobServerAway("its answer has no end")
        try:
            return self._asking.result()
        except RuntimeError:
            raise
        except Exception as error:  # of requests, urllib3, json: whatever a server that is none can provoke
            raise JobServerAway(type(error).__name__) from error

    def _answer(self, question: Callable[[Any], Any]) -> Any:
        """In a thread."""
        if self._client is None:
            self._client = _bounded_client(self._url, self._seconds)
        return question(self._client)


def _bounded_client(url: str, seconds: float) -> Any:
    """Ray's own client, which knows its tokens, with the time limit that it lacks. Asks the server for its version."""
    from ray.job_submission import JobSubmissionClient  # noqa: PLC0415 - where there is no dashboard nobody needs it

    class Bounded(JobSubmissionClient):
        def _do_request(self, *arguments: Any, **options: Any) -> Any:
            return super()._do_request(*arguments, **{"timeout": seconds, **options})

    return Bounded(url)


def _look_at(asked: asyncio.Future[Any]) -> None:
    """An answer that came too late is nobody's."""
    if not asked.cancelled():
        asked.exception()
