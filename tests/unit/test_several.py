"""Several pipelines at once: how they are named, and that drivers under one supervisor do not feel each other."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tandem.catalog import BUNDLED
from tandem.cli.context import CommandContext
from tandem.engine.declare.job_config import JobConfig
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.local_spark.java import Java
from tandem.pipeline_registry import PipelineRegistry, handed_on
from tandem.platforms import Job
from tandem.platforms.base import Stopped
from tandem.platforms.conflicts import check_conflicts
from tandem.platforms.dataproc.environment import DataprocEnvironment
from tandem.platforms.dataproc.job import DataprocJob
from tandem.platforms.embedded.job import EmbeddedJob
from tandem.platforms.local_services.driver import Driver
from tandem.platforms.local_services.job_runners import JobRunners
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.prepare import Tools
from tandem.platforms.local_services.supervisor_process import SupervisorProcess
from tandem.runtimes import runtimes
from tandem.scaffold import write
from tandem.settings.load import load, load_one, read_settings
from tandem.settings.model import Settings
from tandem.supervision.service import Service
from tandem.supervision.state_file import ServiceState, StateFile, read_states
from tandem.waiting import NotYetError, wait_for
from tandem_rehearsal.environment import RehearsalEnvironment
from tandem_rehearsal.services import layout_of

BOTH = "orders_payments, segment_revenue"


def settings_of(pipeline: str, folder: Path) -> Settings:
    return load("embedded", {"pipeline": pipeline, "state_dir": folder})


def test_several_are_named_with_commas_and_each_has_settings_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings("embedded").pipelines == ("orders_payments",)
    monkeypatch.setenv("TANDEM_PIPELINE", f"{BOTH},orders_payments,")
    assert read_settings("embedded").pipelines == ("orders_payments", "segment_revenue")
    assert load("embedded").pipeline == "orders_payments"
    # The command line wins.
    assert read_settings("embedded", {"pipeline": "segment_revenue"}).pipelines == ("segment_revenue",)
    parameters = [job.settings.job.parameters for job in CommandContext("embedded").jobs]
    assert parameters == [{"match_window_seconds": 1800}, {"window_seconds": 60}]


def test_a_parameter_is_for_the_pipelines_that_a_command_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_JOB__PARAMETERS__WINDOW_SECONDS", "30")
    monkeypatch.setenv("TANDEM_MONGO__PORT", "1001")
    assert CommandContext("embedded", "segment_revenue").settings.job.parameters == {"window_seconds": 30}
    beside = CommandContext("embedded", "segment_revenue").job_of("orders_payments").settings
    assert (beside.job.parameters, beside.mongo.port) == ({"match_window_seconds": 1800}, 1001)
    with pytest.raises(UsageError, match="orders_payments has no parameter 'window_seconds'"):
        _ = CommandContext("embedded", "orders_payments").settings


def test_a_program_that_is_about_one_pipeline_refuses_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_PROFILE", "embedded")
    assert load_one().pipeline == "orders_payments"
    monkeypatch.setenv("TANDEM_PIPELINE", BOTH)
    with pytest.raises(UsageError, match="TANDEM_PIPELINE names 2"):
        load_one()


def test_one_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="no pipeline 'nowhere'"):
        _ = CommandContext("embedded", "orders_payments,nowhere").jobs


def test_what_fails_for_one_is_still_done_for_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[str] = []

    def do(job: Job) -> None:
        done.append(job.settings.pipeline)
        if len(done) == 1:
            raise UsageError("it is wrong", hint="mend it")

    with pytest.raises(UsageError, match=r"failed for orders_payments$"):
        CommandContext("embedded", BOTH).for_each_job(do)
    assert done == ["orders_payments", "segment_revenue"]
    told = capsys.readouterr().err
    assert "error: orders_payments: it is wrong\nhint: mend it" in told
    assert told.count("tandem: profile") == 1
    with pytest.raises(TandemError, match=r"^it is wrong$"):
        CommandContext("embedded").for_each_job(lambda job: done.clear() or do(job))


def test_two_that_would_write_into_one_place_are_refused(tmp_path: Path) -> None:
    own = tmp_path / "pipelines"
    first = write("parcels", own).folder
    shutil.copytree(first, own / "letters")
    parcels, letters = (load("embedded", {"pipeline": name, "pipelines_dir": own}) for name in ("parcels", "letters"))
    check_conflicts([parcels, settings_of("orders_payments", tmp_path), parcels])
    with pytest.raises(UsageError, match=r"parcels and letters would both write to the topic parcels_dead_letter_v1"):
        check_conflicts([parcels, letters])
    streams = own / "letters" / "streams.py"
    streams.write_text(streams.read_text().replace("parcels_dead_letter_v1", "letters_dead_letter_v1"))
    letters.location.forget()
    with pytest.raises(UsageError, match=r"both write to the collection parcels\.parcels_answered"):
        check_conflicts([parcels, letters])
    # Nor into a third one, whatever the dashboard shows; in another database it is another.
    streams.write_text(streams.read_text().replace("parcels_", "letters_"))
    for place in (parcels.location, letters.location):
        file = place.file("streams")
        file.write_text(f"{file.read_text()}\nCOLLECTIONS = (*COLLECTIONS, Collection('audit'))\n")
        place.forget()
    with pytest.raises(UsageError, match=r"both write to the collection parcels\.audit"):
        check_conflicts([parcels, settings_of("orders_payments", tmp_path), letters])
    own_database = letters.mongo.model_copy(update={"database": "letters"})
    check_conflicts([parcels, letters.model_copy(update={"mongo": own_database})])
    # Alone it is in nobody's way.
    parcels.location.file("oracle").unlink()
    parcels.location.forget()
    check_conflicts([parcels, parcels])


def test_several_may_look_up_in_one_collection(tmp_path: Path) -> None:
    own = tmp_path / "pipelines"
    own.mkdir()
    shutil.copytree(BUNDLED / "segment_revenue", own / "regional")
    for file in (own / "regional").glob("*.py"):
        text = file.read_text().replace("tandem.pipelines.segment_revenue", "pipelines.regional")
        file.write_text(text.replace("segment_revenue", "regional").replace("sales_v1", "regional_sales_v1"))
    regional = load("embedded", {"pipeline": "regional", "pipelines_dir": own})
    revenue = settings_of("segment_revenue", tmp_path)
    assert (regional.mongo.database, regional.location.module("streams").CUSTOMER_SEGMENTS) == (
        revenue.mongo.database,
        revenue.location.module("streams").CUSTOMER_SEGMENTS,
    )
    check_conflicts([regional, revenue])


def test_the_registry_keeps_the_order_and_what_runs(tmp_path: Path) -> None:
    registry = PipelineRegistry(tmp_path)
    assert registry.all() == []
    for name in ("segment_revenue", "orders_payments"):
        registry.add(settings_of(name, tmp_path))
    registry.add(settings_of("segment_revenue", tmp_path / "elsewhere"))
    assert [each.pipeline for each in registry.all()] == ["segment_revenue", "orders_payments"]
    assert registry.all()[0].state_dir == tmp_path
    registry.update(settings_of("segment_revenue", tmp_path / "elsewhere"))
    assert [each.pipeline for each in registry.all()] == ["segment_revenue", "orders_payments"]
    assert registry.all()[0].state_dir == tmp_path / "elsewhere"
    registry.ask_restart("orders_payments")
    assert [registry.asked_restart("orders_payments") for _ in range(2)] == [True, False]
    registry.ask_restart("segment_revenue")
    registry.remove("segment_revenue")
    assert registry.names() == ["orders_payments"]
    # When it comes again, nobody has asked.
    assert not registry.asked_restart("segment_revenue")
    registry.update(settings_of("segment_revenue", tmp_path))
    assert registry.names() == ["orders_payments"]


def written_by_another_version(folder: Path, pipeline: str, change: Callable[[dict[str, Any]], object]) -> Path:
    """Registers a pipeline in a folder as another version of Tandem would; returns its file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{pipeline}.json"
    document = settings_of(pipeline, folder).model_dump(mode="json")
    change(document)
    file.write_text(json.dumps(document))
    return file


