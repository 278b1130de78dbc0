import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.job_files import job_config
from tandem.settings.connections import kafka_client, resolve
from tandem.settings.load import load, read_settings
from tandem.settings.loaded import require
from tandem.settings.model import Settings
from tandem.settings.profiles import profiles
from tandem.settings.sources import check

CLOUD = {
    "TANDEM_KAFKA__BOOTSTRAP": "pkc-1.confluent.cloud:9092",
    "TANDEM_KAFKA__USERNAME": "key",
    "TANDEM_KAFKA__PASSWORD": "env:CONFLUENT_SECRET",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def set_all(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_higher_places_win(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("embedded").job.lateness_seconds == 300
    Path(".env.embedded").write_text(
        "TANDEM_JOB__LATENESS_SECONDS=1\nTANDEM_KAFKA__PORT=1001\nTANDEM_MONGO__PORT=1002\n"
    )
    Path(".env.local").write_text("TANDEM_KAFKA__PARTITIONS=99\n")
    monkeypatch.setenv("TANDEM_KAFKA__PORT", "2001")
    monkeypatch.setenv("TANDEM_MONGO__PORT", "2002")
    settings = load("embedded", {"mongo": {"port": 3002}})
    assert (settings.job.lateness_seconds, settings.kafka.port, settings.mongo.port) == (1, 2001, 3002)
    assert settings.kafka.partitions == 4
    assert settings.kafka.bootstrap == "127.0.0.1:2001"


@pytest.mark.parametrize("missing", CLOUD)
def test_what_the_cloud_needs_is_named_with_the_places_that_were_looked_at(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, {name: value for name, value in CLOUD.items() if name != missing})
    with pytest.raises(UsageError) as caught:
        load("gcp")
    field = missing.removeprefix("TANDEM_").lower().replace("__", ".")
    for part in (field, missing, "gcp", ".env.gcp (not there)", "profiles.toml"):
        assert part in str(caught.value)


@pytest.mark.parametrize("profile", ["embedded", "local"])
def test_no_other_profile_needs_what_the_cloud_needs(profile: str) -> None:
    assert kafka_client(load(profile).kafka) == {
        "bootstrap_servers": "127.0.0.1:19092",
        "security_protocol": "PLAINTEXT",
    }


def test_the_clouds_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {**CLOUD, "CONFLUENT_SECRET": "hunter2"})
    settings = load("gcp")
    assert kafka_client(settings.kafka) == {
        "bootstrap_servers": "pkc-1.confluent.cloud:9092",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "key",
        "sasl_plain_password": "hunter2",
    }
    assert "hunter2" not in settings.model_dump_json()
    assert json.loads(settings.model_dump_json())["kafka"]["password"] == "env:CONFLUENT_SECRET"


def test_a_secret_itself_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {**CLOUD, "TANDEM_KAFKA__PASSWORD": "hunter2"})
    with pytest.raises(UsageError, match=r"kafka\.password") as caught:
        load("gcp")
    assert "hunter2" not in str(caught.value)


def test_where_secrets_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "secret"
    for text, wanted in (("s3cret\n", "s3cret"), (" with blanks \r\n", " with blanks ")):
        place.write_bytes(text.encode())
        assert resolve(f"file:{place}") == wanted
    monkeypatch.setenv("EMPTY", "")
    for reference in (f"file:{tmp_path}/none", "env:NOT_SET", "env:EMPTY", f"file:{tmp_path}"):
        with pytest.raises(EnvironmentNotReadyError, match=reference.partition(":")[2]):
            resolve(reference)


def test_a_profile_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no profile 'prod'") as caught:
        load("prod")
    assert all(name in caught.value.hint for name in profiles())


def test_the_cloud_is_never_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TANDEM_PROFILE", raising=False)
    with pytest.raises(UsageError, match="no profile is named"):
        load()


@pytest.mark.parametrize("profile", ["local", "embedded", "rehearsal"])
def test_what_runs_here_asks_for_nothing_of_the_cloud(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("TANDEM_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    settings = load(profile)
    require(settings, settings.needed_to_deploy)
    assert not (settings.gcp.rehearsal_port is None and settings.gcp.project)


def test_snapshots_of_the_state_are_rarer_on_this_machine_only() -> None:
    """In the cloud, `deploy --plan` counts one for every tenth batch, as Spark does by default."""
    name = "spark.sql.streaming.stateStore.minDeltasForSnapshot"
    found = {profile: load(profile).spark.get(name) for profile in ("embedded", "local", "rehearsal")}
    assert found == {"embedded": "60", "local": "60", "rehearsal": None}


def test_a_login_in_mongodbs_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        load("embedded", {"mongo": {"uri": "mongodb://user:hunter2@db.example/"}})
    assert "mongo.password" in str(refused.value)
    assert "hunter2" not in str(refused.value) + str(refused.value.hint)


@pytest.mark.parametrize(
    "bootstrap",
    ["pkc-1.cloud:9092:9092", "SASL_SSL://pkc-1.cloud:9092", "pkc-1.cloud", "a:1,", "", "a:1;b:2", "user:hunter2@a:1"],
)
def test_an_address_of_kafka_with_two_ports_or_a_protocol_is_refused(bootstrap: str) -> None:
    with pytest.raises(UsageError) as refused:
        load("embedded", {"kafka": {"bootstrap": bootstrap}})
    assert "expected HOST:PORT without a protocol" in str(refused.value)
    assert "hunter2" not in str(refused.value) + str(refused.value.hint)


@pytest.mark.parametrize("bootstrap", ["a:1", "pkc-1.cloud:9092,10.0.0.1:9093", "a_1:1, b-2:2", "[::1]:9092"])
def test_addresses_of_brokers_are_accepted(bootstrap: str) -> None:
    assert load("embedded", {"kafka": {"bootstrap": bootstrap}}).kafka.bootstrap == bootstrap


@pytest.mark.parametrize("uri", ["mongodb+srv://mongodb+srv://a.net/", "a.net", "http://a.net", "mongodb:a.net", ""])
def test_an_address_of_mongodb_without_one_protocol_is_refused(uri: str) -> None:
    with pytest.raises(UsageError, match=r"expected an address such as mongodb\+srv://HOST"):
        load("embedded", {"mongo": {"uri": uri}})


@pytest.mark.parametrize(
    "uri", ["mongodb+srv://a.net", "mongodb://a:1,b:2/?replicaSet=r", "mongodb://[::1]:1/?x=a://b"]
)
def test_addresses_of_mongodb_are_accepted(uri: str) -> None:
    assert load("embedded", {"mongo": {"uri": uri}}).mongo.uri == uri


def test_what_a_pipeline_wants_is_less_than_the_profile_and_more_than_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pipelines" / "mine"
    folder.mkdir(parents=True)
    (folder / "streams.py").touch()
    assert load("embedded", {"pipeline": "mine"}).mongo.database == "mine"
    (folder / "settings.toml").write_text(
        '[mongo]\ndatabase = "its"\n[job]\nlateness_seconds = 7\n[job.parameters]\nsize = 5\n'
        '[spark]\n"spark.master" = "local[7]"\n"spark.sql.shuffle.partitions" = "3"\n'
    )
    settings = load("embedded", {"pipeline": "mine"})
    assert (settings.mongo.database, settings.job.lateness_seconds, settings.job.parameters) == ("its", 7, {"size": 5})
    assert settings.spark["spark.master"] == "local[*]"
    assert settings.spark["spark.sql.shuffle.partitions"] == "3"
    set_all(monkeypatch, {"TANDEM_PIPELINE": "mine", "TANDEM_MONGO__DATABASE": "other"})
    monkeypatch.setenv("TANDEM_JOB__PARAMETERS__SIZE", "6")
    settings = load("embedded")
    assert (settings.mongo.database, settings.job.parameters) == ("other", {"size": 6})
    monkeypatch.setenv("TANDEM_JOB__PARAMETERS__SIZE", "many")
    with pytest.raises(UsageError, match="size of pipeline mine is 'many', not of type int"):
        load("embedded")
    monkeypatch.delenv("TANDEM_JOB__PARAMETERS__SIZE")
    monkeypatch.setenv("TANDEM_JOB__PARAMETERS__SISE", "6")
    with pytest.raises(UsageError, match="no parameter 'sise'") as caught:
        load("embedded")
    assert "size" in caught.value.hint
    (folder / "settings.toml").write_text("[mongo")
    with pytest.raises(UsageError, match=r"settings\.toml: "):
        load("embedded")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("STRICT", "false", False),
        ("STRICT", "1", True),
        ("SIZE", "6", 6),
        ("SHARE", "2", 2.0),
        ("LABEL", "5", "5"),
        ("LABEL", "true", "true"),
        ("STRICT", "maybe", None),
        ("SIZE", "1.5", None),
        ("NAMES", "a,b", None),
    ],
)
def test_a_parameter_has_the_type_that_the_pipeline_gives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    folder = tmp_path / "pipelines" / "mine"
    folder.mkdir(parents=True)
    (folder / "streams.py").touch()
    (folder / "settings.toml").write_text(
        '[job.parameters]\nstrict = true\nsize = 5\nshare = 0.5\nlabel = "x"\nnames = ["a"]\n'
    )
    monkeypatch.setenv(f"TANDEM_JOB__PARAMETERS__{name}", text)
    if value is None:
        with pytest.raises(UsageError, match=f"parameter {name.lower()} of pipeline mine is .*, not of type"):
            load("embedded", {"pipeline": "mine"})
        return
    found = load("embedded", {"pipeline": "mine"}).job.parameters[name.lower()]
    assert (found, type(found)) == (value, type(value))


def test_a_pipeline_that_is_not_there() -> None:
    for name in ("none", "../pipelines", "", "a.b"):
        with pytest.raises(UsageError, match=f"no pipeline '{name}'") as caught:
            load("embedded", {"pipeline": name})
        assert "orders_payments" in caught.value.hint


def test_each_value_has_the_place_that_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env.embedded").write_text("TANDEM_KAFKA__PARTITIONS=9\nTANDEM_MONGO__PORT=1002\n")
    monkeypatch.setenv("TANDEM_MONGO__PORT", "2002")
    monkeypatch.delenv("TANDEM_CA", raising=False)
    monkeypatch.setenv("PIP_CERT", "/etc/ca.pem")
    loaded = read_settings("embedded", {"ui": {"spark_port": 4444}})
    settings, places = loaded.complete(), loaded.origins
    monkeypatch.setenv("TANDEM_SPARK", '{"spark.driver.memory": "2g"}')
    assert read_settings("embedded").origins["spark.spark.driver.memory"] == "TANDEM_SPARK"
    assert (settings.mongo.port, settings.kafka.partitions, settings.ui.spark_port) == (2002, 9, 4444)
    assert {name: places.get(name) for name in (
        "mongo.port", "kafka.partitions", "ui.spark_port", "ca", "spark.spark.master", "mongo.database",
        "job.lateness_seconds", "kafka.port",
    )} == {
        "mongo.port": "TANDEM_MONGO__PORT",
        "kafka.partitions": ".env.embedded",
        "ui.spark_port": "command line",
        "ca": "PIP_CERT",
        "spark.spark.master": "profiles.toml [profile.embedded]",
        "mongo.database": "the pipeline's settings.toml",
        "job.lateness_seconds": "profiles.toml [base]",
        "kafka.port": None,
    }  # fmt: skip


def test_origins_of_incomplete_settings_are_shown() -> None:
    loaded = read_settings("gcp")
    settings, places = loaded.shown(), loaded.origins
    assert settings.kafka.bootstrap == "<kafka.bootstrap>"
    assert places["kafka.bootstrap"] == places["gcp.project"] == "missing"
    assert "kafka.port" not in places


def test_stored_settings_are_read_as_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    set_all(monkeypatch, {"TANDEM_CA": "company.pem", "TANDEM_MONGO__PASSWORD": "file:secrets/mongo"})
    stored = load("embedded", {"pipeline": "segment_revenue"})
    text = stored.model_dump_json()
    # Of another command, for another pipeline, in another folder.
    set_all(
        monkeypatch,
        {
            "TANDEM_PIPELINE": "orders_payments",
            "TANDEM_JOB__PARAMETERS__MATCH_WINDOW_SECONDS": "600",
            "TANDEM_JOB__LATENESS_SECONDS": "7",
            "TANDEM_SPARK": '{"spark.driver.memory": "2g", "spark.sql.shuffle.partitions": "9"}',
            "TANDEM_STATE_DIR": "elsewhere",
            "TANDEM_CA": "other.pem",
            "JAVA_HOME": "/java",
        },
    )
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    read = Settings.model_validate_json(text)
    assert read == stored
    assert (read.ca, read.java_home) == (tmp_path / "company.pem", None)
    assert read.mongo.password == f"file:{tmp_path}/secrets/mongo"
    # And these are those of the other command.
    other = load("embedded")
    assert (other.job.parameters, other.job.lateness_seconds) == ({"match_window_seconds": 600}, 7)
    assert other.state_dir == tmp_path / "inside" / "elsewhere"


class Unreadable(dict[str, str]):
    """An environment that fails the test when something reads it."""

    def __getitem__(self, name: str) -> str:
        raise AssertionError(f"{name} is read")

    def get(self, name: str, default: object = None) -> Any:
        raise AssertionError(f"{name} is read, or {default}")

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("all variables are read")

    def __contains__(self, name: object) -> bool:
        raise AssertionError(f"{name} is looked for")


def test_stored_settings_are_read_without_environment_and_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pipelines" / "mine"
    folder.mkdir(parents=True)
    (folder / "streams.py").touch()
    stored = load("rehearsal", {"pipeline": "mine"})
    text = stored.model_dump_json()
    shutil.rmtree(folder)

    def unreadable(*_: object) -> None:
        raise AssertionError("the disk is read")

    with monkeypatch.context() as patched:
        patched.setattr(os, "environ", Unreadable())
        for name in ("getcwd", "stat", "scandir"):
            patched.setattr(os, name, unreadable)
        patched.setattr(Path, "cwd", unreadable)
        read = Settings.model_validate_json(text)
        location, home = read.location, read.home
    assert read == stored
    assert (location.folder, location.package, home) == (folder, "pipelines.mine", stored.home)
    assert read.model_dump_json() == text


@pytest.mark.parametrize(
    ("content", "byte"),
    [
        ("TANDEM_KAFKA__USERNAME=key\n".encode("utf-16"), 1),
        ("TANDEM_KAFKA__USERNAME=key\n".encode("utf-16-le"), 2),
        ("# Schlüssel\n".encode("latin-1"), 7),
    ],
)
def test_a_file_of_variables_that_is_not_utf8_is_named(content: bytes, byte: int) -> None:
    Path(".env.gcp").write_bytes(content)
    with pytest.raises(UsageError, match=rf"^\.env\.gcp is not UTF-8: byte {byte}$") as caught:
        load("gcp")
    assert caught.value.hint == "save the file as UTF-8"


def test_a_file_of_variables_may_have_a_byte_order_mark_and_those_of_other_programs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    Path(".env.embedded").write_bytes(
        "\ufeffTANDEM_KAFKA__PORT=1001\nexport GOOGLE_APPLICATION_CREDENTIALS=/key.json\nAWS=\n# ü\n".encode()
    )
    assert load("embedded").kafka.port == 1001
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in os.environ


def test_a_line_that_is_no_assignment_is_named() -> None:
    Path(".env.embedded").write_text("TANDEM_KAFKA__PORT=1001\nTANDEM_MONGO__PORT: 1002\n")
    with pytest.raises(UsageError, match=r"^\.env\.embedded, line 2: not an assignment$"):
        load("embedded")
    Path(".env.embedded").unlink()
    Path(".env.embedded").mkdir()
    with pytest.raises(UsageError, match=r"^\.env\.embedded cannot be read: Is a directory$"):
        load("embedded")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("TANDEM_KAFKA_BOOTSTRAP", "did you mean TANDEM_KAFKA__BOOTSTRAP?"),
        ("TANDEM_KAFKA__BOOTSTRP", "did you mean TANDEM_KAFKA__BOOTSTRAP?"),
        ("TANDEM_PROFIL", "did you mean TANDEM_PROFILE?"),
        ("TANDEM_SPARK__SPARK.DRIVER.MEMORY", "remove it; `tandem config show` then lists all settings"),
        ("TANDEM_QQQ", "remove it; `tandem config show` then lists all settings"),
    ],
)
def test_a_variable_that_is_no_setting_is_named_with_the_nearest_one(
    name: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(UsageError, match=rf"^the environment has {re.escape(name)}, which is not a setting$") as caught:
        load("embedded")
    assert caught.value.hint == hint
    monkeypatch.delenv(name)
    Path(".env.embedded").write_text(f"{name}=x\n")
    with pytest.raises(UsageError, match=rf"^\.env\.embedded has {re.escape(name)}, which"):
        load("embedded")


def test_what_a_secret_is_named_by_and_an_empty_variable_are_no_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {**CLOUD, "TANDEM_KAFKA__PASSWORD": "env:TANDEM_MY_SECRET", "TANDEM_MY_SECRET": "x"})
    assert load("gcp").kafka.password == "env:TANDEM_MY_SECRET"
    monkeypatch.setenv("TANDEM_SPARK", "")
    monkeypatch.setenv("TANDEM_KAFKA__PORT", "")
    assert load("gcp").kafka.port == 19092


