"""Scores over HTTP: the batch's digits, faults by name, models swapped whole."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_task import MART, NEW, SMALL, change, train_small
from worlds import copy_warehouse, fetch

from common.errors import UserError
from common.warehouse import open_warehouse
from ml import score, serve

LACKING = "the extra `test` is not installed"
httpx = pytest.importorskip("httpx", reason=LACKING)
pytest.importorskip("uvicorn", reason=LACKING)
TestClient = pytest.importorskip("fastapi.testclient", reason=LACKING).TestClient
application = pytest.importorskip("ml.serving.app", reason=LACKING)
LiveModels = pytest.importorskip("ml.serving.live_models", reason=LACKING).LiveModels

URL = "/score/small"
NEVER = 3600.0


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse that was trained on, and 300 rows that `ml.score` has scored, some of an unknown device."""
    path = train_small(tmp_path_factory.mktemp("served"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(path))
        patch.setattr(score, "TASKS", (SMALL,))
        change(f"update {MART} set device = 'watch' where event_id >= {NEW} and event_id % 7 = 0")
        score.main(["--task", "small"])
    return path


@pytest.fixture
def served(copied: Path, monkeypatch) -> Iterator[SimpleNamespace]:
    """`client`, `live`, and `path` of the warehouse, which is put back at the end."""
    before = copied.read_bytes()
    monkeypatch.setenv("WAREHOUSE_PATH", str(copied))
    live = LiveModels((SMALL,))
    live.refresh()
    with TestClient(application.make_app(live, NEVER)) as client:
        yield SimpleNamespace(client=client, live=live, path=copied)
    copied.write_bytes(before)


def rows_of(path: Path) -> tuple[list[str], list[dict], list[float]]:
    """Ids, features as JSON has them, and the batch's scores of the new rows."""
    names = ", ".join(f"features.{name}" for name in SMALL.features)
    found = fetch(
        path,
        f"select entity_id, probability, {names} from ml.scores inner join {MART} as features "
        "on entity_id = cast(event_id as varchar) where scores.split = 'scored' order by event_id",
    )
    rows = [dict(zip(SMALL.features, values, strict=True)) for _, _, *values in found]
    return [one[0] for one in found], rows, [one[1] for one in found]


def test_all_rows_of_the_mart_get_the_digits_of_the_batch(served) -> None:
    ids, rows, expected = rows_of(served.path)
    assert len(rows) == 300
    at_once = served.client.post(URL, json={"features": rows}).json()["probabilities"]
    assert at_once == expected
    one_by_one = [served.client.post(URL, json={"features": row}).json()["probability"] for row in rows]
    assert one_by_one == expected
    by_entity = [served.client.post(URL, json={"entity_id": one}).json() for one in ids[:5]]
    assert [answer["probability"] for answer in by_entity] == expected[:5]


def test_an_answer_says_which_model_gave_it(served) -> None:
    _, [row, *_], _ = rows_of(served.path)
    [(run_id, version)] = fetch(served.path, "select run_id, model_version from ml.model_runs")
    answer = served.client.post(URL, json={"features": row, "source": "viewing"}).json()
    assert {name: answer[name] for name in answer if name != "probability"} == {
        "task": "small",
        "source": "viewing",
        "run_id": run_id,
        "model_version": version,
    }
    [model] = served.client.get("/models").json()
    assert (model["run_id"], model["features"]["numeric"]) == (run_id, list(SMALL.numeric))
    assert model["trained_at"].endswith("Z")
    health = served.client.get("/healthz")
    assert (health.status_code, health.json()["status"], health.json()["models"]) == (200, "ok", 1)


def test_the_examples_of_the_description_are_answered(served) -> None:
    described = served.client.get("/openapi.json").json()
    body = described["paths"][URL]["post"]["requestBody"]["content"]["application/json"]
    given = [example["value"] for example in body["examples"].values()]
    assert [served.client.post(URL, json=one).status_code for one in given] == [200, 200, 200]
    row = body["schema"]["oneOf"][0]["properties"]["features"]["anyOf"][0]
    assert set(row["required"]) == set(SMALL.features)


FAULTS = {
    "missing": (lambda row: row.pop("completion"), "completion", "missing"),
    "unknown": (lambda row: row.update(compleshun=1), "compleshun", "extra_forbidden"),
    "text for a number": (lambda row: row.update(completion="0.5"), "completion", "float_type"),
    "number for a text": (lambda row: row.update(device=1), "device", "string_type"),
    "a list": (lambda row: row.update(completion=[1]), "completion", "float_type"),
    "not a number": (lambda row: row.update(completion=float("nan")), "completion", "finite_number"),
    "infinite": (lambda row: row.update(completion=float("-inf")), "completion", "finite_number"),
    "beyond single precision": (lambda row: row.update(completion=1e300), "completion", "less_than_equal"),
    "a long text": (lambda row: row.update(device="x" * 501), "device", "string_too_long"),
    "hundreds of digits": (lambda row: row.update(completion=10**400), "completion", None),
}


@pytest.mark.parametrize(("spoil", "field", "kind"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_told_by_the_fields_name(served, spoil, field: str, kind: str | None) -> None:
    _, rows, _ = rows_of(served.path)
    spoil(rows[1])
    for features, place in ((rows[1], []), (rows[:3], [1])):
        answer = served.client.post(URL, content=json.dumps({"features": features}))
        assert answer.status_code == 422
        [fault] = answer.json()["detail"]
        assert fault["loc"] == ["body", "features", *place, field]
        assert kind in (fault["type"], None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b'"\xff"', "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "either features or entity_id"),
        (b'{"features": {}, "entity_id": "1"}', "either features or entity_id"),
        (b'{"features": []}', "1 to 1000 rows"),
        (b'{"features": [' + b"1," * 1000 + b"1]}", "1 to 1000 rows, not 1001"),
        (b'{"features": 1}', "valid dictionary"),
        (b'{"entity_id": 1}', "a text"),
        (b'{"entity_id": "1", "sauce": 1}', "no such field"),
        (b'{"features": {}, "source": null}', "a text"),
    ],
)
def test_a_body_that_is_no_request_is_told(served, body: bytes, message: str) -> None:
    answer = served.client.post(URL, content=body)
    assert answer.status_code == 422
    assert message in answer.text


def test_a_body_beyond_a_megabyte_is_refused_told_or_in_chunks(served) -> None:
    chunk = b" " * 65_536
    for body in (chunk * 17, (chunk for _ in range(17))):
        assert served.client.post(URL, content=body).status_code == 413
    assert served.client.post(URL, content=chunk * 16).status_code == 422


def test_what_is_not_there_is_404(served) -> None:
    assert served.client.post("/score/horoscope", json={}).status_code == 404
    answer = served.client.post(URL, json={"entity_id": "no such"})
    assert (answer.status_code, "no such" in answer.text) == (404, True)
    answer = served.client.post(URL, json={"entity_id": "1", "source": "elsewhere"})
    assert answer.status_code == 404


def test_while_another_program_writes_entities_wait_and_features_do_not(served) -> None:
    _, [row, *_], [expected, *_] = rows_of(served.path)
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, served.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "open\n"
        answer = served.client.post(URL, json={"entity_id": "1"})
        assert (answer.status_code, "is in use by" in answer.text) == (503, True)
        assert served.client.post(URL, json={"features": row}).json()["probability"] == expected
        with pytest.raises(UserError, match="in use by"):
            served.live.refresh()
        other.communicate("end\n")
    assert served.client.post(URL, json={"entity_id": "1"}).status_code == 200


def test_of_several_sources_each_has_its_model(served) -> None:
    change(
        f"create or replace table {MART} as select *, 'viewing' as source from {MART} "
        f"union all select *, 'own' from {MART} where event_id = 1",
        "insert into ml.model_runs select * replace ('own' as source, 'of own' as run_id) from ml.model_runs",
    )
    live = LiveModels((replace(SMALL, source=None),))
    live.refresh()
    client = TestClient(application.make_app(live, NEVER))
    _, [row, *_], _ = rows_of(served.path)
    for request in ({"features": row}, {"entity_id": "1"}):
        [fault] = client.post(URL, json=request).json()["detail"]
        assert (fault["loc"], "own, viewing" in fault["msg"]) == (["body", "source"], True)
        answer = client.post(URL, json={**request, "source": "own"}).json()
        assert (answer["run_id"], answer["source"]) == ("of own", "own")
    assert client.post(URL, json={"entity_id": "2"}).json()["source"] == "viewing"
    assert client.post(URL, json={"features": row, "source": "no"}).json()["detail"][0]["loc"][1] == "source"


def land(path: Path, run_id: str, model_file: str | None = None) -> None:
    """A newer run in `ml.model_runs`, of the same model or of another file."""
    with open_warehouse() as connection:
        connection.execute(
            "insert into ml.model_runs select * replace (? as run_id, coalesce(?, model_file) as model_file, "
            "trained_at + interval 1 hour as trained_at) from ml.model_runs order by trained_at desc limit 1",
            [run_id, model_file],
        )


def test_a_newer_run_takes_over_and_a_broken_one_does_not(served) -> None:
    def answered() -> str:
        return served.client.post(URL, json={"entity_id": "1"}).json()["run_id"]

    [(first,)] = fetch(served.path, "select run_id from ml.model_runs")
    land(served.path, "second")
    assert answered() == first
    before = served.live.state
    served.live.refresh()
    assert answered() == "second"
    assert [model.run.run_id for model in before.models.values()] == [first]
    land(served.path, "broken", "small.models/none.skops")
    served.live.refresh()
    assert answered() == "second"
    health = served.client.get("/healthz")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert "broken: no model file at" in health.json()["problems"][0]
    land(served.path, "mended", fetch(served.path, "select max(model_file) from ml.model_runs")[0][0])
    served.live.refresh()
    assert (answered(), served.client.get("/healthz").json()["status"]) == ("mended", "ok")


def test_newer_runs_are_looked_for_while_it_runs(served) -> None:
    with TestClient(application.make_app(served.live, 0.05)) as client:
        land(served.path, "polled")
        deadline = time.monotonic() + 20
        while client.get("/models").json()[0]["run_id"] != "polled" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert client.get("/models").json()[0]["run_id"] == "polled"


def test_the_command_serves_until_it_is_stopped(copied: Path, monkeypatch) -> None:
    monkeypatch.setenv("WAREHOUSE_PATH", str(copied))
    monkeypatch.setattr(serve, "TASKS", (SMALL,))
    code = "import small_task; from ml import serve; serve.TASKS = (small_task.SMALL,); serve.main()"
    command = [sys.executable, "-c", code, "--port", "0"]
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": paths}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            url = server.stdout.readline().split()[3].removesuffix("/docs")
            assert httpx.get(f"{url}/healthz").json()["status"] == "ok"
            assert httpx.post(f"{url}{URL}", content=iter([b" " * 65_536] * 17)).status_code == 413
            taken = url.rpartition(":")[2]
            message = rf"can't listen on 127.0.0.1:{taken} \(Address already in use"
            with pytest.raises(UserError, match=message):
                serve.main(["--port", taken])
        finally:
            server.terminate()


def test_what_keeps_it_from_serving_is_one_line(copied: Path, warehouse: Path, monkeypatch) -> None:
    monkeypatch.setattr(serve, "TASKS", (SMALL,))
    with pytest.raises(UserError, match="no warehouse at"):
        serve.main([])
    copy_warehouse(copied, warehouse)
    with pytest.raises(UserError, match="no model file at"):
        serve.main([])
    with open_warehouse() as connection:
        connection.execute("delete from ml.model_runs")
    with pytest.raises(UserError, match=r"there is no model yet: run `python -m ml.train`"):
        serve.main([])
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"fastapi and uvicorn must be installed to serve: `pip install"):
        serve.main([])
