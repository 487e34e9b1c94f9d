"""Functions that misbehave: one takes memory, one leaves children behind."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

MB = 1024 * 1024


def take_memory(event, context):
    wanted = json.loads(event["body"]) if "body" in event else event
    held = b"x" * (wanted["mb"] * MB)
    if wanted.get("forks"):
        # Each sees the parent's pages and shares them.
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=time.sleep, args=(1.5,)) for _ in range(wanted["forks"])]
        for child in children:
            child.start()
        for child in children:
            child.join()
    if wanted.get("child_mb"):
        code = f"held = b'x' * ({wanted['child_mb']} << 20); import time; time.sleep(10)"
        subprocess.run([sys.executable, "-S", "-c", code], check=False)
    if not wanted.get("briefly"):
        time.sleep(wanted.get("seconds", 0))
    return {"statusCode": 200, "body": str(len(held))}


def start_children(event, context):
    """Leave a child in this session and one in a session of its own, return their pids, and stay busy as told."""
    children = [subprocess.Popen(["sleep", "600"], start_new_session=own) for own in (False, True)]
    pids = [os.getpid(), *(child.pid for child in children)]
    Path(event["pids"]).write_text(json.dumps(pids))
    time.sleep(event["seconds"])
    return pids
