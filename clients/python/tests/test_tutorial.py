"""The tutorial's programs: their classes replaced by an import, the rest byte for byte.

`restart` and `cut` are what happens to them meanwhile; nobody types anything.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
import unittest

from place import LONG, PATIENCE, Broker, Cable, name, until

from ternmq import ConnectError, Mqtt_Publisher, Mqtt_Subscriber, Subscriber

HEAD = """import paho.mqtt.client as mqtt
import threading
import random
import time
from ternmq import Mqtt_Publisher, Mqtt_Subscriber
"""
PUBLISHER = """if __name__=='__main__':
    p=Mqtt_Publisher()
    while not p.connected:
        pass
    while True:
        p.Publish('test','this is a test message')   
        p.Publish('test_2','this is test 2')
        time.sleep(1)     #延迟一秒
"""
SUBSCRIBER = """if __name__=='__main__':
    p=Mqtt_Subscriber()
    while not p.connected:
        pass
    while True:
        time.sleep(1)
"""
# How soon messages flow again once the broker can be reached.
AGAIN_SECS = 5
CUT_SECS = 30 if LONG else 3


class Program:
    """One of the programs as it runs, and the lines it prints."""

    def __init__(self, text, port):
        surroundings = dict(os.environ, TERNMQ_HOST="127.0.0.1", TERNMQ_PORT=str(port))
        self.process = subprocess.Popen([sys.executable, "-u", "-c", HEAD + text], text=True,
                                        env=surroundings, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.lines, self.trouble = queue.Queue(), []
        self.readers = [threading.Thread(target=self.read), threading.Thread(target=self.note)]
        for reader in self.readers:
            reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def note(self):
        for line in self.process.stderr:
            self.trouble.append(line)

    def end(self):
        """As Ctrl-C does; what it wrote to stderr."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return "".join(self.trouble)


class Tutorial(unittest.TestCase):
    def setUp(self):
        self.broker = Broker()
        self.addCleanup(self.broker.close)
        self.cable = Cable(self.broker.port)
        self.addCleanup(self.cable.cut)

    def test_programs_byte_for_byte_through_restart_and_cut(self):
        with Subscriber("#", port=self.broker.port) as beside:
            listener = Program(SUBSCRIBER, self.cable.port)
            speaker = Program(PUBLISHER, self.cable.port)
            self.assertEqual(listener.lines.get(timeout=PATIENCE), "this is a test message")
            topics = {beside.get(PATIENCE).topic for _ in range(4)}
            self.assertEqual(topics, {"test", "test_2"})

            self.broker.kill()
            time.sleep(1)
            self.broker.start()
            self.flows_again(listener, "after a restart")

            self.cable.cut()
            time.sleep(CUT_SECS)
            self.cable.mend()
            self.flows_again(listener, f"after a cut of {CUT_SECS} s")

        for program in (listener, speaker):
            self.assertIsNone(program.process.poll())
            self.assertIn("KeyboardInterrupt", program.end())

    def flows_again(self, listener, when):
        begun = time.monotonic()
        while not listener.lines.empty():
            listener.lines.get()
        # What was kept comes at once, and what is new each second.
        for _ in range(2):
            left = begun + AGAIN_SECS - time.monotonic()
            try:
                self.assertEqual(listener.lines.get(timeout=left), "this is a test message")
            except queue.Empty:
                raise AssertionError(f"nothing within {AGAIN_SECS} s {when}") from None

    def test_names_and_attributes_stay(self):
        topic, got = name(), queue.Queue()
        listener = Mqtt_Subscriber(central_ip="127.0.0.1", port=self.broker.port, topic_name=topic,
                                   callback_func=lambda client, userdata, msg: got.put(
                                       (client, msg.topic, msg.payload)),
                                   node_name="bci_", anonymous=True, timeout=60)
        self.addCleanup(listener.Stop)
        speaker = Mqtt_Publisher("127.0.0.1", self.broker.port, "eeg", False)
        self.addCleanup(speaker.Stop)
        self.assertRegex(listener.node_name, r"^bci_\d{6}$")
        self.assertEqual(speaker.node_name, "eeg")
        self.assertEqual((speaker.broker_ip, speaker.broker_port), ("127.0.0.1", self.broker.port))
        self.assertEqual((listener.topic, listener.timeout), (topic, 60))
        self.assertTrue(speaker.connected and listener.connected)
        info = speaker.Publish(topic, payload="x", qos=1, retain=False)
        info.wait_for_publish(PATIENCE)
        self.assertTrue(info.is_published())
        self.assertEqual((info.rc, info[0], tuple(info)), (0, 0, (0, info.mid)))
        self.assertEqual(got.get(timeout=PATIENCE), (listener.client, topic, b"x"))
        speaker.Stop()
        self.assertFalse(speaker.connected)
        with self.assertRaisesRegex(ConnectionError, "Start"):
            speaker.Publish(topic, "y")
        speaker.Start()
        speaker.Publish(topic, "z")
        self.assertEqual(got.get(timeout=PATIENCE)[2], b"z")

    def test_a_subclass_may_have_its_own_callbacks(self):
        got, codes = [], []

        class Mine(Mqtt_Subscriber):
            def on_connect(self, client, userdata, flags, rc):
                if rc == 0:
                    self.connected = True
                codes.append(rc)

            def default_on_message(self, client, userdata, msg):
                got.append(msg.payload)

        topic = name()
        mine = Mine("127.0.0.1", self.broker.port, topic)
        self.addCleanup(mine.Stop)
        self.assertEqual(codes, [0])
        speaker = Mqtt_Publisher("127.0.0.1", self.broker.port)
        self.addCleanup(speaker.Stop)
        speaker.Publish(topic, "mine")
        until(lambda: got == [b"mine"])

    def test_a_broker_that_is_not_there_is_told_at_once(self):
        self.broker.stop()
        with self.assertRaisesRegex(ConnectError, "Nothing listens"):
            Mqtt_Publisher("127.0.0.1", self.broker.port)

    def test_keyword_arguments(self):
        topic = name()
        listener = Subscriber(topic, port=self.broker.port)
        self.addCleanup(listener.close)
        speaker = Mqtt_Publisher("127.0.0.1", self.broker.port, username="lab", password="x",
                                 client_id=name("id"), will=(topic, "gone", 1, False))
        self.addCleanup(speaker.Stop)
        self.assertRegex(speaker.node_name, "^id-")
        speaker.Publish(topic, "here")
        self.assertEqual(listener.get(PATIENCE).text(), "here")


if __name__ == "__main__":
    unittest.main()
