"""The name of a zone beside a local time: no time is shown without it."""

from datetime import datetime


def zone_name(local: datetime) -> str:
    """Name the zone of a local time by its distance from GMT: ``GMT+3``, ``GMT+5:30``.

    Kept from being turned round within an Arabic sentence by whoever writes it into one.
    """
    offset = local.strftime("%z")
    hours, minutes = int(offset[1:3]), offset[3:5]
    if offset in {"+0000", "-0000"}:
        return "GMT"
    return f"GMT{offset[0]}{hours}" + (f":{minutes}" if minutes != "00" else "")
