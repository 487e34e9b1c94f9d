"""Takes its time to come up, as a function with a large model would."""

import os
import time

time.sleep(float(os.environ["INIT_SECONDS"]))


def handler(event, context):
    return "up"
