"""`tandem profile import`: what it writes, what it shows, and what it refuses."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tandem.cli.app import app
from tandem.errors import TandemError, UsageError
from tandem.settings.imported import apply, planned
from tandem.settings.load import load
from tandem.settings.profiles import packaged_names, profiles

SECRET = "cflt/4PIhOcHtKcpNP3z"
SETTINGS: dict[str, Any] = {
    "gcp": {
        "project": "my-project",
        "region": "europe-west3",
        "bucket": "some-bucket",
        "service_account": "tandem-staging-job@my-project.iam.gserviceaccount.com",
        "subnetwork": "tandem-staging",
        "serverless": True,
    },
    "kafka": {
        "bootstrap": "pkc-1.europe-west3.gcp.confluent.cloud:9092",
        "username": "KEY",
        "job_password": "gsm:projects/my-project/secrets/kafka",
    },
    "mongo": {
        "uri": "mongodb+srv://a.b.mongodb.net/?retryWrites=true",
        "username": "tandem",
        "database": "ecommerce_mart",
        "job_password": "gsm:projects/my-project/secrets/mongo",
    },
}
OTHERS = """\
# Ours.
[profile.shop]  # shared
like = "gcp"

[profile.staging.gcp]
project = "old-project"
workers = 3

# The one that counts.
[profile.production]
like = "shop"
description = "[not a table]"

