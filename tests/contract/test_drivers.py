"""Drivers and robust errors over both transports, on the real SFO survey of 2017."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.csv
import pytest

import cxstream
import cxstream_client as cx
from tests.contract.test_sfo_2017 import DEMO, EXPECTED, PROGRAM, QUESTIONS, close

NAME = "sfo-drivers"
COLUMNS = {name: column for column, name in QUESTIONS.items()} | {"const": "const"}


def program() -> cx.Program:
    """The survey's program, with fourth-order moments of one of its two models."""
    tables = PROGRAM.to_dict()
    tables["name"] = NAME
    tables["models"]["recommend"]["robust"] = True
    tables["weight"] = {"column": "WEIGHT", "step": 0.000000001}
    return cx.Program.from_dict(tables)


@pytest.fixture(scope="module", params=["grpc", "in_process"])
def client(request: pytest.FixtureRequest) -> Iterator[cx.Client]:
    """A client with the survey loaded."""
    if request.param == "grpc":
        client = cx.connect(request.getfixturevalue("address"))
    else:
        client = cxstream.Engine.open()
    with client, (DEMO / "sfo_2017.csv").open("rb") as file:
        client.put_program(program())
        with client.append(NAME, producer="test") as stream:
            stream.send(pa.csv.read_csv(file))
        yield client


@pytest.mark.parametrize(("model", "key"), [("satisfaction", "Q7ALL"), ("recommend", "NETPRO")])
def test_importance(client: cx.Client, model: str, key: str) -> None:
    expected = EXPECTED[f"ols_{key}"]
    row = client.drivers(NAME, model)[0]
    assert (row.status, row.n) == ("ok", expected["n"])
    assert row.dropped == {"incomplete": EXPECTED["rows"] - expected["n"]}
    assert row.r2 == close(expected["r2"])
    for one in row.drivers:
        column = COLUMNS[one.driver]
        assert one.lmg == close(expected["lmg"][column])
        assert one.johnson == close(expected["johnson"][column])
        assert one.beta == close(expected["beta_std"][column])
        assert one.vif == close(expected["vif"][column])
        assert one.first == close(expected["r_with_y"][column] ** 2)
        assert one.pratt == close(expected["r_with_y"][column] * expected["beta_std"][column])
        assert one.sign == (-1 if expected["coef"][column] < 0 else 1)
    assert sum(row.weights.values()) == close(1.0)
    robust = model == "recommend"
    assert all((one.se is not None) == (one.interval is not None) == robust for one in row.drivers)
    assert bool(row.without_se) != robust


def test_table_and_explanation(client: cx.Client) -> None:
    answer = client.drivers(NAME, "recommend")
    table = answer.to_arrow()
    assert table.column_names[:11] == [
        "driver", "lmg", "johnson", "first", "last", "pratt", "beta", "sign", "se", "lower", "upper",
    ]  # fmt: skip
    assert table.num_rows == 10
    assert answer.outcome == "netpro"
    assert answer.weights == answer[0].weights
    assert {"drivers", "interval.fisher_z"} <= {one.id for one in answer.explanation.formulas}
    words = {one.quadrant for one in answer[0].drivers}
    assert words <= {"top_priority", "keep_up", "sustain", "ignore", "undetermined"}
    store = next(one for one in answer[0].drivers if one.driver == "shops")
    assert (store.sign, store.weight, store.floored) == (-1, 0.0, True)


def test_groups_and_filters(client: cx.Client) -> None:
    by = client.drivers(NAME, "recommend", by="boarding_area")
    one = client.drivers(NAME, "recommend", where={"boarding_area": "A"})[0]
    assert by.row(boarding_area="A").drivers == one.drivers
    assert all(row.status in ("ok", "too_few_rows", "collinear") for row in by)
    assert client.drivers(NAME, "recommend", cut="median")[0].importance_cut != one.importance_cut


def test_model_by_its_columns(client: cx.Client) -> None:
    named = client.drivers(NAME, "recommend")
    drivers = [one.driver for one in named[0].drivers]
    assert client.drivers(NAME, outcome="netpro", drivers=drivers)[0] == named[0]
    # Any of the columns may be explained by the others.
    turned = client.drivers(NAME, outcome="food", drivers=["netpro", *drivers[1:]])[0]
    assert turned.drivers[0].driver == "netpro"
    assert turned.drivers[0].se is not None