def test_a_secret_may_be_in_the_shell_whatever_place_refers_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {name: value for name, value in CLOUD.items() if name != "TANDEM_KAFKA__PASSWORD"})
    monkeypatch.setenv("TANDEM_CLOUD_SECRET", "x")
    with pytest.raises(UsageError, match="the environment has TANDEM_CLOUD_SECRET"):
        load("embedded")
    Path(".env.gcp").write_text("TANDEM_KAFKA__PASSWORD=env:TANDEM_CLOUD_SECRET\n")
    assert load("gcp").kafka.password == "env:TANDEM_CLOUD_SECRET"
    # The shell of another profile's command has it, too.
    assert load("embedded").profile == "embedded"
    Path(".env.gcp").unlink()
    Path("tandem.toml").write_text(
        '[profile.shop]\nlike = "gcp"\n[profile.shop.kafka]\npassword = "env:TANDEM_CLOUD_SECRET"\n'
    )
    assert load("shop").kafka.password == "env:TANDEM_CLOUD_SECRET"


def test_a_secret_may_be_in_the_file_that_refers_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MY_SECRET", "OTHER_SECRET"):
        # The test ends with what was there before.
        monkeypatch.setenv(name, "")
    set_all(monkeypatch, {name: value for name, value in CLOUD.items() if name != "TANDEM_KAFKA__PASSWORD"})
    Path(".env.gcp").write_text("MY_SECRET=a$b${c}'d\nOTHER_SECRET=x\nTANDEM_KAFKA__PASSWORD=env:MY_SECRET\n")
    read = read_settings("gcp")
    assert os.environ["MY_SECRET"] == ""
    assert "a$b" not in repr(read)
    assert resolve(str(read.complete().kafka.password)) == "a$b${c}'d"
    assert os.environ["OTHER_SECRET"] == ""
    monkeypatch.setenv("MY_SECRET", "the shell's")
    assert resolve(str(load("gcp").kafka.password)) == "the shell's"
    monkeypatch.setenv("TANDEM_MY_SECRET", "")
    Path(".env.gcp").write_text("TANDEM_MY_SECRET=x\nTANDEM_KAFKA__PASSWORD=env:TANDEM_MY_SECRET\n")
    assert resolve(str(load("gcp").kafka.password)) == "x"


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_a_dollar_sign_in_a_file_of_variables_is_a_dollar_sign(quote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {name: value for name, value in CLOUD.items() if name != "TANDEM_KAFKA__USERNAME"})
    for text in ("ab${cd}ef", "ab$cd", "$${HOME}", "${HOME:-x}"):
        Path(".env.gcp").write_text(f"TANDEM_KAFKA__USERNAME={quote}{text}{quote}\n")
        assert load("gcp").kafka.username == text


