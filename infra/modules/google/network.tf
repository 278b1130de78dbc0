resource "google_compute_network" "tandem" {
  name                    = "tandem-${var.name}"
  project                 = var.project
  auto_create_subnetworks = false

  depends_on = [google_project_service.api]
}

resource "google_compute_subnetwork" "tandem" {
  name          = "tandem-${var.name}"
  project       = var.project
  region        = var.region
  network       = google_compute_network.tandem.id
  ip_cidr_range = var.range
  # The machines have no public addresses, and reach Google's APIs by this.
  private_ip_google_access = true
}

# Dataproc's machines talk to one another on all ports.
resource "google_compute_firewall" "internal" {
  name          = "tandem-${var.name}-internal"
  project       = var.project
  network       = google_compute_network.tandem.id
  direction     = "INGRESS"
  source_ranges = [var.range]

  allow {
    protocol = "tcp"
  }
  allow {
    protocol = "udp"
  }
  allow {
    protocol = "icmp"
  }
}

# Kafka and MongoDB see this address.
resource "google_compute_address" "nat" {
  name    = "tandem-${var.name}"
  project = var.project
  region  = var.region

  depends_on = [google_project_service.api]
}

resource "google_compute_router" "tandem" {
  name    = "tandem-${var.name}"
  project = var.project
  region  = var.region
  network = google_compute_network.tandem.id
}

resource "google_compute_router_nat" "tandem" {
  name                               = "tandem-${var.name}"
  project                            = var.project
  region                             = var.region
  router                             = google_compute_router.tandem.name
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = [google_compute_address.nat.self_link]
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
  # By default 64, for each machine.
  min_ports_per_vm = 1024
}
