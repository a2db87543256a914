"""The command line: every command enters at a recipe or a file and prints a table or one JSON document."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import __version__, _idle  # noqa: F401 - before torch is loaded
from .commands import (
    run_app,
    run_compare,
    run_compress,
    run_datasets,
    run_evaluate,
    run_explain,
    run_inspect,
    run_layers,
    run_methods,
    run_networks,
    run_search,
    run_sensitivity,
    run_sweep,
    run_train,
)
from .core.errors import Cancelled, WorkbenchError
from .core.knob import knobs_of
from .data import SPLITS, set_root
from .experiment.search import TRIALS
from .experiment.sweep import POINTS, Turned
from .export import CHECKED, FORMATS
from .sharing import RECIPE_FORMS, run_export, run_recipe
from .teaching import run_contest
from .train.device import AUTO
from .train.settings import TrainSettings

OK, PARTLY, WRONG, STOPPED = 0, 1, 2, 130


class _Parser(argparse.ArgumentParser):
    """Bad input is one sentence and exit status 2."""

    def error(self, message: str) -> NoReturn:
        raise WorkbenchError(f"{message[:1].upper()}{message[1:]}; `{self.prog} --help` says what is allowed.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    try:
        options = parser().parse_args(argv)
        if getattr(options, "data_root", None) is not None:
            set_root(options.data_root)
        return options.run(options) or OK
    except WorkbenchError as error:
        print(f"workbench: {error}", file=sys.stderr)
        return WRONG
    except (KeyboardInterrupt, Cancelled):
        print("workbench: stopped.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = _Parser(prog="workbench", description="See, measure and explain what neural-network compression does.")
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, parser_class=_Parser)
    for add in (
        _app,
        _lists,
        _layers,
        _compress,
        _evaluate,
        _explain,
        _inspect,
        _export,
        _recipe,
        _sensitivity,
        _sweep,
        _search,
        _compare,
        _train,
        _contest,
    ):
        add(commands)
    return top


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int | None], help: str, json: bool = True
) -> Any:
    command = commands.add_parser(name, help=help, description=help)
    command.set_defaults(run=run)
    if json:
        command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    return command


def _subject(command: Any, required: bool = True) -> None:
    known = "see `workbench networks`, or FILE.py:FACTORY"
    command.add_argument("--network", required=required, metavar="N", help=known)
    command.add_argument("--dataset", required=required, metavar="D", help="see `workbench datasets`")
    _data_root(command)


def _recipe_option(command: Any) -> None:
    command.add_argument("--recipe", type=Path, metavar="FILE", help="all of it from a .yaml, .json or .wbz file")


def _data_root(command: Any) -> None:
    command.add_argument("--data-root", type=Path, metavar="DIR", help="look for data in this folder first")


def _weights(command: Any) -> None:
    command.add_argument("--weights", type=Path, metavar="FILE", help="the network's weights (.safetensors)")


def _app(commands: Any) -> None:
    command = _command(commands, "app", run_app, "open the app in the browser", json=False)
    command.add_argument("--port", type=int, default=8866, help="where to serve (default 8866)")
    command.add_argument("--lab", action="store_true", help="JupyterLab on the notebooks instead of the app")
    command.add_argument("--ip", default="127.0.0.1", help="address to listen on (default: this machine only)")
    command.add_argument("--token", default="", help="ask visitors for this token, of 8 characters or more")
    command.add_argument("--classroom", type=int, default=0, metavar="N", help="for N pages at once on this machine")
    command.add_argument("--preheat", type=int, metavar="K", help="kernels kept ready (default 1; in a classroom all)")
    command.add_argument("--no-browser", action="store_true", help="do not open a browser window")
    _data_root(command)


def _lists(commands: Any) -> None:
    _command(commands, "methods", run_methods, "list the methods with their knobs")
    _command(commands, "networks", run_networks, "list the networks")
    command = _command(commands, "datasets", run_datasets, "list the datasets, or read one and say what was found")
    command.add_argument("name", nargs="?", metavar="D", help="read this one, for instance folder:PATH")
    _data_root(command)


def _layers(commands: Any) -> None:
    _subject(_command(commands, "layers", run_layers, "what can be compressed in a network, what cannot, and why"))


def _compress(commands: Any) -> None:
    command = _command(commands, "compress", run_compress, "compress a network and measure the file on test data")
    _recipe_option(command)
    _subject(command, required=False)
    _weights(command)
    command.add_argument(
        "--step", action="append", default=[], metavar="ID[:knob=value,...][@layer+...]", help="a step; repeatable"
    )
    command.add_argument("--seed", type=int, help="of every random draw (default 0)")
    command.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the compressed network here (.wbz)")


def _file_or_recipe(command: Any) -> None:
    command.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a compressed network (.wbz)")
    command.add_argument("--recipe", type=Path, metavar="FILE", help="make it now, as a .yaml or .json file says")


def _evaluate(commands: Any) -> None:
    command = _command(commands, "evaluate", run_evaluate, "read a compressed network back and measure it on test data")
    command.add_argument("file", type=Path)
    command.add_argument("--dataset", metavar="D", help="the one it was made on by default")
    command.add_argument("--network", metavar="FILE.py:FACTORY", help="the code of a network of your own")
    _data_root(command)


def _explain(commands: Any) -> None:
    command = _command(commands, "explain", run_explain, "what compression cost and whom, and why each unit could go")
    _file_or_recipe(command)
    command.add_argument("--image", type=int, metavar="I", help="the validation image that both networks explain")
    command.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the whole report here (.html)")
    command.add_argument("--network", metavar="FILE.py:FACTORY", help="the code of a network of your own")
    _data_root(command)


def _inspect(commands: Any) -> None:
    command = _command(commands, "inspect", run_inspect, "itemise the bytes of a compressed network")
    command.add_argument("file", type=Path)


def _export(commands: Any) -> None:
    command = _command(commands, "export", run_export, "write a compressed network for other programs, and check it")
    _file_or_recipe(command)
    command.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to (default: beside the file)")
    command.add_argument("--format", choices=FORMATS, help="default: what the output's name ends in, or onnx")
    command.add_argument("--images", type=int, default=CHECKED, metavar="K", help=f"to check on (default {CHECKED})")
    command.add_argument("--dataset", metavar="D", help="whose images; the one it was made on by default")
    command.add_argument("--network", metavar="FILE.py:FACTORY", help="the code of a network of your own")
    _data_root(command)


def _recipe(commands: Any) -> None:
    command = _command(commands, "recipe", run_recipe, "the recipe in or behind a file: to read, to keep, to run again")
    command.add_argument("file", type=Path, help="one of .yaml .json .wbz .onnx .safetensors")
    command.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it here (.yaml .json .py .sh)")
    command.add_argument("--as", dest="form", choices=RECIPE_FORMS, help="default: what the output's name ends in")


def _sensitivity(commands: Any) -> None:
    command = _command(commands, "sensitivity", run_sensitivity, "compress each layer alone, on validation data")
    _recipe_option(command)
    _subject(command, required=False)
    _weights(command)
    spelling, help = "ID[:knob=value,...]", "see `workbench methods`; with --recipe, which of its steps"
    command.add_argument("--method", metavar=spelling, help=help)
    command.add_argument("--levels", type=int, default=10, help="knob values per layer, 2 to 100 (default 10)")
    command.add_argument(
        "--lose", type=float, metavar="SHARE", help="also choose each layer's value so that all lose at most SHARE"
    )
    command.add_argument("--seed", type=int, help="of every random draw (default 0)")


def _search(commands: Any) -> None:
    command = _command(commands, "search", run_search, "find settings within a budget, on validation data")
    _recipe_option(command)
    _subject(command, required=False)
    _weights(command)
    command.add_argument(
        "--budget", required=True, metavar="LIMITS", help="such as bytes<=30000,accuracy_drop<=0.01,macs<=5e6"
    )
    command.add_argument(
        "--step",
        action="append",
        default=[],
        metavar="ID[:knob=value,...]",
        help="a step whose named knobs are held and whose others are searched; repeatable (default: chosen too)",
    )
    command.add_argument("--trials", type=int, default=TRIALS, metavar="K", help=f"real runs (default {TRIALS})")
    command.add_argument("--seed", type=int, help="of every random draw (default 0)")
    command.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the best network here (.wbz)")


def _sweep(commands: Any) -> None:
    command = _command(commands, "sweep", run_sweep, "measure a method over its knobs, on many processes or machines")
    _recipe_option(command)
    _subject(command, required=False)
    _weights(command)
    spelling = "ID[:knob=value,...][@layer+...]"
    command.add_argument(
        "--method",
        dest="steps",
        action="append",
        type=Turned,
        default=[],
        metavar=spelling,
        help="what is turned; with --recipe, which of its steps, by its id",
    )
    command.add_argument(
        "--step", dest="steps", action="append", metavar=spelling, help="another step, before or after it as written"
    )
    turned = command.add_mutually_exclusive_group()
    turned.add_argument(
        "--grid", type=int, metavar="K", help=f"so many values of the method's own axis (default {POINTS})"
    )
    turned.add_argument(
        "--axis", action="append", metavar="[ID:]knob=v1,v2,...", help="a knob and its values; several make a grid"
    )
    command.add_argument(
        "--seeds", metavar="S,S,...", help="every point with each of them (default 0, or the recipe's)"
    )
    command.add_argument("--split", choices=SPLITS[1:], default="test", help="what is measured (default test)")
    command.add_argument(
        "--workers", type=int, default=0, metavar="W", help="processes (default: a core each, at most 4)"
    )
    command.add_argument(
        "--threads", type=int, default=0, metavar="T", help="of each process (default: the cores, shared)"
    )
    command.add_argument("--scheduler", metavar="ADDRESS", help="compute on the workers of this Dask scheduler instead")


def _compare(commands: Any) -> None:
    command = _command(commands, "compare", run_compare, "compare compressed networks at equal size and accuracy")
    command.add_argument("items", nargs="*", metavar="RUN|FILE", help="a .wbz file, a recipe, or a key's beginning")
    command.add_argument("--network", metavar="N", help="with --dataset: every run of it that is known on this machine")
    command.add_argument("--dataset", metavar="D")
    command.add_argument("--split", choices=SPLITS[1:], default="test", help="which measurements (default test)")
    command.add_argument("--baseline", metavar="CURVE", help="what the others are compared with (default: the first)")


def _train(commands: Any) -> None:
    command = _command(commands, "train", run_train, "train a network from scratch and write its weights")
    _subject(command)
    command.add_argument("--teacher", metavar="N", help="a trained network to learn from")
    place = command.add_mutually_exclusive_group()
    place.add_argument("-o", "--output", type=Path, metavar="FILE", help="weights file (.safetensors)")
    place.add_argument("--keep", metavar="LABEL", help="keep the weights at home, for use as NETWORK@LABEL")
    command.add_argument("--device", default=AUTO, help="auto, cpu, cuda or cuda:N (default auto)")
    for name, knob in knobs_of(TrainSettings).items():
        flag = "--" + name.replace("_", "-")
        command.add_argument(
            flag, dest=name, metavar="V", help=f"{knob.help} ({knob}; default: what suits the network)"
        )


def _contest(commands: Any) -> None:
    command = _command(
        commands, "contest", run_contest, "the smallest file that still answers well: hand in, see who leads"
    )
    what = "open: begin a board with a rule; submit: hand a file in; board: who leads"
    command.add_argument("what", choices=("open", "submit", "board"), help=what)
    command.add_argument("file", nargs="?", metavar="FILE", help="with submit: a .wbz file")
    command.add_argument("--name", metavar="NAME", help="with submit: whose it is")
    command.add_argument("--board", type=Path, metavar="FILE", help="where the entries are kept (default: at home)")
    command.add_argument(
        "--dataset", default="digits", metavar="D", help="with open: whose test images (default digits)"
    )
    command.add_argument(
        "--least", type=float, default=0.98, metavar="SHARE", help="with open: that must be right (default 0.98)"
    )
