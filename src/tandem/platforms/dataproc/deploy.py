"""Deploys a release to Google Cloud. All checks run before any change."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import structlog

from tandem.artifacts import ensure_jars
from tandem.errors import TandemError
from tandem.job_files import STREAM
from tandem.local_spark.java import find_java
from tandem.platforms.changes import ChangesSoFar
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
from tandem.platforms.dataproc.run import Run
from tandem.platforms.dataproc.runs import Runs
from tandem.platforms.dataproc.secret_check import JOB_PASSWORDS, check_reference, check_secret
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

_log = structlog.get_logger(__name__)


class Deployment:
    """The pipeline in one Google project.

    Args:
        settings: complete settings.

    Attributes:
        bucket: the bucket of the releases and checkpoints.
        cluster: the job's cluster; None for serverless batches.
        jobs: the pipeline's runs in the service that the settings choose.
    """

    def __init__(self, settings: Settings) -> None:
        clients = Clients(settings.gcp)
        self._settings = settings
        self._clients = clients
        self.bucket = Bucket(settings, clients.storage)
        self.cluster = None if settings.gcp.serverless else self.any_cluster
        on_cluster: Runs = ClusterJobs(settings, clients.jobs, self.bucket)
        serverless: Runs = Batches(settings, clients.batches, self.bucket)
        self.jobs, self.other_jobs = (serverless, on_cluster) if settings.gcp.serverless else (on_cluster, serverless)

    @property
    def services(self) -> tuple[Runs, Runs]:
        """The runs in both of Dataproc's services, the chosen one first."""
        return self.jobs, self.other_jobs

    @property
    def any_cluster(self) -> Cluster:
        """The cluster that the settings name, also if they choose serverless batches."""
        return Cluster(self._settings, self._clients.clusters)

    def newest(self, entry: str = STREAM) -> tuple[Runs, Run | None]:
        """Returns the newest run in both services, and the service that has it.

        An active run comes first. The settings may have changed since it was submitted.

        Args:
            entry: the pipeline's file that it runs.
        """
        own = self.jobs.newest(entry)
        if own and own.active:
            return self.jobs, own
        other = self.other_jobs.newest(entry)
        if other and (own is None or other.rank > own.rank):
            return self.other_jobs, other
        return self.jobs, own

    def elsewhere(self, service: Runs, run: Run | None) -> str | None:
        """Returns a warning if a run is active in the service that is not chosen."""
        if run is None or not run.active or service is self.jobs:
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
        for name in JOB_PASSWORDS:
            check_reference(self._settings, name)
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
        newest = self.other_jobs.newest()
        if newest and newest.active:
            where = self.elsewhere(self.other_jobs, newest)
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

    def deploy(self, changes: ChangesSoFar, *, anew: bool = False) -> Run:
        """Returns the submitted job, or the running job of the same release.

        A submitted job may still be starting. A job of the same release is replaced if it stops: an interrupted command
        may have asked it to.

        Args:
            changes: what is changed, kept up to date.
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
        changes.data = "topics, collections and uploads may have been created"
        with work_shown("creating topics and collections"):
            create_topics(settings.kafka, *streams_of(settings.location))
            check_rights(settings)
            create_collections(settings.mongo, indexes_of(settings.location))
        with work_shown("uploading"):
            self.upload(made)
        if self.cluster:
            changes.cluster = changes.with_costs(f"the cluster {settings.gcp.cluster} may have been created")
            self.cluster.ensure()
            changes.cluster = changes.with_costs(f"the cluster {settings.gcp.cluster} runs")
        elif changes.billed:
            changes.cluster = "a serverless job costs money as long as it runs"
        newest = self.jobs.newest()
        unknown = "it is unknown whether a job was submitted"
        if newest and newest.active:
            if newest.release == made.digest and not anew and not self.jobs.is_stopping(newest):
                _log.info("this release is already running", job=newest.id)
                changes.job = f"the job {newest.id} runs this version already, and was left alone"
                return newest
            _log.info("stopping the running job after its current batch; the checkpoint is kept", job=newest.id)
            changes.job = f"the job {newest.id} was asked to stop, and nothing replaces it"
            self.jobs.stop(newest)
            unknown = f"the job {newest.id} has stopped, and it is unknown whether another one was submitted"
        changes.job = unknown
        run = self.jobs.submit(made, newest.id if newest else None)
        changes.job = f"the job {run.id} was submitted, and it is not known yet whether it works"
        _log.info("submitted", job=run.id, release=made.digest)
        return run

    def upload(self, made: Release) -> None:
        """Uploads the files of a release that the bucket lacks."""
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
