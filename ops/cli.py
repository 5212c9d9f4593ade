"""The command line. A command's body lives elsewhere and is imported when it is run, so that help comes at once."""
# ruff: noqa: PLC0415 - that is what the imports inside the commands are for

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from ops.ops_commands import ops

app: Final = typer.Typer(
    name="trunkline",
    help="Answers telephone calls: a realtime engine on Ray.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
bench: Final = typer.Typer(
    name="bench",
    help="Measure, from the caller's side of the socket.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(bench)
knowledge: Final = typer.Typer(
    name="knowledge",
    help="What the business tells its callers: try the search, put articles into the database.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(knowledge)
db: Final = typer.Typer(name="db", help="The tables of the records.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(db)
agent: Final = typer.Typer(
    name="agent", help="Try out what an agent does.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(agent)
app.add_typer(ops)

Wavs = Annotated[list[Path], typer.Argument(metavar="WAV…", help="Sound files, any rate.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line: errors of ours are one line on stderr and exit code 2."""
    from engine.errors import TrunklineError

    try:
        app()
    except TrunklineError as error:
        print(f"trunkline: {error}", file=sys.stderr)
        sys.exit(2)


@app.command()
def up(
    *, demo: Annotated[bool, typer.Option("--demo", help="Place a demonstration call once it is ready.")] = False
) -> None:
    """Run everything on this machine, in the foreground, until Ctrl-C."""
    from engine.config import load_settings
    from ops.up import run

    run(load_settings(), demo=demo)


@app.command()
def call(
    wavs: Wavs,
    caller: Annotated[str, typer.Option(metavar="NUMBER", help="The caller's number.")] = "",
    dialled: Annotated[str, typer.Option(metavar="NUMBER", help="The number dialled: it chooses the playbook.")] = "",
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="Record both sides, in stereo.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Call a running engine, say each file as one turn, and print the dialogue and its latencies."""
    from engine.config import load_settings
    from ops.call import place_call

    place_call(load_settings(), wavs, caller=caller, dialled=dialled, record=record, as_json=as_json)


@agent.command(name="try")
def agent_try(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Conversations and what should follow.")],
    *,
    as_json: Json = False,
) -> None:
    """Print the tool call that the configured model makes next in each conversation, and whether it should."""
    from engine.config import load_settings
    from ops.agent_try import try_file

    try_file(load_settings(), file, as_json=as_json)


@app.command()
def transcribe(wavs: Wavs, *, as_json: Json = False) -> None:
    """Print what the configured recogniser understands of each file."""
    from engine.config import load_settings
    from ops.speech import transcribe as body

    body(load_settings(), wavs, as_json=as_json)


@app.command()
def say(
    text: Annotated[str, typer.Argument(help="What to say.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="WAV", help="Where the sound goes.", show_default=False)],
) -> None:
    """Speak a text with the configured voice, as a caller would hear it."""
    from engine.config import load_settings
    from ops.speech import say as body

    body(load_settings(), text, out)


@app.command()
def doctor(*, as_json: Json = False) -> None:
    """Say what is wrong with this machine or this configuration, and how to mend it."""
    from ops.doctor import run

    raise typer.Exit(run(as_json=as_json))


@app.command()
def settings(
    *,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/settings.md.")] = False,
    env: Annotated[bool, typer.Option("--env", help="Print .env.example.")] = False,
) -> None:
    """Show the settings in force; those that differ from their default are marked."""
    from engine.config import load_settings
    from ops import settings_text

    if markdown:
        print(settings_text.markdown(), end="")
    elif env:
        print(settings_text.environment_file(), end="")
    else:
        for variable, value, changed in settings_text.in_force(load_settings()):
            print(f"{'*' if changed else ' '} {variable}={value}")


@app.command()
def version() -> None:
    """Print the versions of the engine, Ray and Python."""
    from importlib import metadata

    print(f"trunkline {metadata.version('trunkline')}, ray {metadata.version('ray')}, Python {sys.version.split()[0]}")


@knowledge.command("try")
def knowledge_try(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON of passages and questions.", show_default=False)],
    *,
    words: Annotated[bool, typer.Option("--words", help="By words alone, as without the embeddings.")] = False,
    as_json: Json = False,
) -> None:
    """Ask a file's questions of its passages; print what is found and how often it is right."""
    from engine.agent.playbooks import Playbooks
    from engine.config import load_settings
    from ops.knowledge_try import run

    run(file, Playbooks(load_settings().dialogue.playbook), words_only=words, as_json=as_json)


@knowledge.command("embed")
def knowledge_embed(
    playbooks: Annotated[
        list[str] | None,
        typer.Argument(metavar="PLAYBOOK…", help="Names or folders; none: the configured ones.", show_default=False),
    ] = None,
    *,
    forget_other_models: Annotated[
        bool, typer.Option("--forget-other-models", help="Remove vectors that another model made.")
    ] = False,
) -> None:
    """Load the playbooks' articles into the knowledge database and embed what is new; print what was done as JSON."""
    from engine.config import load_settings
    from ops.knowledge_job import run

    run(load_settings(), playbooks or (), forget_other_models=forget_other_models)


@db.command("migrate")
def db_migrate() -> None:
    """Make the tables in the database that TRUNKLINE_DATABASE names, or bring them up to date; safe while calls run."""
    from engine.config import load_settings
    from ops.db import migrate

    migrate(load_settings())


@db.command("status")
def db_status() -> None:
    """Say which migrations are applied; exit code 0: all, 3: some are pending, 1: it cannot be reached."""
    from engine.config import load_settings
    from ops.db import status

    raise typer.Exit(status(load_settings()))


_BENCHMARKS: Final = {
    "overhead": "What the engine adds to the latencies of its providers (scripted).",
    "density": "How many calls at once this machine holds (scripted).",
    "barge-in": "How soon the agent is silent when the caller speaks (scripted).",
    "turns": "From the end of speech to the first sound, with the embedded models.",
    "accept": "From the connect to the first frame and the greeting (scripted).",
    "takeover": "What a caller hears when the process of his call is killed (scripted).",
    "records": "How soon events are in PostgreSQL, and that an outage of --seconds loses none and doubles none.",
    "endpointing": "How long the engine waits after a sentence, and how often it takes a pause for the end (embedded).",
}


def _add_benchmark(name: str, text: str) -> None:
    def command(
        calls: Annotated[int | None, typer.Option(min=1, help="Calls at once.", show_default=False)] = None,
        seconds: Annotated[float | None, typer.Option(min=1, help="How long to measure.", show_default=False)] = None,
        against: Annotated[
            str | None,
            typer.Option(metavar="HOST:PORT[,URL]", help="Measure the engine that runs there.", show_default=False),
        ] = None,
        json_file: Annotated[
            Path | None, typer.Option("--json", metavar="FILE", help="Write the results here too.", show_default=False)
        ] = None,
    ) -> None:
        from engine.config import load_settings
        from ops.bench.command import run

        run(name, load_settings(), calls=calls, seconds=seconds, against=against, json_file=json_file)

    bench.command(name, help=text)(command)


for _name, _text in _BENCHMARKS.items():
    _add_benchmark(_name, _text)


@bench.command("backup")
def bench_backup(
    megabytes: Annotated[int, typer.Option(min=1, help="Size of the database.")] = 1000,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results here too.", show_default=False)
    ] = None,
) -> None:
    """How long a backup, its verification and its restore take, beside pg_basebackup alone."""
    from ops.bench.backup import run

    run(megabytes, json_file=json_file)


if __name__ == "__main__":
    main()
