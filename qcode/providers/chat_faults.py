"""What a failed Chat Completions request is: a fault, one line, and what to do.

Imported only when a request has failed: its patterns take time to compile.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from qcode.errors import ProviderError, ProviderFault
from qcode.providers.connection import HttpError, Trouble
from qcode.providers.endpoint import Endpoint
from qcode.providers.refusals import TOOLS_HINT, refuses_schemas, refuses_tools
from qcode.record import Record

_CONTEXT = re.compile(
    r"exceed_context_size|context_length_exceeded|maximum context|context (length|window|size)"
    r"|prompt (is|was) too long|input (is |was )?too long|too many (input |prompt )?tokens"
    r"|input token count|maximum (number of )?(input )?tokens allowed|reduce the length",
    re.IGNORECASE,
)
_UNKNOWN_MODEL = re.compile(
    r"model_not_found|unknown_model|(unknown|invalid|no such) model|not a valid model"
    r"|model\b.{0,100}\b(not found|not_found|does(n't| not) exist|not exist|is not available)"
    r"|no endpoints found for",
    re.IGNORECASE | re.DOTALL,
)
_BAD_OUTPUT = re.compile(
    r"failed to parse (input|tool|generated|output|the model|function)|tool_use_failed"
    r"|failed to call a function|error parsing tool call|xml syntax error"
    r"|could not parse the model",
    re.IGNORECASE,
)
_RATE = re.compile(r"rate.?limit|too many requests|throttl", re.IGNORECASE)
_NO_CREDIT = re.compile(
    r"insufficient_quota|exceeded your current quota|insufficient (balance|credit|funds)"
    r"|billing_hard_limit|credit balance",
    re.IGNORECASE,
)
_OVERLOADED = re.compile(
    r"overload|capacity|unavailable|internal|server_error|timed? ?out|timeout|try again|loading"
    r"|bad gateway|upstream",
    re.IGNORECASE,
)
_KEY = re.compile(r"api.?key|unauthori[sz]ed|authenticat|permission", re.IGNORECASE)
_GENERIC_404 = re.compile(
    r"(file |page |path |url |route |endpoint )?not[ _]found|invalid url", re.IGNORECASE
)
_NAMES_A_STATUS = re.compile(r"[45]\d\d")


class Complaint(Record):
    """What a server says is wrong: its words, and the names it has for it."""

    words: str
    names: str = ""
    """Codes and types, joined."""
    status: int | None = None
    is_json: bool = True

    @property
    def all(self) -> str:
        return f"{self.names} {self.words}"


def read_complaint(body: bytes, content_type: str = "") -> Complaint:
    """Return what an error reply's body says."""
    text = body.decode(errors="replace").strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        is_html = "html" in content_type.lower() or text[:1] == "<"
        return Complaint("" if is_html else text, is_json=False)
    return complaint_of(value)


def complaint_of(value: object) -> Complaint:
    """Return what an error object says, in any of the shapes in use."""
    # Google's endpoint wraps the object in a list.
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return Complaint(str(value))
    inner = value.get("error", value)
    if isinstance(inner, str):
        return Complaint(inner, str(value.get("code") or ""))
    if not isinstance(inner, dict):
        inner = value
    said = inner.get("message") or inner.get("detail") or inner.get("msg") or value.get("message")
    words = said if isinstance(said, str) else json.dumps(said or inner, ensure_ascii=False)
    metadata = inner.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("raw"), str):
        # OpenRouter: what its own provider said.
        words += f": {metadata['raw']}"
    names = [str(inner[k]) for k in ("code", "type", "status") if inner.get(k) is not None]
    statuses = [int(n) for n in names if _NAMES_A_STATUS.fullmatch(n)]
    return Complaint(words, " ".join(names), statuses[0] if statuses else None)


def error_in_reply(
    endpoint: Endpoint,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
) -> ProviderError:
    """Return the error that an HTTP reply with another status than 200 stands for.

    `now` is the time of day (seconds since the epoch), for dates in headers.
    """
    content_type = headers.get("content-type", "")
    complaint = read_complaint(body, content_type)
    if 300 <= status < 400:
        target = endpoint.clean(headers.get("location", "elsewhere"))
        return endpoint.error(
            ProviderFault.NOT_AN_API,
            f"{endpoint.place} redirects to `{target}`",
            hint="set the base URL to where the API is now",
        )
    if status < 300:
        return endpoint.error(
            ProviderFault.NOT_AN_API, f"{endpoint.place} answered {status}", hint=endpoint.url_hint
        )
    fault = _fault(status, complaint)
    return _error(endpoint, fault, complaint, str(status), retry_after(headers, now))


def error_in_stream(endpoint: Endpoint, value: object) -> ProviderError:
    """Return the error that an error object inside a stream stands for."""
    complaint = complaint_of(value)
    fault = _fault(complaint.status or 0, complaint)
    return _error(endpoint, fault, complaint, "with an error inside its answer", None)


