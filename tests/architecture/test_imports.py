"""What an import may cost, and which contracts hold between the rooms."""

import os
import subprocess
import sys

import pytest

FRAMEWORKS = ("keras", "jax", "torch", "tensorflow")

LIGHT = (
    "lossmith",
    "lossmith.cli",
    "lossmith.cli.lint",
    "lossmith.lint.run",
    "lossmith.lint.flake8",
)
"""What starts without Keras or a backend: nobody waits seconds for `--help`."""


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_no_framework(module):
    code = f"import sys, {module}; print(*[x for x in {FRAMEWORKS!r} if x in sys.modules])"
    assert _fresh("-c", code) == ""


def test_dir_lists_the_public_names_and_imports_no_framework():
    code = (
        "import sys, lossmith\n"
        "assert set(lossmith.__all__) <= set(dir(lossmith))\n"
        f"print(*[x for x in {FRAMEWORKS!r} if x in sys.modules])"
    )
    assert _fresh("-c", code) == ""


def test_help_imports_no_framework():
    code = (
        "import sys\n"
        "from lossmith.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        f"print('imported:', *[x for x in {FRAMEWORKS!r} if x in sys.modules])"
    )
    assert _fresh("-c", code).splitlines()[-1].strip() == "imported:"


def test_lint_imports_no_framework(tmp_path):
    (tmp_path / "a.py").write_text("import keras\ndef loss(y_true, y_pred):\n    return y_true\n")
    code = (
        "import sys\n"
        "from lossmith.cli import main\n"
        "try:\n"
        f"    main(['lint', '--select=ALL', {str(tmp_path)!r}])\n"
        "except SystemExit as end:\n"
        "    assert end.code in (0, 1), end.code\n"
        f"print('imported:', *[x for x in {(*FRAMEWORKS, 'numpy')!r} if x in sys.modules])"
    )
    assert _fresh("-c", code).splitlines()[-1].strip() == "imported:"


def test_an_unknown_name_is_an_attribute_error():
    import lossmith

    with pytest.raises(AttributeError, match="no_such_name"):
        lossmith.no_such_name  # noqa: B018


def _fresh(*args: str) -> str:
    """Run a fresh interpreter and return what it prints."""
    run = subprocess.run(
        [sys.executable, *args],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "COVERAGE_PROCESS_START": ""},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()