@pytest.mark.parametrize("line", ["TANDEM_KAFKA__USERNAME", "export TANDEM_KAFKA__USERNAME", "MY_SECRET"])
def test_a_name_without_a_value_in_a_file_of_variables_is_named(line: str) -> None:
    Path(".env.embedded").write_text(f"TANDEM_KAFKA__PORT=1001\n{line}\n")
    with pytest.raises(UsageError, match=rf"^\.env\.embedded: {line.split()[-1]} has no value$"):
        load("embedded")
    Path(".env.embedded").write_text(f"{line}=\n")
    assert load("embedded").kafka.username is None


PLACES = {
    ".env.embedded": "TANDEM_JOB__PARAMETERS__MATCH_WINDOW_SECONDS=600\n",
    "tandem.toml": '[profile.own]\nlike = "embedded"\n[profile.own.job.parameters]\nmatch_window_seconds = 600\n',
}


@pytest.mark.parametrize("file", PLACES)
def test_a_files_parameter_reaches_the_pipelines_that_have_it(file: str) -> None:
    Path(file).write_text(PLACES[file])
    profile = "own" if file == "tandem.toml" else "embedded"
    assert load(profile).job.parameters["match_window_seconds"] == 600
    assert load(profile, named=False).job.parameters["match_window_seconds"] == 600
    other = load(profile, {"pipeline": "segment_revenue"}, named=False)
    assert (
        other.job.parameters
        == load("embedded" if profile == "own" else "local", {"pipeline": "segment_revenue"}).job.parameters
    )
    # A command that names the other pipeline says where the parameter is.
    with pytest.raises(UsageError, match=f"no parameter 'match_window_seconds', which is set by: {re.escape(file)}"):
        load(profile, {"pipeline": "segment_revenue"})