def _fault(status: int, complaint: Complaint) -> ProviderFault:
    """Return the fault; `status` is 0 where the server named none."""
    said = complaint.all
    if _BAD_OUTPUT.search(said) and status in (0, 400, 422, 500):
        return ProviderFault.BAD_OUTPUT
    if status == 402 or (status in (0, 403, 429) and _NO_CREDIT.search(said)):
        return ProviderFault.REFUSED
    if status == 413 or (status in (0, 400, 422, 500) and _CONTEXT.search(said)):
        return ProviderFault.CONTEXT_TOO_LONG
    if status in (0, 400, 404, 422, 500, 501) and (refuses_tools(said) or refuses_schemas(said)):
        return ProviderFault.TOOLS_REFUSED
    if status in (401, 403, 407):
        return ProviderFault.UNAUTHORISED
    if status in (408, 409, 425, 429):
        return ProviderFault.RATE_LIMITED
    if status in (0, 400, 404, 422) and _UNKNOWN_MODEL.search(said):
        return ProviderFault.UNKNOWN_MODEL
    if status in (404, 405):
        generic = not complaint.is_json or _GENERIC_404.search(said) or not complaint.words
        return ProviderFault.NOT_AN_API if generic else ProviderFault.REFUSED
    if status >= 500:
        return ProviderFault.OVERLOADED
    if status >= 400:
        return ProviderFault.REFUSED
    if _RATE.search(said):
        return ProviderFault.RATE_LIMITED
    if _KEY.search(said):
        return ProviderFault.UNAUTHORISED
    if _OVERLOADED.search(said):
        return ProviderFault.OVERLOADED
    return ProviderFault.STREAM_BROKEN


def _error(
    endpoint: Endpoint,
    fault: ProviderFault,
    complaint: Complaint,
    answered: str,
    retry_after_s: float | None,
) -> ProviderError:
    hints = {
        ProviderFault.UNAUTHORISED: endpoint.key_hint,
        ProviderFault.NOT_AN_API: endpoint.url_hint,
        ProviderFault.UNKNOWN_MODEL: "choose a model that it serves",
        ProviderFault.TOOLS_REFUSED: TOOLS_HINT,
        ProviderFault.CONTEXT_TOO_LONG: "the conversation is longer than the model's context",
    }
    hint = hints.get(fault, "")
    if fault is ProviderFault.REFUSED and _NO_CREDIT.search(complaint.all):
        hint = "the account has no credit left"
    words = endpoint.clean(complaint.words)
    return endpoint.error(
        fault,
        f"{endpoint.place} answered {answered} for model `{endpoint.model}`"
        + (f": {words}" if words else ""),
        hint=hint,
        retry_after_s=retry_after_s,
    )


def error_below_http(endpoint: Endpoint, error: HttpError, *, heard: bool) -> ProviderError:
    """Return the error for a connection that failed; `heard`: after a reply had begun."""
    place = endpoint.place
    match error.trouble:
        case Trouble.OFFLINE:
            return endpoint.error(ProviderFault.REFUSED, str(error))
        case Trouble.REFUSED:
            message, hint = f"cannot reach {place}: {error}", "is a server running there?"
        case Trouble.UNRESOLVED | Trouble.UNREACHABLE:
            message = f"cannot reach {place}: {error}"
            hint = f"check the base URL `{endpoint.base_url}` and the network"
        case Trouble.TLS:
            message = f"cannot reach {place}: {error}"
            hint = "name the certificates to trust in SSL_CERT_FILE"
            if "wrong version" in str(error) or "record layer" in str(error):
                hint = "does the server speak http:// instead of https://?"
        case Trouble.PROXY:
            message, hint = f"cannot reach {place}: {error}", "check HTTPS_PROXY and NO_PROXY"
        case Trouble.NOT_HTTP:
            message = f"{place} does not speak HTTP: {error}"
            hint = f"check the base URL `{endpoint.base_url}`"
            return endpoint.error(ProviderFault.NOT_AN_API, message, hint=hint)
        case Trouble.BROKEN if heard:
            message = f"{place} broke off its answer: {error}"
            return endpoint.error(ProviderFault.STREAM_BROKEN, message)
        case Trouble.BROKEN:
            message, hint = f"{place} gave no answer: {error}", "is the server still running?"
    return endpoint.error(ProviderFault.UNREACHABLE, message, hint=hint)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return how many seconds the server asks to wait, if it does.

    `retry-after-ms` is OpenAI's; Retry-After is seconds or an HTTP date
    (RFC 9110, section 10.2.3).
    """
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / scale
        except ValueError:
            continue
        if 0 <= seconds < 1e9:
            return seconds
    date = headers.get("retry-after", "")
    if ":" not in date:
        return None
    # Slow to import, and hardly any server sends a date.
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def served_models(listing: Any) -> list[str]:
    """Return the models that the reply of `/models` names."""
    entries = listing.get("data") if isinstance(listing, dict) else listing
    if not isinstance(entries, list):
        return []
    names = [e.get("id") or e.get("name") for e in entries if isinstance(e, dict)]
    return [name for name in names if isinstance(name, str)]
