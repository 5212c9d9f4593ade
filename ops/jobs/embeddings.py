"""The job that brings the knowledge database up to date; see ``ops.knowledge_job``."""

from __future__ import annotations

from typing import Final

from engine.agent.playbook import load_playbook
from engine.agent.playbooks import playbook_names
from engine.knowledge.meaning import Meaning
from ops.jobs.connection import refuse_unknown_arguments, switch
from ops.jobs.job import Job, JobContext, Report, Verdict
from ops.knowledge_job import update


async def run(context: JobContext) -> Report:
    """Raises KnowledgeUnavailable where its database fails: what was done until then stays."""
    refuse_unknown_arguments(JOB, context)
    forget = switch(context, "forget-other-models")
    settings = context.settings
    database = settings.knowledge.database
    if not database:
        return Report(Verdict.SKIPPED, "there is no knowledge database (TRUNKLINE_KNOWLEDGE)")
    playbooks = [load_playbook(name) for name in playbook_names(settings.dialogue.playbook)]
    if context.dry_run:
        passages = sum(len(playbook.knowledge) for playbook in playbooks)
        return Report(Verdict.OK, f"{passages} articles of {len(playbooks)} businesses would be compared")
    done = await update(database, playbooks, Meaning(), forget_other_models=forget)
    figures: dict[str, float] = {}
    for playbook in done["playbooks"]:
        for name, value in playbook.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                figures[name] = figures.get(name, 0.0) + value
    return Report(Verdict.OK, f"articles of {len(playbooks)} businesses are up to date", done, figures)


JOB: Final = Job(
    name="embeddings",
    help="Put the playbooks' articles and their vectors into the knowledge database.",
    run=run,
    schedule="40 4 * * *",
    set_up=lambda settings: bool(settings.knowledge.database),
    arguments={"forget-other-models": "yes: remove vectors that another model made"},
)
