"""Sends requests: ``python -m tandem.scaffold.example.requests_producer --help``."""

import sys

from tandem.producer.main import main
from tandem.scaffold.example.generator import requests
from tandem.scaffold.example.streams import REQUESTS

if __name__ == "__main__":
    sys.exit(main(REQUESTS, requests))
