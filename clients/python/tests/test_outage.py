"""Broker and network go away and come back: with QoS 1 nothing is lost within the buffer's bound,
and messages flow again within 5 s."""

import errno
import os
import subprocess
import threading
import time
import unittest
from unittest import mock

from place import LONG, PATIENCE, Broker, Cable, name, until

from ternmq import Publisher, Subscriber

AGAIN_SECS = 5
CUT_SECS = 30 if LONG else 3
# A frozen network is noticed by MQTT's keep-alive only: short, so that the short run sees it, too.
FROZEN_SECS, KEEPALIVE = (30, 10) if LONG else (6, 2)
RATE = 100


class Stream:
    """Numbers from one publisher to one subscriber, and when each arrived."""

    def __init__(self, test, port, host="127.0.0.1", **options):
        self.topic, self.sent, self.got = name(), 0, {}
        self.listener = Subscriber(self.topic, host, port, on_message=self.take, **options)
        test.addCleanup(self.listener.close)
        self.speaker = Publisher(host, port, **options)
        test.addCleanup(self.speaker.close)
        self.going = True
        self.thread = threading.Thread(target=self.go)
        self.thread.start()
        test.addCleanup(self.end)
        until(lambda: len(self.got) > RATE // 10, what="the first messages")

    def take(self, message):
        self.got.setdefault(int(message.text()), time.monotonic())

    def go(self):
        while self.going:
            self.speaker.publish(self.topic, str(self.sent))
            self.sent += 1
            time.sleep(1 / RATE)

    def end(self):
        self.going = False
        self.thread.join()

    def flows_again(self, test):
        """Waits for a message that is published from now on; how long that took."""
        begun, first = time.monotonic(), self.sent
        until(lambda: max(self.got) > first, AGAIN_SECS * 3, "messages to flow again")
        took = time.monotonic() - begun
        test.assertLess(took, AGAIN_SECS)
        return took

    def nothing_is_lost(self, test):
        self.end()
        test.assertTrue(self.speaker.flush(PATIENCE))
        until(lambda: len(self.got) >= self.sent, what="all messages")
        test.assertEqual(sorted(self.got), list(range(self.sent)))
        test.assertEqual((self.speaker.dropped, self.listener.dropped), (0, 0))


class Outage(unittest.TestCase):
    def setUp(self):
        self.broker = Broker()
        self.addCleanup(self.broker.close)
        self.cable = Cable(self.broker.port)
        self.addCleanup(self.cable.cut)

    def story(self, happens, **options):
        with self.assertLogs("ternmq", "WARNING"):
            stream = Stream(self, self.cable.port, **options)
            for trouble in happens:
                trouble()
                took = stream.flows_again(self)
                print(f"{trouble.__name__}: flows again after {took:.1f} s, {stream.sent} sent",
                      flush=True)
            stream.nothing_is_lost(self)

    def test_the_broker_restarts(self):
        def stopped():
            self.broker.stop()
            time.sleep(1)
            self.broker.start()

        def killed():
            self.broker.kill()
            time.sleep(1)
            self.broker.start()

        self.story([stopped, killed])

    def test_the_network_is_cut(self):
        def cut():
            self.cable.cut()
            time.sleep(CUT_SECS)
            self.cable.mend()

        self.story([cut])

    def test_the_network_freezes(self):
        def frozen():
            self.cable.freeze()
            time.sleep(FROZEN_SECS)
            self.cable.mend()

        self.story([frozen], keepalive=KEEPALIVE)

    def test_qos_2_arrives_once(self):
        got, topic = [], name()
        listener = Subscriber(topic, port=self.cable.port, qos=2,
                              on_message=lambda message: got.append(int(message.text())))
        self.addCleanup(listener.close)
        speaker = Publisher(port=self.cable.port)
        self.addCleanup(speaker.close)
        with self.assertLogs("ternmq", "WARNING"):
            for n in range(300):
                speaker.publish(topic, str(n), 2)
                if n % 100 == 50:
                    self.cable.cut()
                    self.cable.mend()
                time.sleep(0.005)
            self.assertTrue(speaker.flush(PATIENCE))
            until(lambda: len(got) >= 300)
            self.assertEqual(got, list(range(300)))

    def test_the_buffer_has_a_bound_and_counts(self):
        topic = name()
        listener = Subscriber(topic, port=self.broker.port)
        self.addCleanup(listener.close)
        speaker = Publisher(port=self.cable.port, buffer=10)
        self.addCleanup(speaker.close)
        with self.assertLogs("ternmq", "WARNING") as said:
            self.cable.cut()
            until(lambda: not speaker.connected)
            sent = [speaker.publish(topic, str(n)) for n in range(25)]
            self.assertEqual((speaker.dropped, speaker.waiting), (15, 10))
            self.assertEqual([delivery.state for delivery in sent[:15]], ["dropped"] * 15)
            self.assertFalse(sent[0].wait(0))
            self.cable.mend()
            self.assertTrue(sent[-1].wait(PATIENCE))
            got = [listener.get(PATIENCE).text() for _ in range(10)]
        self.assertEqual(got, [str(n) for n in range(15, 25)])
        self.assertEqual((speaker.dropped, speaker.acknowledged), (15, 10))
        self.assertTrue(any("full" in line for line in said.output))
        self.assertTrue(any("15 messages were dropped" in line for line in said.output))

    def test_the_bound_counts_bytes_too(self):
        speaker = Publisher(port=self.cable.port, buffer_bytes=1000)
        self.addCleanup(speaker.close)
        with self.assertLogs("ternmq", "WARNING"):
            self.cable.cut()
            until(lambda: not speaker.connected)
            for _ in range(10):
                speaker.publish("t", bytes(299))
            self.assertEqual((speaker.dropped, speaker.waiting), (7, 3))
            begun = time.monotonic()
            speaker.close()
        self.assertLess(time.monotonic() - begun, 8)
        self.assertEqual((speaker.dropped, speaker.waiting), (10, 0))

    def test_a_broker_that_acknowledges_nothing(self):
        # Between them something holds everything back that still takes it, for longer than anybody
        # should wait, and pings are far apart.
        with self.assertLogs("ternmq", "WARNING"), mock.patch("ternmq.publisher.STALL_SECS", 1):
            speaker = Publisher(port=self.cable.port, keepalive=60)
            self.addCleanup(speaker.close)
            self.cable.freeze()
            sent = speaker.publish(name(), "x")
            until(lambda: not speaker.connected, 5, "the connection to be given up")
            self.cable.mend()
            self.assertTrue(sent.wait(PATIENCE))

    def test_an_error_that_paho_does_not_expect(self):
        # What a system says of a cable that was pulled out for long; 1.6 ends its thread at that.
        speaker = Publisher(port=self.cable.port)
        self.addCleanup(speaker.close)
        with self.assertLogs("ternmq", "WARNING"):
            why = OSError(errno.EHOSTUNREACH, "no route to host")
            with mock.patch.object(speaker.client, "_sock_recv", side_effect=why):
                speaker.publish(name(), "x")
                time.sleep(0.3)
            until(lambda: speaker.acknowledged == 1)
            self.assertTrue(speaker.publish(name(), "y").wait(PATIENCE))

    def test_subscriptions_come_back(self):
        topic = name()
        # Without a session that is kept: the subscription must be made anew.
        listener = Subscriber(topic, port=self.cable.port, session_expiry=0)
        self.addCleanup(listener.close)
        with self.assertLogs("ternmq", "WARNING"):
            self.cable.cut()
            until(lambda: not listener.connected)
            self.cable.mend()
            listener.wait_connected(PATIENCE)
        with Publisher(port=self.broker.port) as speaker:
            speaker.publish(topic, "again")
            self.assertEqual(listener.get(PATIENCE).text(), "again")


@unittest.skipUnless(LONG, "takes a minute and needs root")
class Silence(unittest.TestCase):
    """A cable that is pulled out: packets vanish, and nobody is told."""

    def setUp(self):
        # Names and addresses of its own: several runs go on side by side.
        me = os.getpid()
        space, near, far = f"ternmq-{me}", f"tq{me}a", f"tq{me}b"
        network = f"10.213.{me % 250}"
        self.host = f"{network}.2"
        self.within = ["ip", "netns", "exec", space]
        for command in (["ip", "netns", "add", space],
                        ["ip", "link", "add", near, "type", "veth", "peer", "name", far],
                        ["ip", "link", "set", far, "netns", space],
                        ["ip", "addr", "add", f"{network}.1/30", "dev", near],
                        ["ip", "link", "set", near, "up"],
                        [*self.within, "ip", "addr", "add", f"{self.host}/30", "dev", far],
                        [*self.within, "ip", "link", "set", far, "up"],
                        [*self.within, "ip", "link", "set", "lo", "up"]):
            subprocess.run(command, check=True)
            if command[1:3] == ["netns", "add"]:
                self.addCleanup(subprocess.run, ["ip", "netns", "delete", space])
        self.far = far

    def test_thirty_seconds(self):
        broker = Broker(host=self.host, within=self.within)
        self.addCleanup(broker.close)
        with self.assertLogs("ternmq", "WARNING"):
            stream = Stream(self, broker.port, self.host)
            for how in ("down", "up"):
                subprocess.run([*self.within, "ip", "link", "set", self.far, how], check=True)
                time.sleep(CUT_SECS if how == "down" else 0)
            took = stream.flows_again(self)
            print(f"silence: flows again after {took:.1f} s, {stream.sent} sent", flush=True)
            stream.nothing_is_lost(self)


if __name__ == "__main__":
    unittest.main()
