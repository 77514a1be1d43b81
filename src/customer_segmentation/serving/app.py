"""The routes. Each answer is put together from JSON that the run already has."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from customer_segmentation.near_names import did_you_mean
from customer_segmentation.serving.access import record_reads
from customer_segmentation.serving.errors import ProblemError
from customer_segmentation.serving.gate import Gate, Metrics, not_served, problem_response
from customer_segmentation.serving.readers import Reader
from customer_segmentation.serving.runs import Customer, Run, as_json
from customer_segmentation.serving.sources import Source

SECONDS_BETWEEN_LOOKS = 1.0
LOOKS_BETWEEN_RECORDS = 60
MOST_CUSTOMERS = 100
MOST_MEMBERS = 1_000
LONGEST_KEY = 200  # characters of an id or a segment_key


class Answer(BaseModel):
    run: str = Field(description="What was answered from; it changes when a build publishes.")
    as_of: dt.date = Field(description="The date the run is as of.")


class AboutCustomer(Answer):
    customer_id: str


class Profile(AboutCustomer):
    customers: dict[str, Any] = Field(description="The customer's row of the mart `customers`.")
    customer_features: dict[str, Any] | None = Field(
        description="The row of `customer_features`; null for a customer who isn't eligible."
    )
    customer_segments: dict[str, Any] | None = Field(
        description="The row of `customer_segments`; null for a customer who isn't eligible."
    )


class Membership(BaseModel):
    segment_key: str
    scheme: str
    since: dt.date | None = Field(description="First day of the current spell in the segment.")
    reason: str


class Memberships(AboutCustomer):
    may_be_contacted: bool
    segments: list[Membership]


class Check(AboutCustomer):
    may_be_contacted: bool
    segment_key: str
    is_member: bool
    since: dt.date | None
    reason: str | None


class Prediction(BaseModel):
    target: str
    model_id: str | None
    probability: float | None
    decile: int | None
    rank_percent: float | None
    is_likely: bool | None
    reasons: list[str]


class Predictions(AboutCustomer):
    predictions: list[Prediction]


class Wanted(BaseModel):
    customer_ids: list[Annotated[str, Field(min_length=1, max_length=LONGEST_KEY)]] = Field(
        min_length=1, max_length=MOST_CUSTOMERS
    )


class Found(BaseModel):
    customer_id: str
    may_be_contacted: bool
    segments: list[Membership]
    predictions: list[Prediction]


class Lookup(Answer):
    found: list[Found]
    unknown: list[str] = Field(description="Ids that the run doesn't have.")


class LeftOut(BaseModel):
    withdrawn: int = Field(description="Members who withdrew their consent to activation.")
    unstated: int = Field(description="Members who never gave or refused it, where it takes one.")
    held_out: int = Field(description="Members in the global holdout.")


class Segment(BaseModel):
    segment: dict[str, Any] = Field(description="The row of the mart `segments`.")
    customers: int
    may_be_contacted: int


class Segments(Answer):
    segments: list[Segment]


class Members(Answer):
    segment_key: str
    may_be_contacted: int = Field(description="Members on all pages.")
    left_out: LeftOut
    customer_ids: list[str]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


class ProblemDetails(BaseModel):
    type: str
    title: str
    status: int
    where: str
    detail: str
    expected: str
    what_to_do: str


class Health(BaseModel):
    status: str


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {"application/problem+json": {"schema": ProblemDetails.model_json_schema()}}
    return {status: {"description": "A problem.", "content": content} for status in statuses}


_ALWAYS = _problems(401, 413, 422, 429, 503)
_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "As in If-None-Match."}}
CustomerId = Annotated[str, Path(min_length=1, max_length=LONGEST_KEY)]
SegmentKey = Annotated[str, Path(min_length=1, max_length=LONGEST_KEY)]


def make_app(sources: dict[str, Source], readers: Sequence[Reader]) -> FastAPI:
    """The service. Each source has a run already; it is looked at once a second from then on."""
    metrics = Metrics(sources)

    @asynccontextmanager
    async def watching(_: FastAPI) -> AsyncIterator[None]:
        watcher = asyncio.create_task(_watch(sources))
        yield
        watcher.cancel()
        record_reads()

    app = FastAPI(
        title="customer_segmentation",
        version="1",
        description="Profiles, segments and predictions of the last build that passed.",
        lifespan=watching,
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # They would lead to whatever host the request names.
        redirect_slashes=False,
    )
    app.add_middleware(Gate, readers=readers, sources=sources, metrics=metrics)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _failed)

    # The gate checks the key; this only describes it.
    described: dict[str, Any] = {"dependencies": [Depends(HTTPBearer(auto_error=False))]}
    about_one = described | {"responses": _ALWAYS | _problems(404) | _UNCHANGED}

    @app.get("/v1/customers/{customer_id}", response_model=Profile, **about_one)
    async def profile(request: Request, customer_id: CustomerId) -> Response:
        """What is known of a customer."""
        customer = _customer(request, customer_id)
        # An object without its brackets: its keys are those of the answer.
        return _answer(request, customer_id, [customer.profile[1:-1]])

    @app.get("/v1/customers/{customer_id}/segments", response_model=Memberships, **about_one)
    async def segments_of(request: Request, customer_id: CustomerId) -> Response:
        """The segments a customer is in, why, and since when."""
        customer = _customer(request, customer_id)
        run: Run = request.state.run
        parts = [_contact(customer), f'"segments":{run.memberships(customer_id)}']
        return _answer(request, customer_id, parts)

    @app.get(
        "/v1/customers/{customer_id}/segments/{segment_key}", response_model=Check, **about_one
    )
    async def check(request: Request, customer_id: CustomerId, segment_key: SegmentKey) -> Response:
        """Whether a customer is in a segment."""
        customer = _customer(request, customer_id)
        _segment(request, segment_key)
        found = request.state.run.membership(customer_id, segment_key)
        checked = {
            "segment_key": segment_key,
            "is_member": found is not None,
            "since": found["since"] if found else None,
            "reason": found["reason"] if found else None,
        }
        return _answer(request, customer_id, [_contact(customer), as_json(checked)[1:-1]])

    @app.get("/v1/customers/{customer_id}/predictions", response_model=Predictions, **about_one)
    async def predictions(request: Request, customer_id: CustomerId) -> Response:
        """What a customer is predicted to do, and why."""
        _customer(request, customer_id)
        run: Run = request.state.run
        return _answer(request, customer_id, [f'"predictions":{run.predictions(customer_id)}'])

    @app.post(
        "/v1/lookup",
        response_model=Lookup,
        responses=_ALWAYS | _problems(400, 411),
        **described,
    )
    async def lookup(request: Request, wanted: Wanted) -> Response:
        """Segments and predictions of up to 100 customers."""
        run: Run = request.state.run
        found, unknown = [], []
        for customer_id in dict.fromkeys(wanted.customer_ids):
            if customer := run.customer(customer_id):
                found.append(
                    f'{{"customer_id":{as_json(customer_id)},{_contact(customer)},'
                    f'"segments":{run.memberships(customer_id)},'
                    f'"predictions":{run.predictions(customer_id)}}}'
                )
            else:
                unknown.append(customer_id)
        request.state.customers = len(found)
        return _json(run, [f'"found":[{",".join(found)}]', f'"unknown":{as_json(unknown)}'])

    @app.get("/v1/segments", response_model=Segments, **described, responses=_ALWAYS | _UNCHANGED)
    async def segments(request: Request) -> Response:
        """All segments, empty ones too."""
        run: Run = request.state.run
        rows = [
            f'{{"segment":{segment.row},"customers":{segment.customers},'
            f'"may_be_contacted":{segment.exported}}}'
            for segment in run.segments.values()
        ]
        return _answer(request, None, [f'"segments":[{",".join(rows)}]'])

    @app.get(
        "/v1/segments/{segment_key}/members",
        response_model=Members,
        **described,
        responses=_ALWAYS | _problems(404, 409) | _UNCHANGED,
    )
    async def members(
        request: Request,
        segment_key: SegmentKey,
        limit: Annotated[int, Query(ge=1, le=MOST_MEMBERS)] = 100,
        cursor: Annotated[str, Query(max_length=2 * LONGEST_KEY)] = "",
    ) -> Response:
        """The members that an export would have, page by page, by customer_id."""
        run: Run = request.state.run
        segment = _segment(request, segment_key)
        # One more than the page has, to know whether there is another.
        ids = run.members(segment_key, _after(run, cursor), limit + 1)
        page = ids[:limit]
        request.state.customers = len(page)
        left_out = LeftOut(
            withdrawn=segment.withdrawn, unstated=segment.unstated, held_out=segment.held_out
        )
        answer = {
            "segment_key": segment_key,
            "may_be_contacted": segment.exported,
            "left_out": left_out.model_dump(),
            "customer_ids": page,
            "next": f"{run.name}~{page[-1]}" if len(ids) > limit else None,
        }
        return _answer(request, None, [as_json(answer)[1:-1]])

    @app.get("/health", response_model=Health, responses=_problems(413, 503))
    async def health() -> Response:
        """Whether every reader has something to read. Takes no key."""
        if not all(source.run for source in sources.values()):
            raise not_served()
        return Response('{"status":"ok"}', media_type="application/json")

    @app.get("/metrics", response_class=Response, responses=_ALWAYS, **described)
    async def counts() -> Response:
        """Counts for Prometheus."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return app


