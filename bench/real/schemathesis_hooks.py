"""What Schemathesis has to know of Optgate: who may ask what, and what there is to ask about."""

import json
import os
import urllib.request

import schemathesis

API = os.environ["OPTGATE_API"]


def ask(method, path, token, body=None, kind="application/json"):
    """Makes one call. Whatever it answers: what can't be made is not there to be asked about."""
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(
        API + path, data, {"Authorization": "Bearer " + token, "Content-Type": kind}, method=method
    )
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)
    except (urllib.error.HTTPError, json.JSONDecodeError):
        return {}


def seed():
    """Makes one of everything."""
    text = {"type": "text", "text": {"body": "Hi"}}
    ask("POST", "/v1/optout-lists", "lists", {"name": "News", "keywords": ["no news"]})
    ask("POST", "/v1/optout-lists/default/entries", "lists", {"to": "+447700900001", "channel": "wa"})
    ask("POST", "/v1/imports?list=default", "lists", "to,channel\n+447700900002,wa\nnobody,wa\n", "text/csv")
    ask("POST", "/v1/tokens", "admin", {"name": "made", "scopes": ["read"]})
    ask(
        "POST",
        "/v1/broadcasts",
        "send",
        {
            "channel": "wa",
            "category": "marketing",
            "lists": ["default"],
            "message": text,
            "recipients": [{"to": "+447700900001"}, {"to": "+447700900003"}],
        },
    )


seed()


@schemathesis.auth(refresh_interval=None)  # a token belongs to a route and is not kept for the next
class TokenOfItsScope:
    """Asks each route with a token that has the one scope that the route names."""

    def get(self, case, context):
        return context.operation.definition.raw["x-scope"].split()[0]

    def set(self, case, data, context):
        if data != "anyone":
            case.headers["Authorization"] = "Bearer " + data


@schemathesis.serializer("application/x-ndjson", "text/csv")
def as_text(context, value):
    """Writes rows, or whatever else stands in for them."""
    if isinstance(value, (bytes, str)):
        return value if isinstance(value, bytes) else value.encode()
    rows = value if isinstance(value, list) else [value]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


# What is there, by the name under which it is asked for.
THERE = {
    "list": ["default", "news"],
    "lists": ["default"],
    "channel": ["wa", "*"],
    "to": ["+447700900001", "07700 900003", "GB.9000000000000000001"],
    "identifier": ["+447700900001", "+447700900009"],
    "topic": ["inbound", "commands", "state", "consent", "outcomes", "events", "dead"],
    "partition": [0, 1],
    "offset": [0, 1, 2],
}


def told(members):
    """Puts what is there in the place of half of the made-up values."""
    for name, choice in THERE.items():
        value = members.get(name)
        if value is None or isinstance(value, bool):
            continue
        if isinstance(value, list):
            members[name] = [choice[0] for _ in value[:1]]
        elif type(value) is type(choice[0]) and (n := sum(str(value).encode("utf-8", "replace"))) % 2:
            members[name] = choice[n // 2 % len(choice)]


@schemathesis.hook
def map_case(context, case):
    """Follows no topic, which never ends; calls nobody's server; and asks now and then about what there is."""
    if case.query and "follow" in case.query:
        case.query["follow"] = "false"
    if isinstance(case.body, dict) and str(case.body.get("webhook_url", "")).startswith("http"):
        case.body["webhook_url"] = "https://webhook.invalid/optouts"
    if case.meta and case.meta.generation.mode.is_positive:
        for members in (case.path_parameters, case.query, case.body):
            if isinstance(members, dict):
                told(members)
    return case