def test_settings_of_before_environments_had_names_are_read(tmp_path: Path) -> None:
    written_by_another_version(tmp_path, "orders_payments", lambda settings: settings.pop("environment"))
    assert PipelineRegistry(tmp_path).all() == [settings_of("orders_payments", tmp_path)]


def test_a_registration_of_another_version_is_reported_and_can_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = layout_of(load("rehearsal", {"state_dir": tmp_path}))
    layout.create()
    file = written_by_another_version(layout.pipelines, "segment_revenue", lambda settings: settings.update(new=1))
    registry = PipelineRegistry(layout.pipelines)
    registry.add(settings_of("orders_payments", tmp_path))
    for read in (registry.all, lambda: registry.settings("segment_revenue"), lambda: handed_on(file)):
        with pytest.raises(EnvironmentNotReadyError, match="was started by another version of Tandem") as told:
            read()
        assert told.value.hint == "`tandem down`, then `tandem up`"
    assert [each.pipeline for each in registry.readable()] == ["orders_payments"]
    monkeypatch.setattr(SupervisorProcess, "running", lambda _: True)
    monkeypatch.setattr(DataprocEnvironment, "stop", lambda _: Stopped(ran=True))
    monkeypatch.setattr(DataprocJob, "stop", lambda _: None)
    assert RehearsalEnvironment(load("rehearsal", {"state_dir": tmp_path})).stop().ran
    assert registry.names() == []


