"""Odd names, as client id, user name and topic: each is listed, opened, subscribed, deleted, kicked,
banned and let in again through the API, and none of the others is ever hit instead. They are all
there at the same time, and each is another's near miss.
"""

import contextlib
import urllib.parse

from broker import Peer, Refused, quote

ODD = ["/", "#", "+", "?", "%", "%2F", "%252F", "%25", "%2f", ".", "..", "./", "../", "...", "a/../b", "b", " ",
       "  ", "a b", "a+b", "a%20b", "//", "/a", "a/", "a", "中文", "中", "😀", "👩‍👩‍👧", "e\u0301", "\u00e9", "a,b", "a&b=c",
       "a;b", "'\"", "\\", "<b>", "*", "~", ":", "@", "null", "undefined", "0", "-1", "clientid", "subscribe"]
# Bytes that the broker takes by default.
CLIENTID_MAX, TEXT_MAX = 1024, 65_535
# Bytes of a URL, as far as HTTP libraries go; what stands before the name takes less than these.
URL_MAX, BEFORE = 65_534, 100
LATER = "$delayed/3600/"


def longest(most, letter="长"):
    """Two of the longest with so many bytes. They differ in their last one."""
    count = (most - 1) // len(letter.encode())
    filled = letter * count + "x" * (most - 1 - count * len(letter.encode()))
    return [filled + end for end in "yz"]


