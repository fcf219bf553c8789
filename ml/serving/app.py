"""The routes: scores, models, health."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool

from common.errors import UserError
from ml.blocks import Block
from ml.entities import find_entity
from ml.registry import LoadedModel
from ml.serving.live_models import LiveModels
from ml.serving.rows import LONGEST_TEXT, MOST_ROWS, example, row_model, rows_to_block
from ml.tasks import Task

MOST_BYTES = 1024 * 1024
# Told of one request: the rest is more of the same.
MOST_FAULTS = 50
KEYS = ("features", "entity_id", "source")


class InvalidRequestError(Exception):
    """A request that holds what it should not: answered by 422 and the place and message of each fault."""

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        super().__init__(faults)
        self.faults = faults


def make_app(live: LiveModels, poll_seconds: float) -> FastAPI:
    """The application over models that were loaded; while it runs, it looks for newer ones."""

    @asynccontextmanager
    async def poll(app: FastAPI) -> AsyncIterator[None]:
        live.start_polling(poll_seconds)
        yield
        live.stop_polling()

    app = FastAPI(title="Scores of the engagement warehouse", version="1", lifespan=poll)

    @app.exception_handler(InvalidRequestError)
    async def tell(request: Request, invalid: InvalidRequestError) -> JSONResponse:
        return JSONResponse({"detail": invalid.faults}, status_code=422)

    @app.get("/models")
    async def models() -> list[dict[str, Any]]:
        """The models that score now."""
        return [_described(model) for model in live.state.models.values()]

    @app.get("/healthz")
    async def health() -> JSONResponse:
        """`ok`; `degraded` where a newer model could not be taken; 503 without any model."""
        return _health(live)

    for task in live.tasks:
        app.post(f"/score/{task.name}", openapi_extra=_openapi(task), responses=_responses())(
            _score_route(live, task)
        )

    @app.post("/score/{task}", include_in_schema=False)
    async def no_task(task: str) -> None:
        raise HTTPException(404, f"no such task, there are {', '.join(one.name for one in live.tasks)}")

    return app


def _score_route(live: LiveModels, task: Task) -> Callable[[Request], Any]:
    row = row_model(task)
    one, many = TypeAdapter(row), TypeAdapter(list[row])

    async def score(request: Request) -> dict[str, Any]:
        """Score rows of features, or the row of the mart that has this key."""
        body = _object(await _bounded_body(request))
        source = _text(body, "source")
        if "entity_id" in body:
            return await _score_entity(live, task, _text(body, "entity_id"), source)
        given = body["features"]
        is_list = isinstance(given, list)
        if is_list and not 1 <= len(given) <= MOST_ROWS:
            raise InvalidRequestError([_fault("features", f"1 to {MOST_ROWS} rows, not {len(given)}")])
        block = rows_to_block(task, _rows(many if is_list else one, given))
        model = _model_of(live, task, source)
        probabilities = model.scorer.predict(block).tolist()
        return _answer(
            model, {"probabilities": probabilities} if is_list else {"probability": probabilities[0]}
        )

    score.__name__ = f"score_{task.name}"
    return score


async def _score_entity(live: LiveModels, task: Task, entity_id: str, source: str | None) -> dict[str, Any]:
    try:
        # Opening the warehouse takes a while, in which others are answered.
        found = await run_in_threadpool(find_entity, task, entity_id)
    except UserError as error:
        raise HTTPException(503, str(error)) from error
    rows: list[tuple[str, Block]] = [row for row in found if source in (None, row[0])]
    if not rows:
        raise HTTPException(404, f"{task.feature_model} has no row whose {task.key} is {entity_id}")
    if len(rows) > 1:
        sources = ", ".join(name for name, _ in rows)
        raise InvalidRequestError([_fault("source", f"one of {sources}: all have this entity")])
    [(source, block)] = rows
    model = _model_of(live, task, source)
    return _answer(model, {"entity_id": entity_id, "probability": float(model.scorer.predict(block)[0])})


async def _bounded_body(request: Request) -> bytes:
    """The body, refused as soon as it is known to be too long."""
    too_long = HTTPException(413, f"the body is longer than {MOST_BYTES:,} bytes: send fewer rows")
    told = request.headers.get("content-length", "0")
    if not told.isdecimal() or int(told) > MOST_BYTES:
        raise too_long
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise too_long
    return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    """The JSON object of a request, with `features` or `entity_id`.

    NaN and infinity are let through, for the check of the fields to name where they are.
    """
    try:
        read = from_json(body)
    except ValueError as error:
        raise InvalidRequestError(
            [{"loc": ["body"], "msg": f"no JSON: {error}", "type": "json_invalid"}]
        ) from error
    if not isinstance(read, dict):
        raise _not_valid("no JSON object", "dict_type")
    unknown = [str(key)[:LONGEST_TEXT] for key in read if key not in KEYS]
    if unknown:
        raise InvalidRequestError([_fault(name, "no such field", "extra_forbidden") for name in unknown])
    if ("features" in read) == ("entity_id" in read):
        raise InvalidRequestError(
            [{"loc": ["body"], "msg": "either features or entity_id", "type": "missing"}]
        )
    return read


def _text(body: dict[str, Any], name: str) -> str | None:
    if name not in body:
        return None
    value = body[name]
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise InvalidRequestError([_fault(name, f"a text of at most {LONGEST_TEXT} letters", "string_type")])
    return value


def _rows(adapter: TypeAdapter, given: Any) -> list[dict[str, Any]]:
    try:
        checked: BaseModel | list[BaseModel] = adapter.validate_python(given)
    except ValidationError as error:
        # Without the values: what is no number is no JSON either.
        faults = error.errors(include_url=False, include_context=False, include_input=False)[:MOST_FAULTS]
        placed = [{**fault, "loc": ["body", "features", *fault["loc"]]} for fault in faults]
        raise InvalidRequestError(placed) from error
    rows = checked if isinstance(checked, list) else [checked]
    return [row.model_dump(by_alias=True) for row in rows]


def _model_of(live: LiveModels, task: Task, source: str | None) -> LoadedModel:
    models = {of_source: model for (name, of_source), model in live.state.models.items() if name == task.name}
    if not models:
        raise HTTPException(
            503, f"there is no model of {task.name}: run `python -m ml.train --task {task.name}`"
        )
    if source is None and len(models) > 1:
        raise InvalidRequestError([_fault("source", f"missing, one of {', '.join(models)}", "missing")])
    if source is None:
        return next(iter(models.values()))
    if source not in models:
        raise InvalidRequestError([_fault("source", f"there is no model of it, but of {', '.join(models)}")])
    return models[source]


def _answer(model: LoadedModel, result: dict[str, Any]) -> dict[str, Any]:
    run = model.run
    told = {"task": run.task, "source": run.source, "run_id": run.run_id, "model_version": run.model_version}
    return told | result


def _described(model: LoadedModel) -> dict[str, Any]:
    return _answer(model, {}) | {
        "trained_at": f"{model.run.trained_at.isoformat()}Z",
        "features": {"numeric": list(model.task.numeric), "categorical": list(model.task.categorical)},
    }


def _health(live: LiveModels) -> JSONResponse:
    state = live.state
    status = "ok" if state.models and not state.problems else "degraded" if state.models else "no models"
    told = {
        "status": status,
        "models": len(state.models),
        "problems": list(state.problems),
        "checked_at": state.checked_at and state.checked_at.isoformat(),
        "waiting": state.waiting,
    }
    return JSONResponse(told, status_code=200 if state.models else 503)


def _not_valid(message: str, kind: str) -> InvalidRequestError:
    return InvalidRequestError([{"loc": ["body"], "msg": message, "type": kind}])


def _fault(name: str, message: str, kind: str = "value_error") -> dict[str, Any]:
    return {"loc": ["body", name], "msg": message, "type": kind}


def _openapi(task: Task) -> dict[str, Any]:
    """The body's schema, which the route reads by itself, with examples."""
    row = row_model(task).model_json_schema()
    source = {"type": "string", "description": "Needed where several sources have a model."}
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": MOST_ROWS}
    of_rows = {
        "type": "object",
        "required": ["features"],
        "properties": {
            "features": {"anyOf": [row, rows]},
            "source": source,
        },
    }
    of_entity = {
        "type": "object",
        "required": ["entity_id"],
        "properties": {"entity_id": {"type": "string"}, "source": source},
    }
    examples = {
        "one row": {"value": {"features": example(task)}},
        "rows": {"value": {"features": [example(task)] * 2}},
        f"a row of {task.feature_model}": {"value": {"entity_id": "1"}},
    }
    content = {"application/json": {"schema": {"oneOf": [of_rows, of_entity]}, "examples": examples}}
    return {"requestBody": {"required": True, "content": content}}


def _responses() -> dict[int | str, dict[str, Any]]:
    return {
        404: {"description": "no such entity"},
        413: {"description": f"a body beyond {MOST_BYTES:,} bytes"},
        422: {"description": "fields that are missing, unknown, of another type or not finite, by name"},
        503: {"description": "no model, or another program writes the warehouse"},
    }