def test_all_variables_that_this_repository_names_are_known() -> None:
    root = Path(__file__).parents[2]
    folders = ("compose", "docs", "images", "scripts", "src", ".ci")
    files = [*root.glob("*.md"), root / ".env", root / "docker-compose.yml"]
    files += [path for folder in folders for path in (root / folder).rglob("*") if path.is_file()]
    named = {
        name
        for file in files
        if file.suffix not in (".png", ".pyc")
        for name in re.findall(r"TANDEM_[A-Z0-9]\w*[A-Z0-9]\b", file.read_text("utf-8"))
    }
    assert len(named) > 40
    check(dict.fromkeys(named, ""), "the repository")


@pytest.mark.parametrize("name", ["SPARK", "KAFKA", "KAFKA__TOPIC_CONFIGS", "JOB__PARAMETERS"])
@pytest.mark.parametrize("text", ["spark.driver.memory=hunter2", "['hunter2']", '{"hunter2"', "5"])
def test_a_text_where_several_values_belong_is_named_and_not_repeated(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TANDEM_{name}", text)
    with pytest.raises(UsageError, match=f"^TANDEM_{name} in the environment must be a JSON object$") as caught:
        load("embedded")
    assert caught.value.hint.startswith(f"for example TANDEM_{name}='{{")
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_a_wrong_value_or_name_in_a_file_is_reported_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_KAFKA__PORT", "many")
    with pytest.raises(UsageError, match=r"^setting kafka\.port of profile embedded: .* valid integer") as caught:
        load("embedded")
    assert caught.value.hint == "correct it where it is set"
    monkeypatch.delenv("TANDEM_KAFKA__PORT")
    folder = tmp_path / "pipelines" / "mine"
    folder.mkdir(parents=True)
    (folder / "streams.py").touch()
    # As some editors save it: with a byte order mark.
    (folder / "settings.toml").write_bytes(b"\xef\xbb\xbf[job]\nlatenes_seconds = 7\n")
    with pytest.raises(
        UsageError, match=r"^the setting job\.latenes_seconds of profile embedded does not exist"
    ) as caught:
        load("embedded", {"pipeline": "mine"})
    assert caught.value.hint == "did you mean job.lateness_seconds?"


def test_the_hint_about_what_is_missing_works() -> None:
    with pytest.raises(UsageError) as caught:
        load("gcp")
    assert "`tandem --profile gcp config show`" in caught.value.hint


def test_a_message_about_a_wrong_value_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_KAFKA__PASSWORD", "hunter2")
    with pytest.raises(UsageError, match=r"^setting kafka\.password of profile embedded: expected a reference"):
        load("embedded")


def test_the_job_and_the_commands_know_its_control_records_by_the_same_name() -> None:
    settings = load("embedded", {"mongo": {"database": "mart"}})
    assert settings.sender == job_config(settings, "checkpoints").sender == "mart/orders_payments"
