"""The pytest plugin: options, marker, summary, replay; and that it costs nothing unused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pytest_tinygrad_cnn

pytest_plugins = ["pytester"]

PLUGIN = pytest_tinygrad_cnn.__name__
TESTS = """
    import pytest
    from tinygrad_cnn.testing import fuzz_gradients, fuzz_op, fuzz_vjp, strategies
    import tinygrad_cnn as tg

    @fuzz_gradients(x=strategies.arrays())
    def test_square(x):
        return x * x

    @fuzz_vjp(lambda x: x * x, x=strategies.arrays())
    def test_by_hand(g, x):
        return 2 * g * x

    @pytest.mark.gradcheck
    def test_marked_by_hand():
        fuzz_op(tg.mul)

    def test_other():
        pass
"""


@pytest.fixture(autouse=True)
def _plugin_alone(monkeypatch):
    """Other processes load no other plugin, and find this one where it is not installed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(pytest_tinygrad_cnn.__file__).parent))


@pytest.fixture
def run(pytester):
    """Runs pytest on a file with these tests, in another process."""

    def run(source, *options):
        pytester.makepyfile(test_it=source)
        return pytester.runpytest_subprocess("-p", PLUGIN, "-p", "no:cacheprovider", *options)

    return run


def test_the_summary_says_how_much_was_checked(run):
    result = run(TESTS, "--gradcheck-examples=7")
    result.assert_outcomes(passed=4)
    # of first and second order; of the one by hand, first only
    result.stdout.fnmatch_lines(
        ["gradcheck: 3 operations, 21 draws, 35 derivatives compared, * checks per second"]
    )


def test_without_the_option_each_test_has_its_own_number(run):
    run(TESTS).stdout.fnmatch_lines(["gradcheck: 3 operations, 150 draws, 250 derivatives *"])


def test_no_summary_where_nothing_was_checked(run):
    result = run("def test_other(): pass")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*gradcheck*")


def test_the_marker_selects(run):
    run(TESTS, "-m", "gradcheck", "--strict-markers").assert_outcomes(passed=3, deselected=1)
    run(TESTS, "-m", "not gradcheck").assert_outcomes(passed=1, deselected=3)


def test_the_seed_draws_the_same_again(run):
    source = """
        import hypothesis
        from tinygrad_cnn.testing import fuzz_gradients, strategies

        hypothesis.settings.load_profile("default")  # that for CI keeps no database
        seen = []

        @fuzz_gradients(x=strategies.arrays((2,)))
        def test_square(x):
            seen.append(float(x.data[0]))
            return x * x

        def test_what_was_seen():
            print("sum:", sum(seen))
    """

    def total(seed):
        lines = run(source, "-s", f"--gradcheck-seed={seed}").outlines
        return next(line for line in lines if "sum: " in line)

    assert total(1) == total(1) != total(2)


def test_a_failing_example_is_replayed(run):
    source = """
        import hypothesis
        from tinygrad_cnn.testing import fuzz_gradients, strategies

        hypothesis.settings.load_profile("default")  # that for CI keeps no database
        seen = []

        @fuzz_gradients(x=strategies.arrays(strategies.shapes(1, 1, 1, 9)))
        def test_wrong(x):
            seen.append(x.shape[0])
            assert x.shape[0] < 7, f"first drawn: {seen[0]}"
            return x * x

        @fuzz_gradients(x=strategies.arrays())
        def test_right(x):
            return x * x
    """
    run(source).assert_outcomes(failed=1, passed=1)
    result = run(source)  # the right one, run in between, did not remove it
    result.stdout.fnmatch_lines(["*first drawn: 7"])


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_number_of_examples_that_is_none(run, value):
    result = run(TESTS, f"--gradcheck-examples={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--gradcheck-examples: invalid*"])


def test_other_processes_count_too(run):
    pytest.importorskip("xdist")
    result = run(TESTS, "-p", "xdist", "-n1", "--gradcheck-examples=7")
    result.stdout.fnmatch_lines(["gradcheck: 3 operations, 21 draws, 35 derivatives *"])


def test_a_run_that_does_not_use_it_imports_nothing(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_nothing():
            heavy = {"numpy", "hypothesis", "tinygrad_cnn"}
            assert not heavy & sys.modules.keys()
        """
    )
    program = f"import pytest, sys; sys.exit(pytest.main(['-p', '{PLUGIN}']))"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=pytester.path)
