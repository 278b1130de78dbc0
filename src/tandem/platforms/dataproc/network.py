"""Checks whether a cluster's machines reach all services.

See docs/guides/gcp.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from tandem.errors import TandemError
from tandem.platforms.dataproc.google_project import GoogleProject
from tandem.platforms.dataproc.requirements import PROTOCOLS
from tandem.settings.google import GoogleSettings

_ALL_PORTS = "0-65535"
_WHAT = "looking at the network"
# Cloud NAT's own default, for each machine.
_NAT_PORTS = 64


def check_network(google: GoogleSettings, project: GoogleProject) -> str:
    """Returns a line about the network.

    Args:
        google: Google's settings.
        project: reads its description; the login needs Compute Network Viewer.

    Raises:
        EnvironmentNotReadyError: there is no such subnetwork, or the login may not look at it.
        TandemError: a rule or a setting of the network is missing.
    """
    subnetwork = project.get(_WHAT, "compute", f"/compute/v1/{_path(google)}")
    network = str(subnetwork["network"])
    name = network.rpartition("/")[2]
    owner = f"/compute/v1/{network.partition('/compute/v1/')[2].partition('/global/')[0]}"
    # A shared network is in a project of its own.
    host = f"--project={owner.rpartition('/')[2]}"
    rules = project.items(_WHAT, "compute", f"{owner}/global/firewalls")
    own = [rule for rule in rules if rule["network"] == network]
    if closed := [each for each in PROTOCOLS if not _lets_pass(each, own, subnetwork["ipCidrRange"], google)]:
        raise TandemError(
            f"no firewall rule of the network {name} allows {', '.join(closed)} between the cluster's machines",
            hint=f"`gcloud compute firewall-rules create tandem --network={name} --direction=INGRESS "
            f"--allow={','.join(PROTOCOLS)} --source-ranges={subnetwork['ipCidrRange']} {host}`; "
            "firewall policies are not looked at",
        )
    if not subnetwork.get("privateIpGoogleAccess"):
        raise TandemError(
            f"the subnetwork {subnetwork['name']} has no Private Google Access",
            hint=f"`gcloud compute networks subnets update {subnetwork['name']} --region={google.region} "
            f"--enable-private-ip-google-access {host}`",
        )
    routers = project.items(_WHAT, "compute", f"{owner}/regions/{google.region}/routers")
    nats = [nat for router in routers if router["network"] == network for nat in router.get("nats", ())]
    if not nats:
        raise TandemError(
            f"the network {name} has no Cloud NAT in {google.region}: the machines cannot reach Kafka and MongoDB",
            hint="`gcloud compute routers nats create`; docs/guides/gcp.md has the whole command",
        )
    return f"{name}, {subnetwork['ipCidrRange']}, NAT with {_ports(nats)} ports for each machine"


def _path(google: GoogleSettings) -> str:
    """Returns the path of the subnetwork.

    Google takes the one of the network ``default`` if none is set.
    """
    named = google.subnetwork or "default"
    if "/" in named:
        return named[named.index("projects/") :]
    return f"projects/{google.project}/regions/{google.region}/subnetworks/{named}"


def _lets_pass(protocol: str, rules: Iterable[Mapping[str, Any]], machines: str, google: GoogleSettings) -> bool:
    """Returns whether a rule allows a protocol between all machines.

    It must allow all ports.
    """
    return any(
        _is_about(rule, machines, google.service_account) and protocol in _protocols(rule)
        for rule in rules
        if rule["direction"] == "INGRESS" and not rule.get("disabled")
    )


def _is_about(rule: Mapping[str, Any], machines: str, account: str | None) -> bool:
    targets, sources = rule.get("targetServiceAccounts", ()), rule.get("sourceServiceAccounts", ())
    # The machines have no tags.
    to_them = not rule.get("targetTags") and (not targets or account in targets)
    ranges = [ip_network(each) for each in rule.get("sourceRanges", ())]
    own = ip_network(machines)
    inside = any(own.version == each.version and own.subnet_of(each) for each in ranges)  # type: ignore[arg-type]
    return to_them and (inside or account in sources)


def _protocols(rule: Mapping[str, Any]) -> Iterator[str]:
    for allowed in rule.get("allowed", ()):
        protocol, ports = allowed["IPProtocol"], allowed.get("ports", [])
        if not ports or ports == [_ALL_PORTS]:
            yield from PROTOCOLS if protocol == "all" else (protocol,)


def _ports(nats: Iterable[Mapping[str, Any]]) -> int:
    return min(int(nat.get("minPortsPerVm") or _NAT_PORTS) for nat in nats)