[profile.staging]
like = "shop"
"""
PACKAGED = packaged_names()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def output(**sections: Any) -> str:
    return json.dumps({"name": "staging", "settings": SETTINGS | sections})


def run(*options: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["profile", "import", "-", *options], input=text or output())


def file() -> Path:
    return Path.cwd() / "tandem.toml"


def test_a_new_profile_is_shown_and_written() -> None:
    done = run()
    assert done.exit_code == 0
    assert 'gcp.project = "my-project"' in done.stdout.splitlines()
    settings = load("staging")
    assert (settings.backend, settings.gcp.serverless, settings.environment) == ("dataproc", True, "tandem-staging")
    assert settings.gcp.model_dump(include=set(SETTINGS["gcp"])) == SETTINGS["gcp"]
    assert settings.kafka.password == f"file:{Path.home()}/.secrets/staging-kafka"
    assert settings.mongo.job_password == "gsm:projects/my-project/secrets/mongo"


def test_all_outputs_may_be_given_and_no_other_value_is_written() -> None:
    every = {
        "tandem_profile": {"sensitive": False, "type": "object", "value": json.loads(output())},
        "kafka_password": {"sensitive": True, "type": "string", "value": SECRET},
    }
    done = run(text=json.dumps(every))
    assert done.exit_code == 0
    assert SECRET not in done.output + file().read_text()


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text(output())
    done = CliRunner().invoke(app, ["profile", "import", "profile.json", "--name", "other"])
    assert done.exit_code == 0
    assert list(profiles())[-1] == "other"


def test_a_second_import_changes_nothing() -> None:
    run()
    before = file().read_bytes()
    done = run()
    assert (done.exit_code, done.stdout) == (0, "")
    assert "has these values already" in done.stderr
    assert file().read_bytes() == before


def test_other_values_are_replaced_only_if_asked() -> None:
    file().write_text(OTHERS)
    done = run()
    assert isinstance(done.exception, UsageError)
    assert "sets other values for the profile staging" in str(done.exception)
    assert 'gcp.project = "my-project" (was "old-project")' in done.stdout
    assert file().read_text() == OTHERS
    assert run("--replace").exit_code == 0
    found = tomllib.loads(file().read_text())["profile"]
    assert found["staging"]["gcp"] == {"workers": 3, **SETTINGS["gcp"]}
    assert found["staging"]["like"] == "shop"


def test_the_text_of_other_profiles_stays() -> None:
    file().write_text(OTHERS)
    run("--replace")
    text = file().read_text()
    assert text.startswith('# Ours.\n[profile.shop]  # shared\nlike = "gcp"\n\n# The one that counts.\n[profile.pro')
    assert 'like = "shop"\ndescription = "[not a table]"\n' in text


def test_a_file_that_would_lose_something_is_left_alone() -> None:
    text = '[profile.staging]\nlike = "gcp"\ndescription = """\n[profile.x]\n"""\n'
    file().write_text(text)
    with pytest.raises((TandemError, UsageError)):
        apply(planned(output(), file(), PACKAGED), file(), PACKAGED)
    assert file().read_text() == text
    assert [each.name for each in file().parent.iterdir()] == ["tandem.toml"]


def test_comments_and_the_files_mode_stay() -> None:
    ours = '# Ours.\n[profile.shop]\nlike = "gcp"\n'
    kept = '\n# [profile.dev]\n# like = "gcp"\n\n# To do.\n'
    own = '[profile.staging]\nlike = "gcp"\n# Few.\n[profile.staging.gcp]\nworkers = 3\n'
    target = Path("shared.toml")
    target.write_text(ours + own + kept)
    target.chmod(0o640)
    file().symlink_to(target.name)
    assert run().exit_code == 0
    assert file().is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    text = target.read_text()
    assert text.startswith(ours + "# Few.\n" + kept + "\n[profile.staging]\n")
    assert tomllib.loads(text)["profile"]["staging"]["gcp"]["workers"] == 3


def test_a_profile_like_one_of_another_platform_is_refused() -> None:
    text = '[profile.mine]\nlike = "embedded"\n[profile.staging]\nlike = "mine"\n'
    file().write_text(text)
    done = run("--replace")
    assert isinstance(done.exception, UsageError)
    assert "the profile staging is like embedded" in str(done.exception)
    assert (done.stdout, file().read_text()) == ("", text)


def test_a_password_in_the_file_is_not_printed() -> None:
    file().write_text(f'[profile.staging]\nlike = "gcp"\n[profile.staging.kafka]\njob_password = "{SECRET}"\n')
    done = run()
    assert isinstance(done.exception, UsageError)
    assert 'kafka.job_password = "gsm:projects/my-project/secrets/kafka" (was another value)' in done.stdout
    assert SECRET not in done.output


def test_a_reference_of_the_users_own_stays() -> None:
    file().write_text('[profile.staging]\nlike = "gcp"\n[profile.staging.kafka]\npassword = "env:KAFKA"\n')
    assert run().exit_code == 0
    assert load("staging").kafka.password == "env:KAFKA"


@pytest.mark.parametrize("key", ["password", "job_password"])
def test_a_secret_in_the_place_of_a_reference_is_refused_without_a_word_of_it(key: str) -> None:
    done = run(text=output(kafka={**SETTINGS["kafka"], key: SECRET}))
    if key == "password":
        # It is never taken from the output.
        assert load("staging").kafka.password == f"file:{Path.home()}/.secrets/staging-kafka"
    else:
        assert "kafka.job_password of the output is not a reference" in str(done.exception)
        assert not file().exists()
    assert SECRET not in done.output + str(done.exception)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nothing", "is not JSON"),
        ("[]", "no output tandem_profile"),
        ("{}", "no output tandem_profile"),
        ('{"name": "a", "settings": {"gcp": 1}}', "no output tandem_profile"),
        (output(gcp={"projekt": "a"}), "gcp.projekt, which is not a setting"),
        (json.dumps({"name": "gcp", "settings": SETTINGS}), "comes with Tandem"),
        (json.dumps({"name": "Not a name", "settings": SETTINGS}), "cannot be a profile's name"),
    ],
)
def test_a_wrong_output_is_refused(text: str, problem: str) -> None:
    done = run(text=text)
    assert isinstance(done.exception, UsageError)
    assert problem in str(done.exception)
    assert not file().exists()


def test_a_closed_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="is not JSON"):
        app(["profile", "import", "-"], standalone_mode=False)


def test_an_odd_value_survives() -> None:
    odd = 'a "quoted" \\ name, ü and 😀'
    apply(planned(output(spark={"spark.app.name": odd}), file(), PACKAGED), file(), PACKAGED)
    assert load("staging").spark["spark.app.name"] == odd
