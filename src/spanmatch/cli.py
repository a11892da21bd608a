"""The command line: spanmatch demo, spanmatch compare."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from . import __about__
from .errors import BadArgument, SpanmatchError

if TYPE_CHECKING:
    from .compare import Comparison

FAILED, BAD_USAGE, INTERRUPTED = 1, 2, 130
PAPER_EPS = "0.15 0.2 0.25 0.3 0.5"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    help="To what extent did two neural networks learn the same representations?",
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"spanmatch {__about__.VERSION}")
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("spanmatch-demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON instead of a table.")] = False,
) -> None:
    """Train small networks on digits from three seeds, and compare them at every layer."""
    with _exit_codes():
        from .demo import demo as run

        _finish(run(), out, as_json)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="file.py:function[@weights], or activations (.npy, .npz, .safetensors).")],
    b: Annotated[str, typer.Argument(help="The other network, of the same kind.")],
    data: Annotated[
        str | None,
        typer.Option(help="What to run networks on: .npy, .npz, .safetensors, or file.py:function."),
    ] = None,
    layers: Annotated[
        list[str] | None, typer.Option(help="Layer name or shell pattern, as '*relu*'; can be repeated.")
    ] = None,
    eps: Annotated[str, typer.Option(help="Values for the table, in \\[0, 1).")] = PAPER_EPS,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("spanmatch-compare"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON instead of a table.")] = False,
    centred: Annotated[bool, typer.Option("--centred", help="Take each neuron's mean out first.")] = False,
    method: Annotated[
        Literal["gram", "qr"],
        typer.Option(help="qr resolves far smaller distances and is several times slower."),
    ] = "gram",
    units: Annotated[
        Literal["channel", "location"], typer.Option(help="What is a neuron of a convolution.")
    ] = "channel",
    positions: Annotated[
        int | None, typer.Option(min=1, help="Sample so many positions of each example of a convolution.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of that sample.")] = 0,
    folds: Annotated[int, typer.Option(min=1, help="Folds to keep apart for evidence.")] = 8,
    null: Annotated[bool, typer.Option(help="Keep a pairing in which nothing corresponds, for evidence.")] = True,
    batch_size: Annotated[int, typer.Option(min=1, help="Examples in a batch of --data.")] = 256,
    simple: Annotated[
        bool, typer.Option("--simple", help="Find minimum and simple matches too, at every eps.")
    ] = False,
    simple_layers: Annotated[
        list[str] | None, typer.Option(help="Do so only for these layers; can be repeated.")
    ] = None,
    clusters: Annotated[bool, typer.Option(help="Cluster the neurons of both networks.")] = True,
    sparse: Annotated[
        list[str] | None,
        typer.Option(help="Predict the neurons of these layers from few of the other network's; '*' for all."),
    ] = None,
    bins: Annotated[
        int | None, typer.Option(min=2, help="Look for partners by mutual information too, with so many bins.")
    ] = None,
) -> None:
    """Compare two networks, or two files of activations, at all layers of the same name."""
    with _exit_codes():
        from . import load
        from .compare import compare as run

        shown = _eps(eps)
        code = [load.is_code(text) for text in (a, b)]
        if code[0] != code[1]:
            raise BadArgument(f"{a} and {b}: give two networks or two files of activations, not one of each")
        if code[0] and data is None:
            raise BadArgument("--data is missing: what are the networks to be run on?")
        if not code[0] and data is not None:
            raise BadArgument("--data is for networks; files of activations are compared as they are")
        names = _names(a, b)
        networks = dict(zip(names, [load.network(t) if code[0] else Path(t) for t in (a, b)], strict=True))
        comparison = run(
            networks,
            load.data(data, batch_size) if data is not None else None,
            eps=shown,
            centred=centred,
            simple=shown if simple else (),
            simple_layers=simple_layers,
            clusters=clusters,
            sparse=sparse or (),
            bins=bins,
            notes={names[0]: a, names[1]: b, **({"Data": data} if data else {})},
            layers=layers,
            units=units,
            positions=positions,
            seed=seed,
            folds=folds,
            null=null,
            method=method,
        )
        _finish(comparison, out, as_json)


def main() -> None:
    """Run the command line."""
    app()


@contextlib.contextmanager
def _exit_codes() -> Iterator[None]:
    """Turn what went wrong into a message on standard error and an exit code."""
    try:
        yield
    except BadArgument as error:
        _complain(error)
        raise typer.Exit(BAD_USAGE) from error
    except SpanmatchError as error:
        _complain(error)
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as interrupt:
        _complain("interrupted; nothing was written")
        raise typer.Exit(INTERRUPTED) from interrupt


def _complain(message: object) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]error:[/] {escape(str(message))}")


def _eps(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.replace(",", " ").split()]
    except ValueError as error:
        raise BadArgument(f"--eps {text!r}: give numbers in [0, 1), as '{PAPER_EPS}'") from error
    wrong = [value for value in values if not 0 <= value < 1]
    if wrong or not values:
        raise BadArgument(f"--eps {text!r}: {wrong[0]:g} is not in [0, 1)" if wrong else "--eps: give at least one")
    return values


def _names(a: str, b: str) -> tuple[str, str]:
    """Return short names of the two: of their weights, functions or files, whichever differ first."""
    for part in (_weights, _function, _stem):
        names = part(a), part(b)
        if all(names) and names[0] != names[1]:
            return names
    return "a", "b"


def _weights(text: str) -> str:
    return Path(text.partition("@")[2]).stem


def _function(text: str) -> str:
    return text.partition("@")[0].rpartition(":")[2] if ".py:" in text else ""


def _stem(text: str) -> str:
    return Path(text.partition(":")[0]).stem


def _finish(comparison: Comparison, out: Path, as_json: bool) -> None:
    folder = comparison.save(out)
    if as_json:
        sys.stdout.write((folder / "comparison.json").read_text(encoding="utf-8"))
        return
    console = Console(highlight=False)
    console.print(_table(comparison))
    if comparison.simple:
        console.print(_simple_table(comparison))
    for name, profile in zip(comparison.names(), comparison.profiles, strict=True):
        for warning in profile.warnings:
            console.print(f"[yellow]warning:[/] {escape(name)}: {escape(warning)}", soft_wrap=True)
    console.print(f"Report: {escape(str(folder / 'report.html'))}", soft_wrap=True)


def _table(comparison: Comparison) -> Table:
    table = Table(
        title=" and ".join(map(escape, comparison.networks)) + ": share of neurons in the maximum match, by eps",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
    )
    table.add_column("layer", overflow="fold")
    for title in ("neurons", "silent", "rows", *(f"{eps:g}" for eps in comparison.eps)):
        table.add_column(title, justify="right")
    for name, profile in zip(comparison.names(), comparison.profiles, strict=True):
        s = profile
        row: list[Any] = [
            escape(name),
            str(s.x_neurons) if s.x_neurons == s.y_neurons else f"{s.x_neurons}/{s.y_neurons}",
            f"{len(s.x_silent)}/{len(s.y_silent)}",
            f"{s.rows:,}",
        ]
        table.add_row(*row, *(f"{share:.3f}" for share in profile.similarity(comparison.eps)))
    return table


def _simple_table(comparison: Comparison) -> Table:
    table = Table(
        title="Smallest groups found around each neuron (minimum matches), by eps",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
    )
    table.add_column("layer", overflow="fold")
    for title in ("eps", "neurons matched", "median size", "from", "to", "different"):
        table.add_column(title, justify="right")
    for found in comparison.simple:
        sizes = sorted(found.sizes.values())
        spread = [f"{sizes[len(sizes) // 2]}", f"{sizes[0]}", f"{sizes[-1]}"] if sizes else ["-"] * 3
        table.add_row(escape(found.x_layer), f"{found.eps:g}", str(len(sizes)), *spread, str(len(found)))
    return table
