"""`python -m benchmarks`: measure, show the table, and write it where asked."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks import llm
from benchmarks.children import ChildFailed
from benchmarks.environments import scratch
from benchmarks.plan import DEFAULT, LONG, QUICK, Plan, Subject
from benchmarks.procedure import Procedure
from benchmarks.report import as_json, machine_text, markdown, terminal_table, write_readme

README = Path(__file__).with_name("README.md")
SUBJECTS = {
    "ours": frozenset({Subject.OURS}),
    "celery": frozenset({Subject.CELERY}),
    "prefect": frozenset({Subject.PREFECT_DELAY, Subject.PREFECT_FLOW}),
}


def main() -> int:
    """Run; return 1 when something could not be measured. A missed goal is shown, and fails nothing."""
    options = _options()
    plan: Plan = options.plan
    if options.only:
        plan = plan.only(SUBJECTS[options.only])
    errors = Console(stderr=True, highlight=False)
    began = time.monotonic()

    def say(text: str) -> None:
        errors.print(f"[dim]{time.monotonic() - began:6.0f} s[/dim]  {text}", soft_wrap=True)

    # by default SIGTERM would end this process alone and leave its servers behind
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=scratch()))
    try:
        findings = Procedure(plan, folder, say).run()
        requests = llm.measure(plan.llm_rounds, plan.llm_requests, folder, say) if plan.llm_rounds else None
    except ChildFailed as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    say("done")
    output = Console(width=max(Console().width, 160), highlight=False)
    output.print(machine_text())
    output.print(terminal_table(findings))
    for note in findings.notes:
        output.print(note)
    if requests is not None:
        output.print(llm.table(requests), markup=False)
    if options.json:
        everything = {**as_json(plan, findings), "llm": requests and requests.to_dict()}
        options.json.write_text(json.dumps(everything, indent=2) + "\n")
    if options.write_readme:
        write_readme(README, markdown(plan, findings))
        if requests is not None:
            llm.write_readme(requests)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="This project beside Celery and Prefect.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="plan", action="store_const", const=QUICK, help="about a minute or two")
    size.add_argument("--long", dest="plan", action="store_const", const=LONG, help="half an hour, all histories")
    parser.add_argument("--only", choices=sorted(SUBJECTS), help="measure one of them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found")
    parser.add_argument("--write-readme", action="store_true", help="replace the figures in benchmarks/README.md")
    parser.set_defaults(plan=DEFAULT)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