def job_in(layout: Layout, settings: Settings) -> EmbeddedJob:
    return EmbeddedJob(settings, layout, SupervisorProcess(layout, "no.module", lambda *_: None))


def lateness_in(folder: Path) -> int:
    """Returns the lateness that a driver reads."""
    return JobConfig.parse((folder / "job.json").read_text("utf-8")).lateness_seconds


def with_lateness(settings: Settings, seconds: int) -> Settings:
    return settings.model_copy(update={"job": settings.job.model_copy(update={"lateness_seconds": seconds})})


def test_a_submit_writes_what_the_driver_reads_before_the_supervisor_sees_it(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, seen = layout.conf_of("job-segment_revenue"), list[int]()
    monkeypatch.setattr(SupervisorProcess, "running", lambda _: True)
    monkeypatch.setattr(PipelineRegistry, "add", lambda *_: seen.append(lateness_in(folder)))
    job_in(layout, with_lateness(settings_of("segment_revenue", tmp_path), 1200)).submit()
    assert seen == [1200]


def test_a_driver_that_is_restarted_reads_the_files_of_the_last_command(layout: Layout, tmp_path: Path) -> None:
    settings = load("embedded", {"pipeline": "segment_revenue", "state_dir": tmp_path, "cache_dir": tmp_path})
    folder, registry = layout.conf_of("job-segment_revenue"), PipelineRegistry(layout.pipelines)
    java = Java(Path("java"), Path("/j"), 17, "")
    driver = Driver(settings, Tools(java, Path("mongod"), {runtimes().default.jars: ()}), layout)
    assert driver.command[driver.command.index("--config") + 1] == str(folder / "job.json")
    registry.add(settings)
    for seconds in (1200, 1300):
        job_in(layout, with_lateness(settings, seconds)).ask_restart()
        # The supervisor may still have the driver with the settings of before.
        driver.prepare()
        assert lateness_in(folder) == seconds
    assert not job_in(layout, with_lateness(settings, 1300)).is_outdated()


@pytest.mark.parametrize("failed", ["kafka", "mongod", "job-segment_revenue"])
def test_a_restart_of_a_job_says_which_service_it_cannot_start(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed: str
) -> None:
    def asked(_: EmbeddedJob) -> None:
        raise TandemError("the supervisor is asked", hint="")

    monkeypatch.setattr(SupervisorProcess, "running", lambda _: True)
    monkeypatch.setattr(EmbeddedJob, "ask_restart", asked)
    settings = settings_of("segment_revenue", tmp_path)
    PipelineRegistry(layout.pipelines).add(settings)
    states = StateFile(layout.state, ["kafka", "mongod", "job-segment_revenue"])
    states.show(failed, state="failed", pid=None, error="was given up: why")
    job = job_in(layout, settings)
    assert job.problem() == f"{failed} was given up: why"
    with pytest.raises(TandemError) as told:
        job.restart()
    if failed.startswith("job"):
        assert str(told.value) == "the supervisor is asked"
    else:
        assert (str(told.value), told.value.hint) == (
            f"{failed} was given up: why",
            "fix it, then run `tandem down` and `tandem up`; the job resumes where it stopped",
        )


def test_a_driver_with_other_settings_is_outdated_until_it_is_restarted(layout: Layout, tmp_path: Path) -> None:
    def job(settings: Settings) -> EmbeddedJob:
        return job_in(layout, settings)

    settings, registry = settings_of("segment_revenue", tmp_path), PipelineRegistry(layout.pipelines)
    assert not job(settings).is_outdated()
    # The port of its page is the environment's choice.
    registry.add(settings.model_copy(update={"ui": settings.ui.model_copy(update={"spark_port": 4444})}))
    assert not job(settings).is_outdated()
    changed = settings.model_copy(update={"spark": {**settings.spark, "spark.driver.memory": "5g"}})
    assert job(changed).is_outdated()
    job(changed).ask_restart()
    assert not job(changed).is_outdated()
    assert job(settings).is_outdated()
    assert job(changed).page_port() == 4444
    written = (layout.conf_of("job-segment_revenue") / "spark.conf").read_text()
    assert "spark.driver.memory 5g\n" in written
    assert "spark.ui.port 4444\n" in written
    assert registry.asked_restart("segment_revenue")
    elsewhere = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"bootstrap": "other:9092"})})
    with pytest.raises(EnvironmentNotReadyError, match="unlike these settings"):
        job(elsewhere).ask_restart()


