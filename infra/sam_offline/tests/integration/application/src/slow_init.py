"""A function that takes long to start, as one with a large model would."""

import os
import time

time.sleep(float(os.environ["INIT_SECONDS"]))


def handler(event, context):
    return "up"
