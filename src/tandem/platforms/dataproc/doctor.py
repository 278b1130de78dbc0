"""The doctor's checks of Google Cloud: each returns a value or raises the problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tandem.errors import TandemError
from tandem.platforms.dataproc.deploy import Deployment
from tandem.platforms.dataproc.run_problems import few_restarts
from tandem.platforms.parity import parity, runtime_of
from tandem.platforms.service_checks import Skipped
from tandem.settings.loaded import require
from tandem.settings.model import Settings


def checks(settings: Settings) -> Mapping[str, Callable[[], str]]:
    """Returns the checks by name; they only read."""
    return {
        "settings": lambda: _settings(settings),
        "login": lambda: _deployment(settings).login(),
        "roles": lambda: _deployment(settings).check_roles(),
        "APIs": lambda: _deployment(settings).check_apis(),
        "network": lambda: _deployment(settings).check_network(),
        "bucket": lambda: _bucket(settings),
        "bucket's costs": lambda: _bucket_costs(settings),
        "secrets": lambda: _secrets(settings),
        "cluster": lambda: _cluster(settings),
        "job": lambda: _job(settings),
        "runtime": lambda: _runtime(settings),
    }


def _settings(settings: Settings) -> str:
    require(settings, settings.needed_to_deploy)
    return f"project {settings.gcp.project}, region {settings.gcp.region}"


def _deployment(settings: Settings) -> Deployment:
    _settings(settings)
    return Deployment(settings)


def _bucket(settings: Settings) -> str:
    _deployment(settings).bucket.check()
    return f"gs://{settings.gcp.bucket}, readable"


def _bucket_costs(settings: Settings) -> str:
    if not settings.billed:
        raise Skipped("the stand-in's objects cost nothing")
    policy, bucket = _deployment(settings).bucket.policy(), f"gs://{settings.gcp.bucket}"
    if policy is None:
        raise Skipped("this login may not see the bucket's settings (role Storage Legacy Bucket Reader)")
    update = f"`gcloud storage buckets update {bucket}"
    if policy.removes_checkpoint:
        raise TandemError(
            f"a lifecycle rule of {bucket} deletes the checkpoint",
            hint=f"{update} --lifecycle-file=FILE`, with a matchesPrefix in each rule, as in docs/guides/gcp.md",
        )
    if policy.soft_delete_s:
        raise TandemError(
            f"{bucket} keeps deleted objects for {policy.soft_delete_s / 86_400:g} days, and each batch of the job "
            "deletes about a dozen",
            hint=f"{update} --clear-soft-delete`",
        )
    if policy.versioned:
        raise TandemError(f"{bucket} keeps each version of its objects", hint=f"{update} --no-versioning`")
    if not policy.removes_output:
        raise TandemError(
            f"{bucket} keeps drivers' output permanently, because no lifecycle rule deletes it",
            hint=f"{update} --lifecycle-file=FILE`, with the file of docs/guides/gcp.md",
        )
    return f"{bucket}: no soft delete, no versions, and drivers' output is deleted at some age"


def _secrets(settings: Settings) -> str:
    names = ", ".join(_deployment(settings).check_secrets())
    if settings.gcp.service_account:
        return names
    return f"{names}; without gcp.service_account, the project's default account must have the right to read them"


def _cluster(settings: Settings) -> str:
    cluster, wanted = _deployment(settings).cluster, runtime_of(settings).image
    if cluster is None:
        raise Skipped(f"not needed: a serverless batch of runtime {wanted}, for {settings.gcp.ttl_hours} hours")
    if (existing := cluster.check()) is None:
        return f"none named {settings.gcp.cluster}; deploy creates it with image {wanted}"
    image = existing.config.software_config.image_version
    # Google adds the patch: 4.0.3-debian13 is a 4.0-debian13.
    version, _, system = wanted.partition("-")
    if not (image == wanted or (image.startswith(f"{version}.") and image.endswith(system))):
        raise TandemError(
            f"{existing.cluster_name} has image {image or 'unknown'}, but the jars are for {wanted}",
            hint="use a cluster of that image, or change `default` in runtimes.toml and lock the jars again",
        )
    return f"{existing.cluster_name}, {existing.status.state.name}, image {image}"


def _job(settings: Settings) -> str:
    deployment = _deployment(settings)
    service, newest = deployment.newest()
    if newest is None or not newest.active:
        deployment.check_earlier()
    # After an interrupted stop, for example.
    idle = "; the stand-ins still run: `tandem destroy` ends them" if settings.backend == "rehearsal" else ""
    if newest is None:
        return f"no job was submitted{idle}"
    if newest.state == "failed":
        raise TandemError(f"{newest.id} failed: {newest.details}", hint="`tandem logs job`")
    if elsewhere := deployment.elsewhere(service, newest):
        raise TandemError(elsewhere, hint="`tandem destroy` stops it; or set gcp.serverless back")
    if few := few_restarts(newest):
        raise TandemError(few, hint="`tandem submit`")
    left = "" if newest.restarts_left is None else f", {newest.restarts_left} restarts left"
    return f"{newest.id}, {newest.state}, release {newest.release}{left}{'' if newest.active else idle}"


def _runtime(settings: Settings) -> str:
    if settings.backend == "rehearsal":
        raise Skipped("the stand-in uses this machine's versions; `tandem parity` compares them")
    if _deployment(settings).newest()[1] is None:
        raise Skipped("no job has reported it yet")
    comparison = parity(settings)
    if comparison.differences:
        raise TandemError(
            "; ".join(comparison.differences), hint="see `tandem parity`; then deploy again, or to another cluster"
        )
    return f"{comparison.wanted.name}: " + ", ".join(f"{name} {version}" for name, version, _ in comparison.lines[:4])