def test_a_saved_settings_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write("parcels", tmp_path / "pipelines").folder
    monkeypatch.setenv("TANDEM_PIPELINES_DIR", str(folder.parent))
    context = CommandContext("embedded", "parcels")
    job = context.job
    assert not context.refresh()
    assert context.job is job
    file = folder / "settings.toml"
    good = file.read_text()
    file.write_text(f"{good}[job")
    with pytest.raises(UsageError, match=r"settings\.toml: "):
        context.refresh()
    assert context.settings.job.trigger_seconds == 0
    file.write_text(good.replace("[job.parameters]", "[job]\ntrigger_seconds = 0.5\n[job.parameters]"))
    assert context.refresh()
    assert context.settings.job.trigger_seconds == 0.5
    assert context.job is not job
    assert not context.refresh()


def test_the_first_pipelines_job_needs_no_name(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.create()
    assert layout.job("segment_revenue") == "job"
    layout.settings.write_text(settings_of("orders_payments", tmp_path).model_dump_json())
    assert [layout.job(name) for name in ("orders_payments", "segment_revenue")] == ["job", "job-segment_revenue"]
    assert layout.conf_of("job") == layout.conf
    assert layout.conf_of("job-segment_revenue") == layout.conf / "job-segment_revenue"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path)
    found.create()
    found.settings.write_text(settings_of("orders_payments", tmp_path).model_dump_json())
    return found


@pytest.fixture
def drivers(layout: Layout) -> Iterator[JobRunners]:
    """Drivers that do nothing but run."""
    states, ended = StateFile(layout.state), threading.Event()

    def make(settings: Settings) -> Service:
        command = ("sleep", str(300 + settings.job.lateness_seconds))
        return Service(layout.job(settings.pipeline), command, dict(os.environ))

    found = JobRunners(
        PipelineRegistry(layout.pipelines), make, layout, states, lambda: None if ended.is_set() else found.update()
    )
    yield found
    ended.set()
    found.stop()


def until(layout: Layout, condition: Callable[[dict[str, ServiceState]], bool]) -> dict[str, ServiceState]:
    def probe() -> dict[str, ServiceState]:
        if not condition(states := read_states(layout.state)):
            raise NotYetError(str(states))
        return states

    return wait_for("the drivers", probe, deadline_s=20, hint="", interval_s=0.02)


def running(*names: str) -> Callable[[dict[str, ServiceState]], bool]:
    return lambda states: set(states) == set(names) and all(each.state == "running" for each in states.values())


def test_what_happens_to_one_driver_the_other_does_not_feel(
    layout: Layout, drivers: JobRunners, tmp_path: Path
) -> None:
    registry, first, second = PipelineRegistry(layout.pipelines), "job", "job-segment_revenue"
    registry.add(settings_of("orders_payments", tmp_path))
    drivers.update()
    pid = until(layout, running(first))[first].pid
    registry.add(settings_of("segment_revenue", tmp_path))
    drivers.update()
    killed = until(layout, running(first, second))[second].pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    states = until(layout, lambda states: running(first, second)(states) and states[second].pid != killed)
    assert (states[first].pid, states[first].restarts, states[second].restarts) == (pid, 0, 1)

    registry.update(with_lateness(settings_of("segment_revenue", tmp_path), 301))
    registry.ask_restart("segment_revenue")
    before = states[second].pid
    drivers.update()
    states = until(layout, lambda states: running(first, second)(states) and states[second].pid != before)
    assert states[first].pid == pid
    # With the settings as they are now; the other one has those that it was started with.
    assert [psutil.Process(states[name].pid).cmdline()[1] for name in (first, second)] == ["600", "601"]

    registry.remove("segment_revenue")
    drivers.update()
    # It comes back before it has gone: two of them never run at once.
    registry.add(settings_of("segment_revenue", tmp_path))
    drivers.update()
    before = states[second].pid
    states = until(layout, lambda states: running(first, second)(states) and states[second].pid != before)
    registry.remove("segment_revenue")
    drivers.update()
    assert until(layout, running(first))[first].pid == pid