def addressable():
    """The longest that can stand in a URL: in plain letters, and where each takes nine bytes."""
    return longest(URL_MAX - BEFORE, "x") + longest((URL_MAX - BEFORE) // 9 * 3)


def encodings(name):
    """A segment of a path as clients write it: the fewest and the most bytes encoded."""
    most = "".join(f"%{byte:02X}" for byte in name.encode())
    return dict.fromkeys([quote(name), most] if len(name) < 100 else [quote(name)])


def run(broker):
    admin = broker.signed_in()
    story = Story(broker, admin)
    ids = ODD + longest(CLIENTID_MAX)
    users = ODD + addressable()[:2]
    story.clients(ids, users)
    topics = [name for name in ODD if "#" not in name and "+" not in name] + addressable()
    # A filter may be a wildcard where that is a level of its own.
    story.filters(topics + ["#", "+"])
    story.retained(topics)
    story.topic_metrics(topics)
    story.delayed(topics)
    story.bans("clientid", ids)
    story.bans("username", ODD + addressable())
    story.longest_of_all()
    story.traces(ids)
    print(f"{len(ids)} client ids, {len(users)} user names, {len(topics)} topics; {story.count} calls")
    return story.failures


class Story:
    def __init__(self, broker, api):
        self.broker, self.api, self.failures, self.count = broker, api, [], 0

    def call(self, method, path, status, body=None):
        """The body that came; None if the status is another."""
        self.count += 1
        answer = self.api.call(method, path, body)
        if answer.status == status:
            return answer.body
        said = str(answer.body)[:120]
        self.failures.append(f"{method} {path[:120]} {str(body)[:120] if body else ''}: {answer.status} {said}")
        return None

    def expect(self, what, found, wanted):
        if found != wanted:
            self.failures.append(f"{what[:120]}: {str(found)[:200]}, wanted {str(wanted)[:200]}")

    def listed(self, path, field):
        """What stands in this field of all rows of a list."""
        found, page, more = [], 1, True
        joint = "&" if "?" in path else "?"
        while more:
            body = self.call("GET", f"{path}{joint}page={page}&limit=50", 200)
            if body is None:
                return found
            found += [row[field] for row in body["data"]]
            page, more = page + 1, body["meta"]["hasnext"]
        return found

    def clients(self, ids, users):
        peers = {name: Peer(self.broker, name, user) for name, user in zip(ids, users, strict=True)}
        self.expect("all clients", sorted(self.listed("/clients", "clientid")), sorted(ids))
        for name, user in zip(ids, users, strict=True):
            for segment in encodings(name):
                self.expect(f"opened {name}", (self.call("GET", f"/clients/{segment}", 200) or {}).get("clientid"), name)
            self.expect(f"clientid={name}", self.listed(f"/clients?clientid={quote(name)}", "clientid"), [name])
            self.expect(f"username={user}", self.listed(f"/clients?username={quote(user)}", "username"), [user])
            # A form writes a space as a plus.
            form = urllib.parse.urlencode({"clientid": name})
            self.expect(f"form {form}", self.listed(f"/clients?{form}", "clientid"), [name])
            like = self.listed(f"/clients?like_clientid={quote(name)}", "clientid")
            self.expect(f"like_clientid={name}", sorted(like), sorted(one for one in ids if name in one))
            self.subscribe_alone(name, ids)
        left = set(ids)
        for name in ids:
            self.call("DELETE", f"/clients/{quote(name)}", 204)
            left.discard(name)
            if not peers[name].gone.wait(10):
                self.failures.append(f"kicked {name[:120]}: still connected")
        for name in ids:
            self.call("GET", f"/clients/{quote(name)}", 404)
        self.kick_one_by_one(ids)

    def subscribe_alone(self, name, ids):
        """A subscription made for this one is this one's alone."""
        segment = quote(name)
        self.call("POST", f"/clients/{segment}/subscribe", 200, {"topic": "alone/#", "qos": 1})
        self.expect(f"subscribed {name}", self.listed("/subscriptions", "clientid"), [name])
        self.expect(f"subscriptions of {name}", self.listed(f"/subscriptions?clientid={segment}", "topic"), ["alone/#"])
        own = self.call("GET", f"/clients/{segment}/subscriptions", 200) or []
        self.expect(f"own of {name}", [one["topic"] for one in own], ["alone/#"])
        self.call("POST", f"/clients/{segment}/unsubscribe", 204, {"topic": "alone/#"})
        self.expect(f"unsubscribed {name}", self.listed("/subscriptions", "clientid"), [])

    def kick_one_by_one(self, ids):
        """Only the one that was named goes; by the list in bulk, too."""
        peers = {name: Peer(self.broker, name) for name in ids}
        for n, name in enumerate(ids):
            if n % 2:
                self.call("POST", "/clients/kickout/bulk", 204, [name])
            else:
                self.call("DELETE", f"/clients/{list(encodings(name))[-1]}", 204)
            peers.pop(name).gone.wait(10)
            self.expect(f"after {name} was kicked", sorted(self.listed("/clients?conn_state=connected", "clientid")),
                        sorted(peers))
            hit = [other for other, peer in peers.items() if peer.gone.is_set()]
            self.expect(f"hit with {name}", hit, [])

    def filters(self, topics):
        with contextlib.closing(Peer(self.broker, "subscriber")) as peer:
            for topic in topics:
                peer.subscribe(topic)
            self.expect("all subscribed", sorted(self.listed("/topics", "topic")), sorted(topics))
            left = set(topics)
            for topic in topics:
                for segment in encodings(topic):
                    found = self.call("GET", f"/topics/{segment}", 200) or []
                    self.expect(f"topic {topic}", [one["topic"] for one in found], [topic])
                for path in ("topics", "subscriptions"):
                    found = self.listed(f"/{path}?topic={quote(topic)}", "topic")
                    self.expect(f"{path} {topic}", found, [topic])
                self.call("POST", "/clients/subscriber/unsubscribe", 204, {"topic": topic})
                left.discard(topic)
                self.expect(f"after {topic} was unsubscribed", sorted(self.listed("/subscriptions", "topic")), sorted(left))

    def retained(self, topics):
        with contextlib.closing(Peer(self.broker, "writer")) as peer:
            for topic in topics:
                peer.publish(topic, b"x", retain=True)
        self.each(topics, "/mqtt/retainer/messages", "/mqtt/retainer/message", opens=True)

    def delayed(self, topics):
        with contextlib.closing(Peer(self.broker, "writer")) as peer:
            for topic in topics:
                peer.publish(LATER + topic)
        self.each(topics, "/mqtt/delayed/messages", "/mqtt/delayed/messages", opens=False)

    def each(self, topics, every, one, opens):
        """Opens and deletes them one by one."""
        left = set(topics)
        self.expect(every, sorted(self.listed(every, "topic")), sorted(left))
        for topic in topics:
            for segment in encodings(topic) if opens else ():
                found = self.call("GET", f"{one}/{segment}", 200) or {}
                self.expect(f"{one} {topic}", found.get("topic"), topic)
            self.call("DELETE", f"{one}/{quote(topic)}", 204)
            left.discard(topic)
            self.expect(f"{every} after {topic} was deleted", sorted(self.listed(every, "topic")), sorted(left))

    def topic_metrics(self, topics):
        path = "/mqtt/topic_metrics"
        for topic in topics:
            self.call("POST", path, 200, {"topic": topic})
        left = set(topics)
        for topic in topics:
            found = self.call("GET", f"{path}/{quote(topic)}", 200) or {}
            self.expect(f"metrics of {topic}", found.get("topic"), topic)
            self.call("DELETE", f"{path}/{quote(topic)}", 204)
            left.discard(topic)
            found = self.call("GET", path, 200) or []
            self.expect(f"metrics after {topic}", sorted(one["topic"] for one in found), sorted(left))

    def bans(self, what, names):
        """Each is kept out, and the next one not; then it is let in again."""
        for name, other in zip(names, names[1:] + names[:1], strict=True):
            self.call("POST", "/banned", 200, {"as": what, "who": name})
            self.expect(f"banned {name}", self.listed("/banned", "who"), [name])
            self.expect(f"banned {what}={name}", self.listed(f"/banned?{what}={quote(name)}", "who"), [name])
            self.expect(f"ban of {name}", (self.let_in(what, name), self.let_in(what, other)), (False, True))
            for segment in list(encodings(name))[-1:]:
                self.call("DELETE", f"/banned/{what}/{segment}", 204)
            self.expect(f"unbanned {name}", self.let_in(what, name), True)
            self.expect(f"bans after {name}", self.listed("/banned", "who"), [])

    def let_in(self, what, name):
        try:
            Peer(self.broker, *((name, None) if what == "clientid" else ("somebody", name))).close()
        except Refused:
            return False
        return True

    def longest_of_all(self):
        """What no URL can hold is told of in lists, and reached by calls that name it in their body."""
        one, other = longest(TEXT_MAX)
        with contextlib.closing(Peer(self.broker, "long", one)) as peer:
            self.expect("longest user name", self.listed("/clients", "username"), [one])
            bulk = [{"topic": one, "qos": 1}, {"topic": other, "qos": 1}]
            self.call("POST", "/clients/long/subscribe/bulk", 200, bulk)
            self.expect("longest topics", sorted(self.listed("/topics", "topic")), [one, other])
            self.call("POST", "/clients/long/unsubscribe", 204, {"topic": one})
            self.expect("longest unsubscribed", self.listed("/subscriptions", "topic"), [other])
            for topic in (one, other):
                self.call("POST", "/publish", 200 if topic == other else 202,
                          {"topic": topic, "payload": "x", "retain": True})
            self.expect("longest received", peer.message().topic, other)
            self.call("POST", "/publish", 202, {"topic": one, "payload": "", "retain": True})
            self.expect("longest retained", self.listed("/mqtt/retainer/messages", "topic"), [other])
            self.call("POST", "/banned", 200, {"as": "username", "who": other})
            self.expect("longest banned", (self.let_in("username", one), self.let_in("username", other)),
                        (True, False))
            self.call("DELETE", "/banned", 204)
            self.call("GET", f"/topics/{quote(one)}", 414)

    def traces(self, ids):
        """Each can be traced; the trace itself has a name that needs no care."""
        for n, name in enumerate(ids):
            made = self.call("POST", "/trace", 200, {"name": f"odd-{n}", "type": "clientid", "clientid": name})
            self.expect(f"trace of {name}", (made or {}).get("clientid"), name)
            self.call("DELETE", f"/trace/odd-{n}", 204)
