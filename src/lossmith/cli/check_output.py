"""What `lossmith check` prints: for people, for programs, and for servers that read JUnit's XML."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

BROKEN = ("broken", "crashed")
_KEPT_AWAY = ("skipped", "expected", "inherited from Keras")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ROWS = ("law", "reason", "got", "expected", "place", "mend", "repeat")
_LABELS = {"reason": "tried", "place": "where"}


@dataclass
class Outcome:
    """What checking one loss on one backend gave.

    Attributes:
        loss: `losses.py:name`.
        backend: What Keras ran on.
        facts: What was taken for granted, by label.
        head: The same as text.
        results: One for each check: what `Result.to_dict` gives, and `"text"`.
        refused: Why it could not be checked; empty: it was.
        findings: What lint reads in it; `"confirmed"` names the broken checks that see it too.
    """

    loss: str
    backend: str
    facts: dict[str, str] = field(default_factory=dict[str, str])
    head: str = ""
    results: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    refused: str = ""
    findings: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def broken(self) -> list[str]:
        """The names of the checks that are broken."""
        return [result["check"] for result in self.results if result["status"] in BROKEN]

    @property
    def seconds(self) -> float:
        """How long its checks took."""
        return sum(result["seconds"] for result in self.results)


def command(target: str, options: Sequence[str], check: str) -> str:
    """Return the command that repeats one check of one loss."""
    return shlex.join(["lossmith", "check", target, *options, "--only", check])


def stopped(check: str, reason: str, *, where: str, mend: str, repeat: str) -> dict[str, Any]:
    """Return the result of a check in which the process ended."""
    result = {
        "check": check,
        "status": "broken",
        "law": "A loss returns, or raises an exception.",
        "reason": reason,
        "got": None,
        "expected": None,
        "inputs": {},
        "place": where or None,
        "mend": mend,
        "promise": "",
        "rules": [],
        "repeat": repeat,
        "seconds": 0.0,
    }
    rows = [f"  {_LABELS.get(row, row):<9} {result[row]}" for row in _ROWS if result[row]]
    return {**result, "text": "\n".join([f"BROKEN    {check}", *rows])}


def text(outcomes: Sequence[Outcome]) -> str:
    """Write for people: what is broken in full, the rest in lines, and a count."""
    blocks = [_block(outcome) for outcome in outcomes]
    if len(outcomes) > 1:
        bad = sum(bool(outcome.broken) for outcome in outcomes)
        refused = sum(bool(outcome.refused) for outcome in outcomes)
        parts = [f"{len(outcomes) - bad - refused} kept all", f"{bad} broken"]
        parts += [f"{refused} not checked"] if refused else []
        blocks.append(f"{len(outcomes)} reports: {', '.join(parts)}")
    return "\n\n\n".join(blocks) + "\n"


def as_json(outcomes: Sequence[Outcome]) -> str:
    """Write for programs."""
    entries = [
        {
            "subject": outcome.loss,
            "backend": outcome.backend,
            "ok": not outcome.broken and not outcome.refused,
            "refused": outcome.refused or None,
            "facts": outcome.facts,
            "results": [{k: v for k, v in r.items() if k != "text"} for r in outcome.results],
            "lint": outcome.findings,
        }
        for outcome in outcomes
    ]
    return json.dumps({"losses": entries}, indent=2) + "\n"


def junit(outcomes: Sequence[Outcome]) -> str:
    """Write JUnit's XML: a suite for each loss and backend, a case for each check."""
    suites = [_suite(outcome) for outcome in outcomes]
    root = ET.Element("testsuites", {"name": "lossmith check", **_total(suites)})
    root.extend(suites)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


FORMATS = {"text": text, "json": as_json, "junit": junit}


def _block(outcome: Outcome) -> str:
    if outcome.refused:
        return f"{outcome.loss}  ({outcome.backend})\n\nNOT CHECKED\n{outcome.refused}"
    texts = [result["text"] for result in outcome.results]
    full = [one for one in texts if "\n" in one]
    short = "\n".join(one for one in texts if "\n" not in one)
    read = "\n".join(_finding(finding) for finding in outcome.findings)
    counts = Counter(result["status"] for result in outcome.results)
    total = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    parts = [outcome.head or f"{outcome.loss}\n  backend   {outcome.backend}", *full, short, read]
    return "\n\n".join([*filter(None, parts), f"{total or 'no checks'} in {outcome.seconds:.1f} s"])


def _finding(finding: dict[str, Any]) -> str:
    seen = f", confirmed by {', '.join(finding['confirmed'])}" if finding["confirmed"] else ""
    return (
        f"READ      {finding['code']} {finding['name']}{seen}\n"
        f"  line {finding['line']:<4} {finding['message']}"
    )


def _suite(outcome: Outcome) -> ET.Element:
    name = f"{outcome.loss} [{outcome.backend}]"
    cases = [_case(name, result) for result in outcome.results]
    if outcome.refused:
        case = ET.Element("testcase", name="runs", classname=name, time="0.000")
        fact = outcome.refused.partition("\n")[0]
        ET.SubElement(case, "error", message=_xml(fact)).text = _xml(outcome.refused)
        cases.append(case)
    facts = {"name": _xml(name), **_counts(cases), "time": f"{outcome.seconds:.3f}"}
    suite = ET.Element("testsuite", facts)
    suite.extend(cases)
    return suite


def _case(suite: str, result: dict[str, Any]) -> ET.Element:
    case = ET.Element(
        "testcase",
        name=result["check"],
        classname=_xml(suite),
        time=f"{result['seconds']:.3f}",
    )
    kind = {"broken": "failure", "crashed": "error"}.get(result["status"])
    message = _xml(" ".join(result["reason"].split()))
    if kind:
        told = ET.SubElement(case, kind, message=message, type=result["status"])
        told.text = _xml(result["text"])
    elif result["status"] in _KEPT_AWAY:
        ET.SubElement(case, "skipped", message=f"{result['status']}: {message}")
    return case


def _counts(cases: Sequence[ET.Element]) -> dict[str, str]:
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    found = {name: sum(c.find(tag) is not None for c in cases) for name, tag in kinds.items()}
    return {"tests": str(len(cases)), **{name: str(count) for name, count in found.items()}}


def _total(suites: Sequence[ET.Element]) -> dict[str, str]:
    names = ("tests", "failures", "errors")
    return {name: str(sum(int(suite.get(name, "0")) for suite in suites)) for name in names}


def _xml(said: str) -> str:
    """Leave out the characters that XML has no place for, such as colours of a terminal."""
    return _NO_XML.sub("", said)
