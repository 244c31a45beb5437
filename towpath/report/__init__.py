"""What is known about a fleet, as data, as a table and as a page."""

from .model import Conflict, Outlook, Report, Request, Row, merge

__all__ = ["Conflict", "Outlook", "Report", "Request", "Row", "merge"]
