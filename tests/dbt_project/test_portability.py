"""Every model is in the SQL that DuckDB and Spark run alike; what differs sits in a dispatched macro."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.tokens import Token, TokenType

from tests.pipeline import PROJECT, run_dbt

# Functions that take the same arguments and give the same answers on both engines. One that is missing is
# either measured on both and added, or put behind a macro with a default__ and a spark__ body.
COMMON_FUNCTIONS = set(
    re.findall(
        r"\w+",
        """
        abs any_value approx_count_distinct avg bit_count bit_or bool_and bool_or cast ceil coalesce
        concat_ws corr count count_if covar_pop cume_dist date_add date_trunc day dense_rank exp
        first_value floor greatest grouping hour if ilike lag last_day last_value lead least length
        ln lower make_date max max_by md5 median min min_by mode month nth_value ntile nullif
        nvl percent_rank percentile_cont pow power range rank regexp_extract regr_r2 regr_slope
        replace round row_number sign skewness split_part sqrt stddev_samp substr sum trim
        try_cast upper var_samp width_bucket year
        """,
    )
)
# Words that stand before a bracket without being functions.
KEYWORDS = set(
    re.findall(
        r"\w+",
        """
        all and anti any as asc between by case cube desc distinct else except exists filter
        from group having in intersect is join like not on or over qualify recursive rollup
        select semi sets then union using values when where with within
        """,
    )
)
DISPATCHED = "dispatched_"
MACRO = re.compile(r"\{%-?\s*macro\s+(\w+)\((.*?)\)\s*-?%\}.*?\{%-?\s*endmacro\s*-?%\}", re.DOTALL)

# A construct in a syntax tree, and what to say of it.
CONSTRUCTS: list[tuple[type[exp.Expression], str]] = [
    (exp.IntDiv, "// (write floor(a / b))"),
    (exp.Lambda, "a lambda"),
    (exp.Struct, "a struct"),
    (exp.Map, "a map"),
    (exp.ToMap, "a map"),
    (exp.Array, "an array literal"),
    (exp.Bracket, "an index into a list"),
    (exp.JSONExtract, "JSON access"),
    (exp.JSONExtractScalar, "JSON access"),
    (exp.IgnoreNulls, "ignore nulls"),
    (exp.Unnest, "unnest"),
    (exp.Extract, "extract"),
    (exp.Dot, "a field of a struct"),
]


def faults(sql: str) -> set[str]:
    """What in a model's SQL would fail, or answer otherwise, on Spark."""
    tokens = sqlglot.tokenize(sql, read="duckdb")
    found = set(_faults_of_tokens(tokens))
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except sqlglot.ParseError as error:
        return {*found, f"not understood: {error}"}
    return found | set(_faults_of_tree(tree)) | set(_faults_of_arguments(tree))


def _faults_of_tokens(tokens: list[Token]) -> Iterator[str]:
    """What the tree no longer shows: names as they were written."""
    # An alias may name its columns in brackets: `as pairs (a, b)`.
    before = ["", *(token.text.lower() for token in tokens)]
    for (token, following), earlier in zip(pairwise(tokens), before, strict=False):
        word, next_word = token.text.lower(), following.text.lower()
        is_name = re.fullmatch(r"[a-z_]\w*", word) and earlier != "as"
        is_call = is_name and following.token_type == TokenType.L_PAREN
        if is_call and word not in COMMON_FUNCTIONS | KEYWORDS and not word.startswith(DISPATCHED):
            yield f"{word}()"
        if word == "*" and next_word == "exclude":
            yield "* exclude (write except)"
        if word == "," and next_word == "from":
            yield "a comma before from"
        if (word, next_word) == ("by", "name"):
            yield "union by name"
        if (word, next_word) == ("asof", "join"):
            yield "asof join"


def _faults_of_tree(tree: exp.Expression) -> Iterator[str]:
    for construct, name in CONSTRUCTS:
        if any(True for _ in tree.find_all(construct)):
            yield name
    for call in tree.find_all(exp.Sum):
        if isinstance(call.this.unnest(), exp.Predicate | exp.Connector | exp.Not | exp.Boolean):
            yield "sum() of a boolean (write count_if)"
    for call in tree.find_all(exp.Log):
        if call.expression is None:
            yield "log() with one argument"
    for identifier in tree.find_all(exp.Identifier):
        # dbt quotes the names of tables itself, as each engine wants it.
        if identifier.quoted and not isinstance(identifier.parent, exp.Table):
            yield f'"{identifier.name}" in double quotes'


def _faults_of_arguments(tree: exp.Expression) -> Iterator[str]:
    """What was handed to a hidden macro is the model's own SQL, or a word that is no SQL at all."""
    for call in tree.find_all(exp.Anonymous):
        if call.name.startswith(DISPATCHED):
            for argument in call.expressions:
                with suppress(sqlglot.ParseError):
                    sqlglot.parse_one(f"select {argument.name}", read="duckdb")
                    yield from faults(f"select {argument.name}")


