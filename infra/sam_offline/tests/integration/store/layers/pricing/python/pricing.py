import os


def price(count):
    return f"{count * 10} {os.environ['CURRENCY']}"