async def _watch(sources: dict[str, Source]) -> None:
    for look in itertools.count(1):
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        for source in sources.values():
            await asyncio.to_thread(source.refresh)
        if look % LOOKS_BETWEEN_RECORDS == 0:
            record_reads()


def _customer(request: Request, customer_id: str) -> Customer:
    run: Run = request.state.run
    customer = run.customer(customer_id)
    if customer is None:
        raise ProblemError(
            404,
            "Unknown customer",
            "customer_id",
            "There is no customer of this id.",
            "a customer_id of the mart customers",
            "Look the id up in customer_records; ids change when customers are merged or erased.",
        )
    request.state.customers, request.state.customer_id = 1, customer_id
    return customer


def _segment(request: Request, segment_key: str) -> Any:
    run: Run = request.state.run
    if segment_key not in run.segments:
        raise ProblemError(
            404,
            "Unknown segment",
            "segment_key",
            f"There is no segment of this key. {did_you_mean(segment_key, run.segments)}",
            "a segment_key such as rfm:champions",
            "GET /v1/segments lists them.",
        )
    return run.segments[segment_key]


def _after(run: Run, cursor: str) -> str:
    """The id after which a page begins."""
    if not cursor:
        return ""
    name, _, customer_id = cursor.partition("~")
    if name != run.name:
        raise ProblemError(
            409,
            "The run has changed",
            "cursor",
            "It is not of the run that is served now.",
            f"a cursor of run {run.name}",
            "Begin again without a cursor.",
        )
    return customer_id


