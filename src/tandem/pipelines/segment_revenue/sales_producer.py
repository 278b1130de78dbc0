"""Sends sales: ``python -m tandem.pipelines.segment_revenue.sales_producer --help``."""

import sys

from tandem.pipelines.segment_revenue.generator import sales
from tandem.pipelines.segment_revenue.streams import SALES
from tandem.producer.main import main

if __name__ == "__main__":
    sys.exit(main(SALES, sales))
