"""Every kernel against its slow form, and the check itself: does it notice a wrong kernel?"""

import pytest

from cxstream.kernels import moments, selfcheck
from cxstream.kernels.registry import kernel_names

#: Kernels that are easily made wrong: their last argument is a result, or their fifth.
WRONG = [
    (selfcheck.cells, "find_cells"),
    (selfcheck.cells, "pack_keys"),
    (selfcheck.cells, "number_groups"),
    (selfcheck.cells, "sort_rows"),
    (selfcheck.classification, "count_levels"),
    (selfcheck.classification, "count_pairs"),
    (selfcheck.classification, "read_choices"),
    (selfcheck.moments, "read_answers"),
    (selfcheck.moments, "dots"),
    (selfcheck.moments, "dots_wide"),
    (selfcheck.index, "respondent_moments"),
    (selfcheck.least_squares, "least_squares"),
    (selfcheck.index, "item_mean_moments"),
    (selfcheck.fourth, "dots_fourth"),
    (selfcheck.net_score, "net_score_bounds"),
    (selfcheck.wide, "add_up"),
]


@pytest.mark.parametrize("seed", range(3))
def test_every_kernel_agrees_with_its_reference(seed):
    results = selfcheck.run(seed)
    assert sorted(one.name for one in results) == sorted(kernel_names())
    assert [one for one in results if not one.ok] == []
    assert all("inputs" in one.detail for one in results)


def test_a_kernel_without_a_check_fails(monkeypatch):
    checks = {name: lambda _: "no inputs" for name in kernel_names() if name != "dots"}
    monkeypatch.setattr(selfcheck, "_CHECKS", checks)
    failed = [one for one in selfcheck.run() if not one.ok]
    assert [(one.name, one.detail) for one in failed] == [
        ("dots", "there is no check of this kernel")
    ]


@pytest.fixture(scope="module")
def users():
    """The checks that call each of these kernels: no other can notice that it is wrong."""
    found = {name: set() for _, name in WRONG}
    running = []

    def noted(name, kernel):
        def call(*arguments):
            found[name].add(running[-1])
            return kernel(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for module, name in WRONG:
            patch.setattr(module, name, noted(name, getattr(module, name)))
        for check in kernel_names():
            running.append(check)
            assert selfcheck._result(check, 0).ok
    return found


@pytest.mark.parametrize("module, name", WRONG)
def test_a_wrong_kernel_is_found_by_its_check_alone(monkeypatch, users, module, name):
    make_wrong(monkeypatch, module, name)
    found = {check: selfcheck._result(check, 0) for check in users[name] | {name}}
    assert "expected" in found[name].detail
    assert [one for one in found if not found[one].ok] == [name]


def make_wrong(monkeypatch, module, name):
    right = getattr(module, name)

    def wrong(*arguments):
        result = right(*arguments)
        last = arguments[-1] if hasattr(arguments[-1], "size") else arguments[4]
        if last.size:
            last.flat[-1] += 1
        return result

    monkeypatch.setattr(module, name, wrong)


def test_block_rows_never_let_a_sum_pass_31_bits():
    for largest in (1, 2, 181, 4095, 4096, 32767):
        rows = moments.block_rows_for(largest)
        assert 1 <= rows <= 2048
        assert rows * largest * largest < 2**31
