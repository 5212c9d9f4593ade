"""Brings the knowledge database up to date: tables, articles of the playbooks' folders, vectors.

``trunkline knowledge embed``, or as a Ray job: ``ray job submit -- python -m ops.knowledge_job``. It may run as often
as one likes, and prints what it did as one JSON object. Exit code 0: done; 2: not done, and why stands on stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import asyncpg

from engine.agent.playbook import Playbook, load_playbook
from engine.agent.playbooks import playbook_names
from engine.config import Settings, load_settings
from engine.errors import ConfigurationError, KnowledgeUnavailable, TrunklineError
from engine.knowledge.embedding import embed
from engine.knowledge.meaning import Meaning
from engine.knowledge.ranking import Space
from engine.knowledge.tables import migrate
from engine.sql import FAULTS

CONNECT_SECONDS: Final = 10.0
STATEMENT_SECONDS: Final = 60.0


def run(settings: Settings, playbooks: Sequence[str] = (), *, forget_other_models: bool = False) -> None:
    """Bring the articles of ``playbooks`` (names or folders; none: the configured ones) up to date, and print what was
    done as JSON.

    Raises ConfigurationError, and KnowledgeUnavailable where the database is away: what was done until then stays.
    """
    database = settings.knowledge.database
    if not database:
        raise ConfigurationError(
            "there is no knowledge database: set TRUNKLINE_KNOWLEDGE to its URL, "
            "postgresql://USER:PASSWORD@HOST/DATABASE"
        )
    loaded = [load_playbook(name) for name in playbooks or playbook_names(settings.dialogue.playbook)]
    done = asyncio.run(update(database, loaded, Meaning(), forget_other_models=forget_other_models))
    print(json.dumps(done, ensure_ascii=False))


async def update(
    database: str, playbooks: Sequence[Playbook], meaning: Meaning, *, forget_other_models: bool = False
) -> dict[str, Any]:
    """What was done, ready for JSON. Starts ``meaning`` and closes it. Raises as ``run``."""
    connection = None
    try:
        connection = await asyncpg.connect(database, timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS)
        applied = await migrate(connection)
        await meaning.start()
        space = Space(meaning)
        done = [
            await embed(
                connection,
                space,
                playbook.name,
                passages=playbook.knowledge,
                forget_other_models=forget_other_models,
            )
            for playbook in playbooks
        ]
    except FAULTS as error:
        # The text of such an error may show an address or a value: its kind is enough.
        raise KnowledgeUnavailable(f"the knowledge database failed ({type(error).__name__})") from error
    finally:
        if connection is not None:
            connection.terminate()
        await meaning.close()
    return {"migrations": applied, "playbooks": [asdict(each) for each in done]}


def main() -> None:
    """As a Ray job."""
    parser = argparse.ArgumentParser(prog="python -m ops.knowledge_job", description="Update the knowledge database.")
    parser.add_argument("playbooks", nargs="*", metavar="PLAYBOOK", help="name or folder; none: the configured ones")
    parser.add_argument("--forget-other-models", action="store_true", help="remove vectors that another model made")
    given = parser.parse_args()
    try:
        run(load_settings(), given.playbooks, forget_other_models=given.forget_other_models)
    except TrunklineError as error:
        print(f"knowledge job: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