@pytest.mark.parametrize("errors", ["HC0", "HC1"])
def test_heteroscedastic_errors(client: cx.Client, errors: str) -> None:
    expected = EXPECTED["ols_NETPRO"]
    row = client.regression(NAME, "recommend", errors=errors)[0]
    n, k = expected["n"], len(expected["coef"])
    factor = 1.0 if errors == "HC1" else ((n - k) / n) ** 0.5
    for term in row.terms:
        assert term.coefficient == close(expected["coef"][COLUMNS[term.term]])
        assert term.se == close(expected["se_hc1"][COLUMNS[term.term]] * factor)
    assert (row.errors, row.clusters) == (errors, None)
    plain = client.regression(NAME, "recommend", errors="classical")
    assert plain[0].errors == "classical"
    assert plain[0].terms[1].se == close(expected["se"][COLUMNS[plain[0].terms[1].term]])
    ids = {
        one.id for one in client.regression(NAME, "recommend", errors=errors).explanation.formulas
    }
    assert f"errors.{errors}" in ids


def test_errors_by_cluster(client: cx.Client) -> None:
    row = client.regression(NAME, "recommend", errors="cluster", cluster="boarding_area")[0]
    plain = client.regression(NAME, "recommend")[0]
    assert [one.coefficient for one in row.terms] == [one.coefficient for one in plain.terms]
    assert row.n == plain.n
    assert row.errors == "cluster"
    areas = client.regression(NAME, "recommend", by="boarding_area")
    assert row.clusters == sum(one.n > 0 for one in areas)
    assert all(one.se != other.se for one, other in zip(row.terms, plain.terms, strict=True))


def test_weighted_regression(client: cx.Client) -> None:
    expected = EXPECTED["ols_NETPRO"]["wls"]
    for errors, key in (("classical", "se_classical"), (None, "se_survey_svyglm")):
        row = client.regression(NAME, "recommend", errors=errors, weighting="declared")[0]
        assert row.errors == (errors or "design")
        for term in row.terms:
            column = COLUMNS[term.term]
            # Weights count in steps of 1e-9.
            assert term.coefficient == pytest.approx(expected["coef"][column], rel=1e-6, abs=1e-8)
            assert term.se == pytest.approx(expected[key][column], rel=1e-6)
        assert row.weights is not None
        assert row.n + sum(row.dropped.values()) == EXPECTED["rows"]


def test_weighted_importance(client: cx.Client) -> None:
    plain = client.drivers(NAME, "recommend")[0]
    answer = client.drivers(NAME, "recommend", weighting="declared")
    row = answer[0]
    fit = client.regression(NAME, "recommend", weighting="declared")[0]
    assert row.r2 == close(fit.r2)
    assert sum(one.lmg for one in row.drivers) == close(fit.r2)
    assert row.survey_weights is not None and row.survey_weights.design_effect > 1
    assert all(
        one.se > other.se * 0.8 for one, other in zip(row.drivers, plain.drivers, strict=True)
    )
    assert answer.explanation.weighting == "declared"
    with pytest.raises(cx.InvalidInput, match="responses of C, D, E, F, G and no target"):
        client.drivers(NAME, "recommend", rake={"boarding_area": {"A": 1, "B": 1}})
    with pytest.raises(cx.PreconditionFailed, match="robust = true"):
        client.regression(NAME, "satisfaction", weighting="declared")


def test_refusals(client: cx.Client) -> None:
    with pytest.raises(cx.PreconditionFailed, match="robust = true"):
        client.regression(NAME, "satisfaction", errors="HC1")
    with pytest.raises(cx.InvalidInput, match="errors"):
        client.regression(NAME, "recommend", errors="HC9")
    with pytest.raises(cx.InvalidInput, match="need a dimension"):
        client.regression(NAME, "recommend", errors="cluster")
    with pytest.raises(cx.NotFound, match="boarding_area"):
        client.regression(NAME, "recommend", errors="cluster", cluster="boarding_are")
    with pytest.raises(cx.InvalidInput, match="errors by cluster"):
        client.regression(NAME, "recommend", cluster="boarding_area")
    with pytest.raises(cx.InvalidInput, match="one cluster"):
        client.regression(
            NAME, "recommend", errors="cluster", cluster="boarding_area", by="boarding_area"
        )
    with pytest.raises(cx.NotFound, match="recommend"):
        client.drivers(NAME, "recomend")
    with pytest.raises(cx.InvalidInput, match="either a model"):
        client.drivers(NAME)
    with pytest.raises(cx.PreconditionFailed, match="no model keeps"):
        client.drivers(NAME, outcome="netpro", drivers=["food", "shops"])
    rest = [name for name in QUESTIONS.values() if name not in ("netpro", "improve")][:23]
    with pytest.raises(cx.InvalidInput, match=r"at most 22"):
        client.drivers(NAME, outcome="netpro", drivers=rest)
