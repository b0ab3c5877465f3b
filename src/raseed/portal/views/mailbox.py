"""The pages of the demo's mailbox. Without a demo they are not there: 404."""

from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from raseed.accounts.access import public
from raseed.portal import mailbox as box

# A mail is a stranger's page: no script, nothing from outside, and no origin of its own.
_MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'self'; sandbox"


@public
@require_safe
def mailbox(request: HttpRequest) -> HttpResponse:
    """All mail, the newest first."""
    return render(request, "portal/mailbox/list.html", {"mails": box.mails(_folder())})


@public
@require_safe
def mail(request: HttpRequest, key: str) -> HttpResponse:
    """One mail."""
    found = box.mail(_folder(), key)
    if found is None:
        raise Http404
    return render(request, "portal/mailbox/mail.html", {"page": found})


@public
@require_safe
def mail_html(_request: HttpRequest, key: str) -> HttpResponse:
    """A mail's HTML, for the sandboxed frame on its page."""
    found = box.html_of(_folder(), key)
    if found is None:
        raise Http404
    headers = {"Content-Security-Policy": _MAIL_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return HttpResponse(found, headers=headers)


@public
@require_safe
def mail_attachment(_request: HttpRequest, key: str, index: str) -> HttpResponse:
    """A file of a mail, to be saved."""
    found = box.attachment(_folder(), key, index)
    if found is None:
        raise Http404
    return HttpResponse(
        found.content,
        content_type=found.content_type,
        headers={"Content-Disposition": f'attachment; filename="{found.name}"'},
    )


def _folder() -> Path:
    folder: Path | None = settings.MAILBOX_DIR
    if folder is None:
        raise Http404
    return folder