def hide_dispatched_macros(folder: Path) -> int:
    """Rewrite, in a copy of the macros, each body that Spark has its own of: it makes one plain call now."""
    hidden = 0
    files = {path: path.read_text(encoding="utf-8") for path in folder.rglob("*.sql")}
    covered = {match[1] for text in files.values() for match in MACRO.finditer(text)}

    def hide(match: re.Match[str]) -> str:
        nonlocal hidden
        name = match[1].removeprefix("default__")
        if name == match[1] or f"spark__{name}" not in covered:
            return match[0]
        hidden += 1
        arguments = [argument.split("=")[0].strip() for argument in match[2].split(",")]
        shown = ", ".join(
            f"'{{{{ {argument} | string | replace(\"'\", \"''\") }}}}'" for argument in arguments
        )
        return f"{{% macro {match[1]}({match[2]}) -%}} {DISPATCHED}{name}({shown}) {{%- endmacro %}}"

    for path, text in files.items():
        path.write_text(MACRO.sub(hide, text), encoding="utf-8")
    return hidden


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """SQL of all models and of planted ones, dispatched macros hidden, of a first and an incremental run."""
    project = tmp_path_factory.mktemp("portable")
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT / name, project)
    shutil.copytree(PROJECT / "dbt_project", project / "dbt_project")
    models, macros = project / "dbt_project" / "models", project / "dbt_project" / "macros"
    assert hide_dispatched_macros(macros) > 5
    (models / "planted_bad.sql").write_text("select epoch(occurred_at) from {{ ref('fct_events') }}\n")
    (models / "planted_nested.sql").write_text(
        "select {{ seconds_between('strptime(a, b)', 'ended_at') }} as seconds from {{ ref('fct_events') }}\n"
    )
    (models / "planted_good.sql").write_text(
        "select {{ seconds_between('occurred_at', 'ended_at') }} as seconds from {{ ref('fct_events') }}\n"
    )
    sql: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAREHOUSE_PATH", str(project / "portable.duckdb"))
        for run, selection in (("first", "fqn:*"), ("incremental", "config.materialized:incremental")):
            if run == "incremental":
                (macros / "is_incremental.sql").write_text(
                    "{% macro is_incremental() %}{{ return(true) }}{% endmacro %}"
                )
            target = project / run
            run_dbt("compile", target, "--select", selection, project=project)
            nodes = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["nodes"].values()
            sql |= {
                f"{node['name']} ({run} run)": node["compiled_code"]
                for node in nodes
                if node["resource_type"] == "model" and node.get("compiled_code")
            }
    return sql


def test_every_model_runs_on_spark_too(compiled: dict[str, str]) -> None:
    found = {name: sorted(faults(sql)) for name, sql in compiled.items()}
    assert {name: what for name, what in found.items() if what} == {
        "planted_bad (first run)": ["epoch()"],
        "planted_nested (first run)": ["strptime()"],
    }


def test_both_forms_of_the_incremental_models_were_looked_at(compiled: dict[str, str]) -> None:
    for model in ("fct_events", "int_sessions_aggregated", "fct_user_days"):
        assert f'"{model}"' not in compiled[f"{model} (first run)"]
        assert f'"{model}"' in compiled[f"{model} (incremental run)"]


@pytest.mark.parametrize(
    "expression",
    [
        "date_diff('day', a, b)",
        "datediff('day', a, b)",
        "epoch(a)",
        "strftime(a, '%Y')",
        "strptime(a, '%Y')",
        "isodow(a)",
        "dayofweek(a)",
        "extract(dow from a)",
        "a // b",
        "quantile_cont(a, 0.5)",
        "approx_quantile(a, 0.5)",
        "arg_max(a, b)",
        "string_agg(a, ',')",
        "listagg(a, ',')",
        "list(a)",
        "array_agg(a)",
        "[a, b]",
        "a[1]",
        "unnest(a)",
        "generate_series(1, 3)",
        "list_transform(a, x -> x + 1)",
        "list_filter(a, lambda x: x > 1)",
        "sha256(a)",
        "hash(a)",
        "lag(a ignore nulls) over (order by b)",
        "first_value(a ignore nulls) over (order by b)",
        "struct_pack(x := a)",
        "{'x': a}",
        "map {'x': a}",
        "a ->> '$.x'",
        "json_extract_string(a, '$.x')",
        "concat(a, b)",
        "regexp_replace(a, 'x', 'y')",
        "log(a)",
        "sum(a > b)",
        "sum(a is null)",
        '"Quoted Name"',
        "* exclude (a)",
        "a, ",
    ],
)
def test_what_spark_lacks_is_found(expression: str) -> None:
    assert faults(f"select {expression} from events"), expression


@pytest.mark.parametrize(
    "sql",
    [
        "select a from x asof join y on x.t >= y.t",
        "select a from x union by name select a from y",
        "select a from x union all by name select a from y",
    ],
)
def test_forms_of_a_query_that_spark_lacks_are_found(sql: str) -> None:
    assert faults(sql), sql


@pytest.mark.parametrize(
    "sql",
    [
        "select * from events qualify row_number() over (partition by a order by b asc nulls last) = 1",
        "select a, count(*) filter (where b > 1) as n from events group by all",
        "select count_if(a > 1) as n, max_by(a, b) as m from events group by grouping sets ((a), ())",
        "with recursive x as (select 1 as n union all select n + 1 from x where n < 3) select * from x",
        "select * from (values (1, 2)) as pairs (a, b) semi join events on pairs.a = events.a",
        'select cast(a as timestamp) + interval 3 day as b, a is distinct from b from "db"."marts"."x"',
        "select a & 7 | 8 as bits, a % 28 as slot, a || 'x' as text from events",
        "select * except (a) from events",
    ],
)
def test_what_both_engines_run_is_let_through(sql: str) -> None:
    assert faults(sql) == set()
