"""A BIG-IP as its REST interface shows it: it keeps objects, fills in defaults and refuses what a device refuses.

Requests in, status and body out, with no network. Method and path are those of iControl REST; `bigip.md` of the facts
names the errors. `empty` collects what no change may bring about: a pool in use without a member.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from tests.targets.bigip.double import checks
from tests.targets.bigip.double.words import BUILT_IN, DEFAULTS, KINDS, Refused, exists, missing, used

Object = dict[str, Any]
TOKEN = "a-token"


class Device:
    def __init__(self, user: str = "admin", password: str = "hunter2-secret", partitions: tuple[str, ...] = ()) -> None:
        self.account = (user, password)
        self.partitions = {"Common", *partitions}
        self.objects: dict[str, dict[str, Object]] = defaultdict(dict)
        self.members: dict[str, dict[str, Object]] = defaultdict(dict)
        self.uploads: dict[str, str] = {}
        self.calls: list[str] = []
        self.empty: list[str] = []
        self.bash: list[str] = []
        self.answer_to_bash = ""
        self.fail_on = ""
        for collection, names in BUILT_IN.items():
            for name in names:
                self.objects[collection][f"/Common/{name}"] = {"fullPath": f"/Common/{name}"}
        self.built_in = {(c, name) for c, found in self.objects.items() for name in found}

    def own(self) -> list[tuple[str, str]]:
        """What somebody made."""
        return sorted(
            (collection, name)
            for collection, found in self.objects.items()
            for name, item in found.items()
            if (collection, name) not in self.built_in and item.get("autoDelete") != "true"
        )

    def handle(self, method: str, path: str, body: Any, token: str | None) -> tuple[int, Any]:
        """One request."""
        self.calls.append(f"{method} {path}")
        try:
            if self.fail_on and re.search(self.fail_on, f"{method} {path}"):
                raise Refused(400, "01070911:3: the double was told to refuse this")
            answer = self._login(body) if path == "/mgmt/shared/authn/login" else self._known(method, path, body, token)
        except Refused as refused:
            return refused.status, refused.body()
        checks.watch(self)
        checks.automatic_addresses(self)
        return 200, answer

    def _login(self, body: Object) -> Object:
        if (body.get("username"), body.get("password")) != self.account:
            raise Refused(401, "Authentication failed.", 1)
        return {"token": {"token": TOKEN}}

    def _known(self, method: str, path: str, body: Any, token: str | None) -> Any:
        if token != TOKEN:
            raise Refused(401, "Authorization failed: no user authentication header or token detected.", 1)
        if path.startswith("/mgmt/shared/file-transfer/uploads/"):
            self.uploads[path.rpartition("/")[2]] = body
            return {"localFilePath": path}
        if path.startswith("/mgmt/shared/authz/tokens/"):
            return body
        where = path.removeprefix("/mgmt/tm/").partition("?")[0]
        if where == "net/self":
            return {}
        if where == "util/bash":
            self.bash.append(
                re.sub(r" && true \w{16}'$", "'", str(body["utilCmdArgs"]))
            )  # `true` ignores what it is told
            return {"commandResult": self.answer_to_bash}
        collection = next(
            (c for c in sorted(KINDS, key=len, reverse=True) if where == c or where.startswith(f"{c}/")), ""
        )
        if not collection:
            raise Refused(404, f"Public URI path not registered: {path}", 1)
        rest = [part for part in where.removeprefix(collection).split("/") if part]
        name = re.sub("~+", "/", rest[0]) if rest else ""
        if collection == "ltm/pool" and rest[1:2] == ["members"]:
            return self._member(method, name, re.sub("~+", "/", rest[2]) if rest[2:] else "", body)
        return self._object(method, collection, name, rest[1:], body)

    def _object(self, method: str, collection: str, name: str, below: list[str], body: Any) -> Any:
        found = self.objects[collection]
        if method == "POST" and not name:
            return self._create(collection, body)
        if not name:
            return {"items": list(found.values())} if found else {}
        if collection == "ltm/policy" and method == "PATCH" and body == {}:
            partition, last = name.strip("/").split("/")
            found[f"/{partition}/Drafts/{last}"] = dict(self._get(collection, name))
            return {}
        current = self._get(collection, name)
        if method == "GET":
            return {"items": current.get(below[0], [])} if below else current
        if method == "DELETE":
            return self._delete(collection, name)
        if not body:
            raise Refused(400, "one or more properties must be specified", 26214401)
        changed = checks.merged(collection, current, body, replace=method == "PUT")
        checks.accept(self, collection, name, changed)
        found[name] = changed
        return changed

    def _create(self, collection: str, body: Object) -> Object:
        if collection == "ltm/policy" and body.get("command") == "publish":
            draft = checks.qualified(body["name"])
            made = self._get(collection, draft)
            published = draft.replace("/Drafts/", "/")
            self.objects[collection][published] = {**made, "fullPath": published}
            del self.objects[collection][draft]
            return {}
        name = checks.qualified(body["name"], body.get("partition", "Common"))
        checks.own_partition(self, KINDS[collection], name)
        if name in self.objects[collection]:
            raise exists(KINDS[collection], name)
        made = checks.merged(collection, {**DEFAULTS.get(collection, {}), "fullPath": name}, body, replace=False)
        if "sourcePath" in made:
            made["content"] = self.uploads[made["sourcePath"].rpartition("/")[2]]
        checks.accept(self, collection, name, made)
        self.objects[collection][name] = made
        return made

    def _get(self, collection: str, name: str) -> Object:
        if name not in self.objects[collection]:
            raise missing(KINDS[collection], name)
        return self.objects[collection][name]

    def _delete(self, collection: str, name: str) -> Any:
        by = checks.user_of(self, collection, name)
        if by:
            raise used(KINDS[collection], name, by)
        del self.objects[collection][name]
        self.members.pop(name, None) if collection == "ltm/pool" else None
        return None

    def _member(self, method: str, pool: str, name: str, body: Any) -> Any:
        self._get("ltm/pool", pool)
        found = self.members[pool]
        if method == "GET" and not name:
            return {"items": list(found.values())} if found else {}
        if method == "POST":
            name = checks.qualified(body["name"])
            if name in found:
                raise exists("Pool Member", name)
            self._get("ltm/node", name.rpartition(":")[0])
            found[name] = {**DEFAULTS["member"], "fullPath": name}
            return found[name]
        if name not in found:
            raise missing("Pool Member", f"{pool} {name}")
        if method == "DELETE":
            return found.pop(name) and None
        found[name] = checks.member(found[name], body)
        return found[name]
