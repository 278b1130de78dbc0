"""Sends responses: ``python -m tandem.scaffold.example.responses_producer --help``."""

import sys

from tandem.producer.main import main
from tandem.scaffold.example.generator import responses
from tandem.scaffold.example.streams import RESPONSES

if __name__ == "__main__":
    sys.exit(main(RESPONSES, responses))
