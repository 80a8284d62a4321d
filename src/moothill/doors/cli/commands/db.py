"""`moothill db`: migrations, roles and checks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer

from ....database.guards import GuardMissing, inspect_guards
from ....database.lives import begin_life
from ....database.migrate import Migrator, create_migration, history
from ....database.pool import Database
from ....database.roles import bootstrap, role_statements
from ....kernel.errors import Invalid, MoothillError
from ....kernel.settings import Settings
from ....session import embedded_server
from ..options import GlobalOptions
from ..render import fail

__all__ = ["add_to"]

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def add_to(parent: typer.Typer, name: str) -> None:
    """Hang the commands under `name`."""
    app = typer.Typer(help="Migrations, roles and checks of the database.", no_args_is_help=True)
    app.command("migrate")(migrate)
    app.command("rollback")(rollback)
    app.command("status")(status)
    app.command("create")(create)
    app.command("sql")(script)
    app.command("roles")(roles)
    app.command("check")(check)
    app.command("restored")(restored)
    parent.add_typer(app, name=name)


@asynccontextmanager
async def _migrator(options: GlobalOptions) -> AsyncIterator[Migrator]:
    """The migrator of the database named by options or environment, else of the embedded server. Flags win."""
    settings = Settings.load()
    table = settings.migration_table
    secret = None if options.folder else settings.migrator_dsn or settings.direct_dsn or settings.dsn
    if named := options.dsn or (secret and secret.get_secret_value()):
        yield Migrator(named, table=table, settings=settings)
        return
    if options.url or (settings.url and not options.folder):
        raise Invalid("Migrations need the database itself; give --dsn or --folder instead of a server's URL.")
    folder = Path(options.folder) if options.folder else settings.home
    async with embedded_server(folder, settings) as server, server.lock():
        yield Migrator(server.dsn("migrator"), table=table)


def _run(ctx: typer.Context, work: Callable[[Migrator], Awaitable[T]], *, json_output: bool = False) -> T:
    options = ctx.find_object(GlobalOptions) or GlobalOptions()

    async def whole() -> T:
        async with _migrator(options) as migrator:
            return await work(migrator)

    try:
        return asyncio.run(whole())
    except MoothillError as error:
        fail(error, json_output=json_output or options.json_output)


def migrate(
    ctx: typer.Context,
    phase: Annotated[str | None, typer.Option(help="pre: stop before the first post-deploy migration.")] = None,
    to: Annotated[int | None, typer.Option(min=1, help="Number of the last migration to apply.")] = None,
) -> None:
    """Apply what is pending."""
    done = _run(ctx, lambda each: each.migrate(phase=phase, to=to, on_progress=lambda id: typer.echo(f"applied {id}")))
    typer.echo(f"{len(done)} applied." if done else "Nothing to apply; the schema is current.")


def rollback(
    ctx: typer.Context,
    steps: Annotated[int, typer.Option(min=1, help="How many to undo.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Undo the last migrations. What their tables held is lost."""
    if not yes:
        typer.confirm(f"Undo the last {steps} migration(s) and lose what their tables hold?", abort=True, err=True)
    _run(ctx, lambda each: each.rollback(steps=steps, on_progress=lambda id: typer.echo(f"undone {id}")))


def status(ctx: typer.Context, json_output: Json = False) -> None:
    """How every migration stands."""
    states = _run(ctx, lambda each: each.status(), json_output=json_output)
    if json_output or (ctx.find_object(GlobalOptions) or GlobalOptions()).json_output:
        rows = [
            {"id": each.id, "phase": each.phase, "state": each.state, "applied_at": each.applied_at} for each in states
        ]
        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    for each in states:
        typer.echo(f"{each.id:<40} {each.phase:<5} {each.state:<10} {each.applied_at or ''}")


def create(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and underscores.")],
    folder: Annotated[Path, typer.Option(help="Folder of the migrations.")] = Path("src/moothill/migrations"),
) -> None:
    """Write the empty pair of files of the next migration."""
    try:
        for path in create_migration(folder, name):
            typer.echo(path)
    except MoothillError as error:
        fail(error, json_output=False)


def script(
    number: Annotated[int | None, typer.Argument(help="Only this migration.")] = None,
) -> None:
    """Print the SQL of the migrations, for a DBA who runs it with other tools."""
    chosen = [each for each in history() if number is None or each.number == number]
    typer.echo(Migrator("").script(chosen))


def roles(
    ctx: typer.Context,
    database: Annotated[str, typer.Option(help="Name of the database.")] = "moothill",
    apply: Annotated[str | None, typer.Option(help="DSN of a superuser: make roles and database now.")] = None,
    app_password: Annotated[str | None, typer.Option(envvar="MOOTHILL_APP_PASSWORD", help="Of moothill_app.")] = None,
    migrator_password: Annotated[
        str | None, typer.Option(envvar="MOOTHILL_MIGRATOR_PASSWORD", help="Of moothill_migrator.")
    ] = None,
    sql_password: Annotated[
        str | None,
        typer.Option(envvar="MOOTHILL_SQL_PASSWORD", help="Of moothill_sql; without it agents cannot ask in SQL."),
    ] = None,
) -> None:
    """Print the SQL that makes the roles, or apply it."""
    if apply is None:
        typer.echo("".join(f"{statement};\n" for statement in role_statements(database)), nl=False)
        return
    try:
        if not app_password or not migrator_password:
            raise Invalid("Give the passwords in MOOTHILL_APP_PASSWORD and MOOTHILL_MIGRATOR_PASSWORD.")
        settings = Settings.load()
        asyncio.run(
            bootstrap(
                apply,
                database,
                app_password=app_password,
                migrator_password=migrator_password,
                sql_password=sql_password,
                settings=settings,
            )
        )
    except MoothillError as error:
        fail(error, json_output=False)
    typer.echo(f"Roles and database {database} are ready; next: moothill db migrate.")


def check(ctx: typer.Context, json_output: Json = False) -> None:
    """Run the self-check of the isolation and list every fault."""
    options = ctx.find_object(GlobalOptions) or GlobalOptions()

    async def inspect(dsn: str, settings: Settings) -> list[Any]:
        database = Database(dsn, settings)
        await database.open()
        try:
            return await inspect_guards(database)
        finally:
            await database.close()

    async def whole() -> list[Any]:
        settings = Settings.load()
        named = options.dsn or (settings.dsn.get_secret_value() if settings.dsn and not options.folder else None)
        if named:
            return await inspect(named, settings)
        async with embedded_server(Path(options.folder) if options.folder else settings.home, settings) as server:
            return await inspect(server.dsn("app"), settings)

    try:
        faults = asyncio.run(whole())
    except MoothillError as error:
        fail(error, json_output=json_output)
    if json_output:
        typer.echo(orjson.dumps([{"guard": each.guard, "fault": each.fault} for each in faults]).decode())
    for each in [] if json_output else faults:
        typer.echo(f"{each.guard}: {each.fault}")
    if faults:
        fail(GuardMissing(f"{len(faults)} fault(s)."), json_output=json_output)
    typer.echo("All guards stand.", err=True)


def restored(ctx: typer.Context, json_output: Json = False) -> None:
    """Run this once after a restore from a backup, or a move to another server: feeds of events stay in order."""
    is_json = json_output or (ctx.find_object(GlobalOptions) or GlobalOptions()).json_output
    number = _run(ctx, begin_life, json_output=is_json)
    typer.echo(orjson.dumps({"life": number}).decode() if is_json else f"Life {number} of this database has begun.")
