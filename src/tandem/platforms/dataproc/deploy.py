"""Deploys a release to Google Cloud. All checks run before any change."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from tandem.artifacts import ensure_jars
from tandem.engine.declare.replay_range import ReplayRange
from tandem.errors import TandemError, UsageError
from tandem.job_files import RECONCILE, REPLAY, replay_arguments
from tandem.local_spark.java import find_java
from tandem.platforms.dataproc.batches import Batches
from tandem.platforms.dataproc.bucket import Bucket
from tandem.platforms.dataproc.checkpoint_check import doubt_of
from tandem.platforms.dataproc.clients import Clients
from tandem.platforms.dataproc.cluster import Cluster
from tandem.platforms.dataproc.cluster_jobs import ClusterJobs
from tandem.platforms.dataproc.driver_log import DriverLog
from tandem.platforms.dataproc.memory import executor_of
from tandem.platforms.dataproc.network import check_network
from tandem.platforms.dataproc.release import Release, release
from tandem.platforms.dataproc.runs import Run, Runs
from tandem.platforms.dataproc.secret_check import check_secret
from tandem.platforms.parity import runtime_of
from tandem.platforms.provision import (
    check_kafka,
    check_mongo,
    check_topics,
    create_collections,
    create_topics,
    indexes_of,
    streams_of,
)
from tandem.platforms.rights import check_rights
from tandem.progress_display import work_shown
from tandem.runtimes import runtimes
from tandem.settings.model import Settings

_RECONCILE_DEADLINE_S = 3600.0
_REPLAY_DEADLINE_S = 24 * 3600.0
UNCHANGED = "nothing was changed"
_log = structlog.get_logger(__name__)


class Deployment:
    """The pipeline in one Google project.

    Args:
        settings: complete settings.

    Attributes:
        bucket: the bucket of the releases and checkpoints.
        cluster: the job's cluster; None for serverless batches.
        jobs: the pipeline's runs in the service that the settings choose.
        unfinished: what an interruption would leave behind now, as part of a message.
    """

    def __init__(self, settings: Settings) -> None:
        clients = Clients(settings.gcp)
        self._settings = settings
        self._clients = clients
        self.bucket = Bucket(settings, clients.storage)
        self.cluster = None if settings.gcp.serverless else self.any_cluster
        on_cluster: Runs = ClusterJobs(settings, clients.jobs, self.bucket)
        serverless: Runs = Batches(settings, clients.batches, self.bucket)
        self.jobs, self._elsewhere = (serverless, on_cluster) if settings.gcp.serverless else (on_cluster, serverless)
        self.unfinished = UNCHANGED

    @property
    def services(self) -> tuple[Runs, Runs]:
        """The runs in both of Dataproc's services, the chosen one first."""
        return self.jobs, self._elsewhere

    @property
    def any_cluster(self) -> Cluster:
        """The cluster that the settings name, also if they choose serverless batches."""
        return Cluster(self._settings, self._clients.clusters)

    def newest(self) -> tuple[Runs, Run | None]:
        """Returns the newest run, and the service that has it.

        A run that is active in the other service comes first: the settings may have changed since it was submitted.
        """
        own = self.jobs.newest()
        if own and own.active:
            return self.jobs, own
        other = self._elsewhere.newest()
        return (self._elsewhere, other) if other and other.active else (self.jobs, own)

    def elsewhere(self, service: Runs, run: Run | None) -> str | None:
        """Returns a warning if a run is not in the service that the settings choose."""
        if run is None or service is self.jobs:
            return None
        place, value = ("on a cluster", "true") if self._settings.gcp.serverless else ("as a serverless batch", "false")
        return f"the job {run.id} runs {place}, but gcp.serverless is {value} now"

    def log(self, service: Runs) -> DriverLog:
        """Returns the output of the drivers of a service's runs."""
        return DriverLog(self._settings, self._clients, self.bucket, service)

    def close(self) -> None:
        """Closes the connections to Google."""
        self._clients.close()

    def login(self) -> str:
        """Returns the account of the login, after Google accepted it.

        Raises:
            EnvironmentNotReadyError: there is no login, or Google does not accept it.
        """
        return self._clients.login()

    def check_apis(self) -> str:
        """Returns a line about the project's APIs; see ``GoogleProject.check_apis``."""
        return self._clients.project.check_apis()

    def check_roles(self) -> str:
        """Returns the login's roles; see ``GoogleProject.check_roles``."""
        return self._clients.project.check_roles()

    def check_network(self) -> str:
        """Returns a line about the network of the cluster's machines.

        See ``network.check_network``.
        """
        return check_network(self._settings.gcp, self._clients.project)

    def check(self) -> None:
        """Raises if a requirement of the deployment is not met; changes nothing.

        Raises:
            UsageError: an executor does not fit into a container, or the job would look for a secret on a machine
                that does not have it.
            EnvironmentNotReadyError: something is missing or denies access; the message names it.
            TandemError: the pipeline runs in Dataproc's other service, or as a job of an earlier version of Tandem.
        """
        executor_of(self._settings)
        secrets = (("kafka", self._settings.kafka.job_password), ("mongo", self._settings.mongo.job_password))
        for section, reference in secrets:
            if not (reference or "").startswith("gsm:"):
                raise UsageError(
                    f"{section}.job_password is {reference}, which is not on the cluster",
                    hint="store it in Secret Manager and set gsm:projects/P/secrets/S",
                )
        self.bucket.check()
        self.check_secrets()
        self.check_elsewhere()
        self.check_earlier()
        if self.cluster:
            self.cluster.check()
        check_kafka(self._settings.kafka)
        check_topics(self._settings.kafka, *streams_of(self._settings.location))
        check_mongo(self._settings.mongo)

    def check_secrets(self) -> list[str]:
        """Checks the secrets that the job will read; returns their names.

        Each must have an enabled version.

        Raises:
            EnvironmentNotReadyError: a secret has no version, or its newest one is disabled or destroyed.
        """
        references = (self._settings.kafka.job_password, self._settings.mongo.job_password)
        names = [(reference or "").removeprefix("gsm:") for reference in references]
        for name in names:
            check_secret(self._clients, name)
        return names

    def check_elsewhere(self) -> None:
        """Raises if the pipeline runs in Dataproc's other service.

        This also finds a wrong project or region.

        Raises:
            EnvironmentNotReadyError: Dataproc does not answer or denies access.
            TandemError: it runs there, or the region is wrong.
        """
        newest = self._elsewhere.newest()
        if newest and newest.active:
            where = self.elsewhere(self._elsewhere, newest)
            raise TandemError(f"{where}, and both would use its checkpoint", hint="first run `tandem destroy`")

    def check_earlier(self) -> None:
        """Raises if a job of an earlier version of Tandem uses the checkpoint.

        See ``Runs.check_earlier``.
        """
        for service in self.services:
            service.check_earlier()

    def doubt(self) -> str | None:
        """Returns why this version could not be checked against the checkpoint.

        None if it was, or runs already.

        Raises:
            TandemError: it cannot resume from the checkpoint.
        """
        newest = self.jobs.newest()
        if newest and newest.release == release(self._settings).digest:
            return None
        return doubt_of(self._settings, self.bucket)

    def deploy(self, *, anew: bool = False) -> Run:
        """Returns the submitted job, or the running job of the same release.

        A submitted job may still be starting.

        Args:
            anew: whether to replace a job of the same release, too.

        Raises:
            TandemError: something is missing, or Google refused. A second call resumes where it stopped.
        """
        settings = self._settings
        made = release(settings)
        with work_shown("checking what the deployment needs"):
            self.check()
            self._fetch_jars(made)
        with work_shown("checking whether this version fits the checkpoint"):
            reason = self.doubt()
        if reason:
            _log.warning("cannot check here whether this version fits the checkpoint; the job will", reason=reason)
        self.unfinished = "no job was submitted or stopped; topics, uploads and a cluster may have been created"
        with work_shown("creating topics and collections"):
            create_topics(settings.kafka, *streams_of(settings.location))
            check_rights(settings)
            create_collections(settings.mongo, indexes_of(settings.location))
        with work_shown("uploading"):
            self._upload(made)
        if self.cluster:
            self.cluster.ensure()
        newest = self.jobs.newest()
        if newest and newest.active:
            if newest.release == made.digest and not anew:
                _log.info("this release is already running", job=newest.id)
                self.unfinished = f"the job {newest.id} runs this version already, and was left alone"
                return newest
            _log.info("stopping the running job after its current batch; the checkpoint is kept", job=newest.id)
            self.unfinished = f"the job {newest.id} was asked to stop, and nothing replaces it"
            self.jobs.stop(newest)
            self.unfinished = f"the job {newest.id} has stopped, and it is unknown whether another one was submitted"
        run = self.jobs.submit(made, newest.id if newest else None)
        self.unfinished = f"the job {run.id} was submitted, and it is not known yet whether it works"
        _log.info("submitted", job=run.id, release=made.digest)
        return run

    def reconcile(self) -> Run:
        """Returns the finished batch; joins one that is running.

        Raises:
            TandemError: it could not be submitted, or did not end.
        """
        newest = self.jobs.newest(RECONCILE)
        run = newest if newest and newest.active else self._submit_batch(release(self._settings, RECONCILE), newest)
        _log.info("reconciling", job=run.id)
        return self.jobs.await_end(run, _RECONCILE_DEADLINE_S)

    def replay(self, span: ReplayRange) -> Run:
        """Returns the finished batch.

        Raises:
            TandemError: another one is running, it could not be submitted, or it did not end.
        """
        newest = self.jobs.newest(REPLAY)
        if newest and newest.active:
            # It may have another range.
            raise TandemError(
                f"the replay {newest.id} is running",
                hint="wait until it has ended; `tandem verify --into SUFFIX` then compares its documents",
            )
        made = release(self._settings, REPLAY)
        run = self._submit_batch(replace(made, arguments=(*made.arguments, *replay_arguments(span))), newest)
        _log.info("replaying", job=run.id)
        return self.jobs.await_end(run, _REPLAY_DEADLINE_S)

    def _submit_batch(self, made: Release, newest: Run | None) -> Run:
        self._upload(made)
        return self.jobs.submit(made, newest.id if newest else None)

    def _upload(self, made: Release) -> None:
        uploaded = sum(self.bucket.upload(upload, partial(self._jar, upload.name)) for upload in made.uploads)
        _log.info("uploaded", files=uploaded, already_there=len(made.uploads) - uploaded)

    def _fetch_jars(self, made: Release) -> None:
        """Downloads the jars if the bucket lacks one, by Java and Spark."""
        if not all(self.bucket.has(jar) for jar in made.jars):
            self._jars()

    def _jar(self, name: str) -> Path:
        return next(jar for jar in self._jars() if jar.name == name)

    def _jars(self) -> tuple[Path, ...]:
        java = find_java(self._settings.java_home, runtimes().minimum_java)
        jars = runtime_of(self._settings).jars
        return ensure_jars(self._settings.cache_dir, java.program, (jars,))[jars]
