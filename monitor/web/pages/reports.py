"""The archive of weekly reports, each as it was sent."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import col, select

from monitor.reports.week import Week
from monitor.store.tables import Brand, Report
from monitor.web.errors import NotFound
from monitor.web.frame import frame, page
from monitor.web.security import REPORT_POLICY
from monitor.web.visitor import Rows, Viewer

router = APIRouter(include_in_schema=False)


@router.get("/reports")
def archive(request: Request, visitor: Viewer, rows: Rows) -> Response:
    framed = frame(request, rows, visitor)
    statement = select(Report).order_by(col(Report.week).desc(), col(Report.language)).limit(300)
    if framed.brand is not None:
        statement = statement.where(Report.brand_id == framed.brand.id)
    weeks: dict[str, list[Report]] = {}
    for report in rows.exec(statement):
        weeks.setdefault(report.week, []).append(report)
    return page(request, rows, visitor, "reports.html", framed=framed, weeks=[
        (week, week_of(week), sorted(found, key=lambda one: one.language != visitor.translator.language))
        for week, found in weeks.items()
    ])  # fmt: skip


def week_of(name: str) -> Week | None:
    """The week of a report's name; None for a day's digest."""
    return Week.parse(name) if "W" in name else None


@router.get("/reports/{report_id}")
def one(request: Request, visitor: Viewer, rows: Rows, report_id: int) -> Response:
    report = rows.get(Report, report_id)
    if report is None:
        raise NotFound(f"there is no report {report_id}")
    return page(request, rows, visitor, "report.html", report=report)


@router.get("/reports/{report_id}/page")
def body(visitor: Viewer, rows: Rows, report_id: int) -> Response:
    """The report itself, for the frame: sandboxed, without scripts or network."""
    report = rows.get(Report, report_id)
    if report is None:
        raise NotFound(f"there is no report {report_id}")
    return HTMLResponse(report.html, headers={"content-security-policy": REPORT_POLICY})


@router.get("/reports/{report_id}/markdown")
def markdown(visitor: Viewer, rows: Rows, report_id: int) -> Response:
    report = rows.get(Report, report_id)
    if report is None:
        raise NotFound(f"there is no report {report_id}")
    name = f'attachment; filename="report-{report.week}-{report.language}.md"'
    return Response(report.markdown, media_type="text/markdown; charset=utf-8", headers={"content-disposition": name})


@router.get("/reports/{brand}/{week}")
def of_week(visitor: Viewer, rows: Rows, brand: str, week: str) -> Response:
    """Where the links of messages lead: the report of a week, in the reader's language where there is one."""
    found = rows.exec(
        select(Report.id, Report.language)
        .join(Brand, col(Brand.id) == col(Report.brand_id))
        .where(Brand.slug == brand, Report.week == week)
    ).all()
    if not found:
        raise NotFound(f"there is no report {week!r} of {brand!r}")
    number = min(found, key=lambda one: one[1] != visitor.translator.language)[0]
    return RedirectResponse(f"/reports/{number}", status_code=303)
