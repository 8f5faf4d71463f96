"""The runner's HTTP API, ``/v1``: thin routes over the store, the blobs and the queue."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from kernfix import __version__
from kernfix.runner import evidence, sandbox
from kernfix.runner.blobs import Blobs, WrongHash
from kernfix.runner.queue import Queue
from kernfix.runner.state import State
from kernfix.runner.store import Store
from kernfix.runner.tokens import Tokens
from kernfix.verify.wire import Artifacts, Job, JobRequest, JobState, LocalTree

Count = Annotated[int, Query(ge=0, lt=1 << 63)]
EventNumber = Annotated[int, Header(ge=0, lt=1 << 63)]
"""Both as far as SQLite counts."""

NEEDED = {
    **{name: name for name in ("make", "gcc", "flex", "bison", "bc")},
    "setpriv": "util-linux",
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
}
"""Programs that any job needs, with the Debian package that has each."""

OPEN = frozenset({"/healthz", "/openapi.json", "/docs", "/redoc"})
"""Paths that answer without a token."""

KEEP_ALIVE_SECONDS = 10
"""A linker or a guest may be silent for minutes: a comment line shows that the connection lives."""


@dataclass(frozen=True, slots=True)
class Service:
    """What the routes work on. `local_trees` allows bases that are folders of this machine: for the embedded runner alone."""

    state: State
    store: Store
    blobs: Blobs
    tokens: Tokens
    queue: Queue
    local_trees: bool = False


def create_app(service: Service, lifespan: Callable[[FastAPI], Any] | None = None) -> FastAPI:
    """The ASGI application."""
    # The interactive pages would load scripts from elsewhere; /openapi.json has what they show.
    app = FastAPI(title="kernfix runner", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(_Guard, tokens=service.tokens)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    secured = [Depends(HTTPBearer(auto_error=False))]  # for the OpenAPI document; it is the guard that asks
    _submit_routes(app, service, secured)
    _job_routes(app, service, secured)
    _blob_routes(app, service, secured)

    @app.get("/v1/workers", dependencies=secured)
    async def workers() -> list[dict[str, Any]]:
        """What this runner can do: one worker, itself."""
        return [{"id": "local", "arch": ["x86_64"], "missing": missing_programs(), "sandboxed": sandbox.sandboxed()}]

    return app


class _Guard:
    """Asks for the token before anything else is read: a stranger's body, however long, is never taken in.

    All is closed but what is named as open, so that a new route cannot be forgotten.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app, self._tokens = app, tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN or self._is_known(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        detail, headers = {"detail": "a valid bearer token is needed"}, {"WWW-Authenticate": "Bearer"}
        await JSONResponse(detail, 401, headers)(scope, receive, send)

    def _is_known(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._tokens.accepts(token)


async def _invalid(request: Request, error: Exception) -> Response:
    """What is wrong with each field, without its value: that may be a whole patch, or what JSON cannot carry (NaN, lone surrogates)."""
    assert isinstance(error, RequestValidationError)
    problems = [{key: problem[key] for key in ("loc", "msg", "type")} for problem in error.errors()]
    return Response(json.dumps({"detail": problems}), 422, media_type="application/json")


def missing_programs() -> list[str]:
    """Programs that jobs need and that this machine lacks."""
    return [name for name in NEEDED if shutil.which(name) is None]


def _known(store: Store, id: str) -> Job:
    job = store.job(id)
    if job is None:
        raise HTTPException(404, f"there is no job {id}")
    return job


def _submit_routes(app: FastAPI, service: Service, secured: list[Any]) -> None:
    store = service.store

    @app.post("/v1/jobs", status_code=202, dependencies=secured)
    async def submit(request: JobRequest, idempotency_key: Annotated[str | None, Header()] = None) -> Job:
        _check_request(request, service)
        job, is_new = store.add(request, idempotency_key or None)
        if is_new:
            await service.queue.submit(job.id)
        elif store.request(job.id) != request:
            raise HTTPException(422, "this Idempotency-Key belongs to another request")
        return job

    @app.post("/v1/jobs/{id}/cancel", dependencies=secured)
    async def cancel(id: str) -> Job:
        _known(store, id)
        if store.move(id, JobState.CANCELLED):
            await service.queue.cancel(id)
        return _known(store, id)


def _job_routes(app: FastAPI, service: Service, secured: list[Any]) -> None:
    store = service.store

    @app.get("/v1/jobs", dependencies=secured)
    async def jobs(
        state: JobState | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Count = 0,
    ) -> list[Job]:
        return store.jobs(state, limit, offset)

    @app.get("/v1/jobs/{id}", dependencies=secured)
    async def job(id: str) -> Job:
        return _known(store, id)

    @app.get("/v1/jobs/{id}/events", dependencies=secured)
    async def events(id: str, last_event_id: EventNumber = 0) -> StreamingResponse:
        _known(store, id)
        return StreamingResponse(_server_sent_events(store, id, last_event_id), media_type="text/event-stream")

    @app.get("/v1/jobs/{id}/artifacts", dependencies=secured)
    def artifacts(id: str) -> Artifacts:  # hashes files: in a thread, not on the loop
        _known(store, id)
        return Artifacts(artifacts=tuple(evidence.artifacts(service.state.artifacts(id))))

    @app.get("/v1/jobs/{id}/artifacts/{name}", dependencies=secured)
    async def artifact(id: str, name: str) -> FileResponse:
        _known(store, id)
        path = next((path for path in service.state.artifacts(id).iterdir() if path.name == name), None)
        if path is None or not path.is_file():
            raise HTTPException(404, f"job {id} has no artifact {name}")
        return FileResponse(path, media_type="application/octet-stream")


def _blob_routes(app: FastAPI, service: Service, secured: list[Any]) -> None:
    digest_pattern = r"{digest:str}"

    def checked(digest: str) -> str:
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise HTTPException(422, "a blob's name is its SHA-256 in lower-case hexadecimal digits")
        return digest

    @app.put(f"/v1/blobs/{digest_pattern}", status_code=201, dependencies=secured)
    async def put(digest: str, request: Request) -> Response:
        try:
            await service.blobs.receive(checked(digest), request.stream())
        except WrongHash as wrong:
            raise HTTPException(422, str(wrong)) from None
        return Response(status_code=201)

    @app.head(f"/v1/blobs/{digest_pattern}", dependencies=secured)
    async def head(digest: str) -> Response:
        return Response(status_code=200 if service.blobs.has(checked(digest)) else 404)


def _check_request(request: JobRequest, service: Service) -> None:
    """Refuse at once what could never run: 409 for this machine's lacks, 422 for the request's own."""
    if missing := missing_programs():
        packages = " ".join(NEEDED[name] for name in missing)
        raise HTTPException(
            409, f"no worker can run this: {', '.join(missing)} missing; install the packages {packages}"
        )
    if isinstance(request.base, LocalTree) and not service.local_trees:
        raise HTTPException(422, "base: this runner takes uploaded trees only (kind snapshot)")
    wanted = {"config": request.config, "reproducer": request.reproducer.blob}
    if not isinstance(request.base, LocalTree):
        wanted["base"] = request.base.blob
    for field, digest in wanted.items():
        if not service.blobs.has(digest):
            raise HTTPException(422, f"{field}: there is no blob {digest}; upload it first")


async def _server_sent_events(store: Store, id: str, after: int) -> AsyncIterator[str]:
    """The events in the format of the WHATWG HTML standard, section 9.2 (server-sent events)."""
    async for event in store.follow(id, after, tick=KEEP_ALIVE_SECONDS):
        yield (
            ": still here\n\n"
            if event is None
            else f"id: {event.id}\nevent: {event.kind}\ndata: {event.model_dump_json()}\n\n"
        )
