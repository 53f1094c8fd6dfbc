"""What the release gate found, for people and for a site's own CI: Markdown, JUnit XML, and the status to exit with.

Here belongs the form. No words of cases or answers stand in either: names, numbers, and which checks failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from assets.release.release_gate import BLOCKED, FAILED, NEEDED, NOT_ENOUGH, NOT_MEASURED, PASSED, Finding

EXIT_STATUS = {PASSED: 0, BLOCKED: 1, NOT_ENOUGH: 3, NOT_MEASURED: 3, NEEDED: 4}
"""2 is left to what could not be begun."""
IN_WORDS = {
    PASSED: "may be released", BLOCKED: "must not be released", NOT_ENOUGH: "cannot be told: not enough cases",
    NOT_MEASURED: "cannot be told: something was not measured", NEEDED: "waits for a person's approval",
}  # fmt: skip
_SIGN = {
    PASSED: "passed", FAILED: "**failed**", NOT_ENOUGH: "not enough cases", NOT_MEASURED: "not measured", NEEDED: "needed",
}  # fmt: skip


@dataclass(frozen=True)
class CaseOutcome:
    """One case of the candidate: how many of its answers passed, failed, and could not be told; the checks that failed."""

    case: str
    passed: int
    failed: int
    open: int
    is_critical: bool
    checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All that is told of a decision."""

    gate_id: str
    candidate: str
    live: str | None
    suites: Sequence[str]
    findings: Sequence[Finding]
    cases: Sequence[CaseOutcome]
    warnings: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> Finding:
        """The finding that says what follows."""
        return self.findings[-1]


def markdown(report: Report) -> str:
    """A page: the verdict, the gates, and the cases that did not pass."""
    against = f" against {_cell(report.live)}" if report.live else ", with no version to compare with"
    lines = [
        f"# {_cell(report.candidate)} {IN_WORDS[report.verdict.outcome]}", "",
        f"Gate {report.gate_id}, on {_cell(', '.join(report.suites))}{against}. {_cell(report.verdict.reason)}.", "",
        "| gate | part | outcome | why |", "|---|---|---|---|",
    ]  # fmt: skip
    lines += [f"| {_name(f)} | {_cell(f.segment)} | {_SIGN[f.outcome]} | {_cell(f.reason)} |" for f in report.findings[:-1]]
    if bad := [case for case in report.cases if case.failed or case.open]:
        lines += ["", "| case | passed | failed | open | failed checks |", "|---|--:|--:|--:|---|"]
        lines += [
            f"| {_cell(c.case)}{' (critical)' if c.is_critical else ''} | {c.passed} | {c.failed} | {c.open} "
            f"| {_cell(', '.join(c.checks))} |"
            for c in bad
        ]
    lines += ["", *(f"- {_cell(warning)}" for warning in report.warnings)] if report.warnings else []
    lines += ["", *(f"- {name}: {_cell(value)}" for name, value in report.facts.items())] if report.facts else []
    return "\n".join(lines) + "\n"


def junit(report: Report) -> str:
    """The same as JUnit XML: a suite with a test a gate, and one with a test a case. Only what the gate holds against the
    version is a failure or an error; a case that fails where the gate passes is skipped, with what it failed."""
    root = ET.Element("testsuites", name=_xml(f"release gate of {report.candidate}"))
    gates = ET.SubElement(root, "testsuite", name="gates")
    for finding in report.findings:
        name = f"{finding.metric} of {finding.segment}"
        test = ET.SubElement(gates, "testcase", classname=f"gate.{finding.gate}", name=_xml(name))
        if finding.outcome in (FAILED, BLOCKED):
            ET.SubElement(test, "failure", message=_xml(finding.reason), type=finding.outcome)
        elif finding.outcome != PASSED:
            ET.SubElement(test, "error", message=_xml(finding.reason), type=finding.outcome)
    cases = ET.SubElement(root, "testsuite", name="cases")
    for case in report.cases:
        test = ET.SubElement(cases, "testcase", classname="case", name=_xml(case.case))
        counts = f"{case.passed} passed, {case.failed} failed, {case.open} open"
        told = f"{counts}; failed checks: {', '.join(case.checks) or 'none'}"
        if case.failed and case.is_critical:
            ET.SubElement(test, "failure", message=_xml(told), type="critical")
        elif case.failed or case.open:
            ET.SubElement(test, "skipped", message=_xml(told))
    for suite in (gates, cases):
        for name, tags in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            suite.set(name, str(len(suite.findall(f"testcase/{tags}"))))
        suite.set("tests", str(len(suite.findall("testcase"))))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _name(finding: Finding) -> str:
    return finding.gate if finding.gate == finding.metric else f"{finding.gate}: {finding.metric}"


def _cell(text: str) -> str:
    """A name that somebody chose cannot end a cell or begin markup."""
    return "".join(f"\\{c}" if c in "|<>[]`*_" else " " if c in "\r\n" else c for c in text)


def _xml(text: str) -> str:
    """XML 1.0 has no control characters."""
    return "".join(c if c >= " " else " " for c in text)
