"""What the run needs to end in time, and to understand a second way of saying no."""

import schemathesis
from schemathesis.core import NotSet
from schemathesis.specs.openapi import checks

WAITING = ("/api/v1/wait_", "/api/v1/watch_", "/api/v1/request_permission", "/api/v1/quick_delegate")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Waits last no longer than the run has time for, and nothing that was made up is run as a command."""
    if isinstance(case.body, dict) and isinstance(case.body.get("evidence"), list):
        case.body["evidence"] = [tame(demand) for demand in case.body["evidence"]]
    if not case.path.startswith(WAITING):
        return
    if isinstance(case.body, NotSet):
        case.body, case.media_type = {}, "application/json"
    if isinstance(case.body, dict):
        seconds = case.body.get("timeout_seconds")
        if seconds is None or is_whole(seconds):
            case.body["timeout_seconds"] = 0


def tame(demand):
    return "check: true" if isinstance(demand, str) and demand.strip().startswith("check") else demand


def is_whole(number):
    return isinstance(number, (int, float)) and not isinstance(number, bool) and 0 <= number < 2**32 and number % 1 == 0


# Whoever shows twenty tokens in a minute that are none is told that by 429, which is no less of a no than 401.
checks.AUTH_REJECTION_STATUSES = {*checks.AUTH_REJECTION_STATUSES, 429}
