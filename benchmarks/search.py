"""Compares searchers on real problems of hyperparameter search, at budgets that people can pay.

::

    python benchmarks/search.py --quick                                    # does everything run?
    python benchmarks/search.py --systems classic tpe --problems tuning --seeds 5
    python benchmarks/search.py --problems held-out --report               # what the cache has

Results are kept in the cache, one by one: a run can be interrupted, goes on where it was, and runs
anew only what has changed. The report shows every system of which the cache has results.
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers import ENVIRONMENT
from environments import REQUIREMENTS, python_of
from problems import GROUPS
from regret import Regrets, compare, mean_ranks, regret, summary
from results import Results, read
from samplers import OURS, RIVALS, default, digest, label

logger = logging.getLogger("search")

BENCHMARKS = Path(__file__).resolve().parent
BUDGETS = {1: (40, 100, 300), 8: (40, 100)}
REFERENCE = "tpe"
QUICK = ["hpobench-car", "nasbench201-cifar10", "hpolib-naval_propulsion"]
Column = tuple[int, int]  # slots and budget


@dataclass(frozen=True)
class Facts:
    """What is known of a problem: its digest, its best value, and random search's medians."""

    digest: str
    best: float
    medians: Mapping[int, float]


def main() -> int:
    """Run what the command line asks for and is missing, and print the tables."""
    args = _parser().parse_args()
    if args.quick:
        args.problems, args.seeds = QUICK, min(args.seeds, 2)
        args.budgets, args.slots = [40], [1, 8]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    problems = _problems(args.problems)
    budgets = {s: [n for n in BUDGETS[s] if n in args.budgets] for s in args.slots}
    _make_tables(args, problems)
    if not args.report:
        _run(args, problems, budgets)
    facts = {name: _facts(args.cache, name) for name in problems}
    systems = [*OURS, *RIVALS]
    digests = {name: digest(name) for name in systems}
    tables = {name: found.digest for name, found in facts.items()}
    results = read(args.cache / "results", digests, tables)
    columns = [(slots, n) for slots, found in budgets.items() for n in found]
    for group, names in _grouped(problems).items():
        shown = {name: facts[name] for name in names}
        print(_report(group, shown, results, columns, args))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    known = [*OURS, *RIVALS]
    parser.add_argument("--systems", nargs="+", choices=known, default=known, metavar="SYSTEM")
    parser.add_argument(
        "--problems", nargs="+", default=["tuning"], help="groups or names; see problems.py"
    )
    parser.add_argument("--seeds", type=int, default=20, help="seeds of each search, from 0")
    parser.add_argument("--budgets", nargs="+", type=int, default=[40, 100, 300])
    parser.add_argument("--slots", nargs="+", type=int, choices=BUDGETS, default=list(BUDGETS))
    parser.add_argument(
        "--quick", action="store_true", help="three problems, few seeds and trials"
    )
    parser.add_argument("--report", action="store_true", help="run nothing, show what there is")
    parser.add_argument("--details", action="store_true", help="also the regret on each problem")
    parser.add_argument(
        "--cache",
        type=Path,
        default=BENCHMARKS.parent / ".bench-cache",
        help="where tables and results are kept",
    )
    parser.add_argument(
        "--envs",
        type=Path,
        default=BENCHMARKS.parent / ".bench-envs",
        help="where the competitors' environments are kept",
    )
    return parser


def _problems(given: Sequence[str]) -> list[str]:
    """Return the names of problems, with those of a group in its place."""
    return [name for word in given for name in GROUPS.get(word, (word,))]


def _grouped(problems: Sequence[str]) -> dict[str, list[str]]:
    grouped = {group: [n for n in problems if n in names] for group, names in GROUPS.items()}
    return {group: names for group, names in grouped.items() if names}


def _python(args: argparse.Namespace, environment: str) -> Path:
    return python_of(environment, REQUIREMENTS[environment][0], args.envs.resolve())


