"""The archive of weekly reports, each as it was sent."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from sqlmodel import col, select

from monitor.store.tables import Report
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
    return page(request, rows, visitor, "reports.html", framed=framed, reports=rows.exec(statement).all())


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