def _contact(customer: Customer) -> str:
    return f'"may_be_contacted":{as_json(customer.may_be_contacted)}'


def _answer(request: Request, customer_id: str | None, parts: list[str]) -> Response:
    """The answer, or 304 if the caller has it: it changes with the run and the reader's role."""
    run: Run = request.state.run
    tag = f'"{run.name}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    known = request.headers.get("if-none-match", "").split(",")
    if {one.strip().removeprefix("W/") for one in known} & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    if customer_id is not None:
        parts = [f'"customer_id":{as_json(customer_id)}', *parts]
    return _json(run, parts, headers)


def _json(run: Run, parts: list[str], headers: dict[str, str] | None = None) -> Response:
    body = ",".join([f'"run":"{run.name}","as_of":"{run.as_of}"', *parts])
    return Response(f"{{{body}}}", media_type="application/json", headers=headers)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(error)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    is_json = first["type"] != "json_invalid"
    return problem_response(
        ProblemError(
            422,
            "Invalid request" if is_json else "No JSON",
            ".".join(str(part) for part in first["loc"]),
            # What was given is not repeated: it may be a direct identifier.
            f"{first['msg']}.",
            "what /openapi.json says",
            "Correct the request; it will fail again as it is.",
        )
    )


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return problem_response(
        ProblemError(
            error.status_code,
            error.detail,
            "method" if error.status_code == 405 else "path",
            "There is no such route." if error.status_code in (404, 405) else error.detail,
            "a route of /openapi.json",
            "Correct the request; it will fail again as it is.",
            headers,
        )
    )


async def _failed(_: Request, error: Exception) -> Response:
    return problem_response(
        ProblemError(
            500,
            "Failed",
            "service",
            "An error in the service.",
            "an answer",
            "Report it to whoever runs this service, who finds the error in its log.",
        )
    )