def _call(python: Path, script: str, arguments: Sequence[str]) -> None:
    """Run one of our scripts in a Python that has the packages for it."""
    path = [BENCHMARKS.parent, BENCHMARKS]
    environment = {**os.environ, **ENVIRONMENT, "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, path))
    subprocess.run([python, BENCHMARKS / script, *arguments], env=environment, check=True)


def _about(cache: Path, problem: str) -> Path:
    return cache / "tables" / f"{problem}.random.json"


def _make_tables(args: argparse.Namespace, problems: Sequence[str]) -> None:
    missing = [name for name in problems if not _about(args.cache, name).exists()]
    if missing:
        logger.info("making the tables of %s", ", ".join(missing))
        python = _python(args, "samplers")
        _call(python, "tables.py", ["--cache", str(args.cache), "--problems", *missing])


def _facts(cache: Path, problem: str) -> Facts:
    found = json.loads(_about(cache, problem).read_text())
    medians = {int(budget): value for budget, value in found["medians"].items()}
    return Facts(found["digest"], found["best"], medians)


def _run(
    args: argparse.Namespace, problems: Sequence[str], budgets: Mapping[int, Sequence[int]]
) -> None:
    """Run what is missing, one process for each environment."""
    for environment in ("samplers", "dehb"):
        systems = [_system(name) for name in args.systems if _environment(name) == environment]
        if systems:
            order = {
                "systems": systems,
                "problems": problems,
                "seeds": args.seeds,
                "budgets": budgets,
                "cache": str(args.cache.resolve()),
            }
            _call(_python(args, environment), "systems/run_search.py", [json.dumps(order)])


def _environment(system: str) -> str:
    return RIVALS[system].environment if system in RIVALS else "samplers"


def _system(name: str) -> dict[str, Any]:
    """Return what the process that runs a system is told of it."""
    rival, ours = RIVALS.get(name), OURS.get(name)
    return {
        "name": name,
        "digest": digest(name),
        "by_budget": ours.by_budget if ours else False,
        "seeds": rival.seeds if rival else sys.maxsize,
    }


def _report(
    group: str,
    facts: Mapping[str, Facts],
    results: Results,
    columns: Sequence[Column],
    args: argparse.Namespace,
) -> str:
    """Return a group's tables."""
    found = {
        system: {column: _regrets(system, facts, results, column, args) for column in columns}
        for system in (*OURS, *RIVALS)
    }
    found = {"default": {column: found[default(*column)][column] for column in columns}, **found}
    shown = {system: rows for system, rows in found.items() if any(map(len, rows.values()))}
    date = datetime.date.today().isoformat()
    parts = [
        f"### {group}: {len(facts)} problems, {date}",
        _means(shown, facts, columns),
        _differences(shown, columns),
    ]
    if args.details:
        parts.append(_details(shown, facts, columns))
    return "\n\n".join(parts) + "\n"


def _regrets(
    system: str,
    facts: Mapping[str, Facts],
    results: Results,
    column: Column,
    args: argparse.Namespace,
) -> dict[str, dict[int, float]]:
    """Return a system's normalised regrets, by problem and seed."""
    slots, budget = column
    found: dict[str, dict[int, float]] = {}
    for (key, known), record in results.items():
        if key.problem not in facts or key.seed >= args.seeds:
            continue
        if key.system != system or (key.slots, known) != column:
            continue
        about = facts[key.problem]
        normalised = regret(record.bests[budget], about.best, about.medians[budget])
        found.setdefault(key.problem, {})[key.seed] = normalised
    return found


def _heading(column: Column) -> str:
    slots, budget = column
    return f"{budget}" if slots == 1 else f"{slots} in flight, {budget}"


def _means(
    shown: Mapping[str, Mapping[Column, Regrets]],
    facts: Mapping[str, Facts],
    columns: Sequence[Column],
) -> str:
    """Return the table of mean ± standard error (mean rank); incomplete ones say so."""
    complete = {
        column: {s: rows[column] for s, rows in shown.items() if len(rows[column]) == len(facts)}
        for column in columns
    }
    ranks = {column: mean_ranks(systems) for column, systems in complete.items()}
    lines = [["searcher", *map(_heading, columns), "seeds"]]
    for system, rows in shown.items():
        cells = []
        for column in columns:
            if system in complete[column]:
                mean, error = summary(rows[column])
                rank = ranks[column][system]
                cells.append(f"{mean:.2f} ± {error:.2f} ({rank:.1f})")
            else:
                cells.append(f"{len(rows[column])} problems only" if rows[column] else "–")
        lines.append([label(system), *cells, _seeds(rows)])
    return _markdown(lines)


def _seeds(rows: Mapping[Column, Regrets]) -> str:
    counts = {len(seeds) for regrets in rows.values() for seeds in regrets.values()}
    return str(*counts) if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


def _differences(shown: Mapping[str, Mapping[Column, Regrets]], columns: Sequence[Column]) -> str:
    """Return the table of paired differences to the reference."""
    if REFERENCE not in shown:
        return f"{label(REFERENCE)} was not run."
    lines = [[f"minus {label(REFERENCE)}", *map(_heading, columns)]]
    for system, rows in shown.items():
        if system != REFERENCE:
            cells = [compare(rows[column], shown[REFERENCE][column]) for column in columns]
            lines.append([label(system), *cells])
    return _markdown(lines)


def _details(
    shown: Mapping[str, Mapping[Column, Regrets]],
    facts: Mapping[str, Facts],
    columns: Sequence[Column],
) -> str:
    """Return, for each column, the mean regret of each system on each problem."""
    parts = []
    for column in columns:
        lines = [[_heading(column), *shown]]
        for problem in facts:
            seeds = [rows[column].get(problem, {}).values() for rows in shown.values()]
            means = [f"{sum(v) / len(v):.2f}" if v else "–" for v in seeds]
            lines.append([problem, *means])
        parts.append(_markdown(lines))
    return "\n\n".join(parts)


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(lines[0])
    return "\n".join("| " + " | ".join(line) + " |" for line in (lines[0], rule, *lines[1:]))


if __name__ == "__main__":
    sys.exit(main())
